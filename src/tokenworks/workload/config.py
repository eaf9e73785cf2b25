"""A config.json as bounded, typed fields: every error names the field, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.errors import BadRequest

# The largest values that are read; each is well above any published model.
BOUNDS: Mapping[str, int] = {
    "layers": 1_000,
    "width": 1_000_000,
    "heads": 10_000,
    "vocab": 10_000_000,
    "experts": 100_000,
    "bits": 64,
    "context": 1_000_000_000,
    "parameters": 100_000_000_000_000,
}


class Fields:
    """Reads fields of a mapping under any of several spellings (first one present wins)."""

    def __init__(self, config: Mapping[str, Any], name: str) -> None:
        if not isinstance(config, Mapping):
            raise BadRequest("expected the fields of a config.json, read '{value}'", field=name, value=config)
        self.config, self.name = config, name

    def where(self, key: str) -> str:
        """The field as an error names it."""
        return f"{self.name}.{key}"

    def has(self, *keys: str) -> str | None:
        """The first spelling that is present and not null."""
        return next((k for k in keys if self.config.get(k) is not None), None)

    def number(self, *keys: str, kind: str = "width", low: int = 1) -> int:
        """A whole number that must be there. Raises BadRequest naming the first spelling."""
        found = self.has(*keys)
        if found is None:
            raise BadRequest("is missing", field=self.where(keys[0]))
        return self._whole(found, self.config[found], kind, low)

    def optional(self, *keys: str, default: int = 0, kind: str = "width", low: int = 0) -> int:
        """A whole number, or the default where it is absent or null."""
        found = self.has(*keys)
        return default if found is None else self._whole(found, self.config[found], kind, low)

    def flag(self, key: str, default: bool = False) -> bool:
        """A true or false, or the default where it is absent or null."""
        value = self.config.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadRequest("expected true or false, read '{value}'", field=self.where(key), value=value)
        return value

    def text(self, *keys: str) -> str | None:
        """A word, or None."""
        found = self.has(*keys)
        if found is None:
            return None
        value = self.config[found]
        if not isinstance(value, str) or len(value) > 10_000:
            raise BadRequest("expected a word, read '{value}'", field=self.where(found), value=value)
        return value

    def items(self, key: str, count: int) -> list[Any] | None:
        """A list with at least one element a layer, cut to `count`; or None where it is absent."""
        value = self.config.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise BadRequest("expected a list, read '{value}'", field=self.where(key), value=value)
        if len(value) < count:
            raise BadRequest("has {n} elements for {layers} layers", field=self.where(key), n=len(value), layers=count)
        return value[:count]

    def every(self, key: str) -> list[Any] | None:
        """A list of words or whole numbers, of any length up to the bound on layers; or None."""
        value = self.config.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(v, str | int) for v in value):
            raise BadRequest("expected a list, read '{value}'", field=self.where(key), value=value)
        if len(value) > BOUNDS["layers"]:
            raise BadRequest(
                "has {n} elements; at most {most} are read",
                field=self.where(key),
                n=len(value),
                most=BOUNDS["layers"],
            )
        return value

    def part(self, key: str) -> Fields | None:
        """A nested mapping, or None where it is absent."""
        value = self.config.get(key)
        return None if value is None else Fields(value, self.where(key))

    def refuse(self, *keys: str) -> None:
        """Refuse fields that change the arithmetic in a way that is not modelled here."""
        for key in keys:
            if self.config.get(key):
                raise BadRequest("describes an architecture that is not modelled", field=self.where(key))

    def _whole(self, key: str, value: Any, kind: str, low: int) -> int:
        most = BOUNDS[kind]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest("expected a whole number, read '{value}'", field=self.where(key), value=value)
        if not low <= value <= most or value != int(value):  # also refuses NaN and infinities
            raise BadRequest(
                "'{value}' is out of range; allowed: whole numbers from {low} to {high}",
                field=self.where(key), value=value, low=low, high=most,
            )  # fmt: skip
        return int(value)
