"""The demand documents that ship with the program, by name."""

from __future__ import annotations

from importlib.resources import files as package

from tokenworks import files
from tokenworks.errors import UnknownFact, nearest


def shipped_demand(name: str) -> object:
    """A shipped demand document. Raises UnknownFact."""
    folder = package("tokenworks") / "catalog" / "data" / "demand"
    known = sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))
    if name not in known:
        raise UnknownFact("the demand '{value}' is not in the catalog; did you mean '{nearest}'?", field="REQUESTS",
                          value=name, nearest=nearest(name, known) or known[0])  # fmt: skip
    return files.parse((folder / f"{name}.yaml").read_text(encoding="utf-8"), name)
