"""Quote: the one story, request + world -> Quote; and why any number is what it is."""

from tokenworks.quote.request import inline_models, read_request
from tokenworks.quote.story import architecture, problems, quote, resolved
from tokenworks.quote.whatif import compare

__all__ = ["architecture", "compare", "inline_models", "problems", "quote", "read_request", "resolved"]
