"""The version of the program: part of a quote's identity."""

VERSION = "0.1.0"
