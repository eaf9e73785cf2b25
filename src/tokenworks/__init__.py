"""Tokenworks: lawful, simulated, priced AI factories from one short request file."""
