"""App: parse, call, render. No arithmetic here."""
