"""Search: candidates through a visible tuple of passes to the exact front."""

from tokenworks.search.run import PASSES, Found, search

__all__ = ["PASSES", "Found", "search"]
