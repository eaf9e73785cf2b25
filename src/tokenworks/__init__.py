"""Tokenworks: lawful, simulated, priced AI factories from one short request file."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tokenworks.errors import BadRequest, Defect, TokenworksError, UnknownFact
from tokenworks.version import VERSION

if TYPE_CHECKING:
    from tokenworks.app.api import World, predict, quote, verdict
    from tokenworks.records import Quote, Request, Shipment, Verdict

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


class _Front(ModuleType):
    """The engine is loaded when something of it is asked for, so that the command line starts at once. `quote` is
    the function also after the room of that name was imported, which binds itself here."""

    def __getattr__(self, name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'tokenworks' has no attribute '{name}'")
        return getattr(import_module("tokenworks.app.api"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name == "quote" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front  # docs.python.org, "Customizing module attribute access"
