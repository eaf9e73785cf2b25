"""Tokenworks: lawful, simulated, priced AI factories from one short request file."""

from tokenworks.app.api import World, predict, quote, verdict
from tokenworks.errors import BadRequest, Defect, TokenworksError, UnknownFact
from tokenworks.records import Quote, Request, Shipment, Verdict
from tokenworks.version import VERSION

__version__ = VERSION

__all__ = [
    "BadRequest",
    "Defect",
    "Quote",
    "Request",
    "Shipment",
    "TokenworksError",
    "UnknownFact",
    "Verdict",
    "World",
    "__version__",
    "predict",
    "quote",
    "verdict",
]
