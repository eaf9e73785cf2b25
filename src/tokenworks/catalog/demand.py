"""The demand documents that ship with the program, by name."""

from __future__ import annotations

from importlib.resources import files as package
from importlib.resources.abc import Traversable

from tokenworks import files
from tokenworks.errors import UnknownFact, nearest


def shipped_demands() -> list[str]:
    """Names of the shipped demand documents."""
    return sorted(p.name.removesuffix(".yaml") for p in _folder().iterdir() if p.name.endswith(".yaml"))


def shipped_demand(name: str, field: str) -> object:
    """A shipped demand document. Raises UnknownFact, naming the field that the name was read from."""
    known = shipped_demands()
    if name not in known:
        raise UnknownFact("the demand '{value}' is not in the catalog; did you mean '{nearest}'?", field=field,
                          value=name, nearest=nearest(name, known) or known[0])  # fmt: skip
    return files.parse((_folder() / f"{name}.yaml").read_text(encoding="utf-8"), name)


def _folder() -> Traversable:
    return package("tokenworks") / "catalog" / "data" / "demand"
