"""Quote: the one story, request + world -> Quote; and why any number is what it is."""

from tokenworks.quote.buildout import Plan, buildout
from tokenworks.quote.carry import Carried, carry
from tokenworks.quote.porting import Ask, porting
from tokenworks.quote.request import inline_files, read_request
from tokenworks.quote.story import architecture, problems, quote, resolved
from tokenworks.quote.whatif import compare

__all__ = [
    "Ask",
    "Carried",
    "Plan",
    "architecture",
    "buildout",
    "carry",
    "compare",
    "inline_files",
    "porting",
    "problems",
    "quote",
    "read_request",
    "resolved",
]
