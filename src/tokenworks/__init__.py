"""Tokenworks: lawful, simulated, priced AI factories from one short request file."""

__version__ = "0.1.0"
