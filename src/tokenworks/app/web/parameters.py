"""Parameters of a question, from a query or a body: read one by one, each checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenworks.errors import BadRequest

TEXT_MAX = 300
_NUMBER = re.compile(r"[-+]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][-+]?\d{1,3})?")


@dataclass(frozen=True)
class Parameters:
    """What was given, by name. Query values are texts, body values JSON; both are read alike."""

    all: Mapping[str, Any]

    def only(self, *names: str) -> None:
        """Refuse what is not asked for. Raises BadRequest naming it."""
        for name in self.all:
            if name not in names:
                raise BadRequest("is not known here; allowed: {allowed}", field=name[:60], allowed=", ".join(names))

    def maybe_text(self, name: str, default: str | None = None, most: int = TEXT_MAX) -> str | None:
        """A text, or the default where it is absent. Raises BadRequest."""
        value = self.all.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise BadRequest("expected a name, read '{value}'", field=name, value=value)
        if len(value) > most:
            raise BadRequest("is {n} characters long; at most {most} are read", field=name, n=len(value), most=most)
        return value.strip()

    def text(self, name: str) -> str:
        """A text that must be there. Raises BadRequest."""
        found = self.maybe_text(name)
        if found is None:
            raise BadRequest("is missing", field=name)
        return found

    def maybe_number(self, name: str, low: float, high: float) -> float | None:
        """A number in a range, or None where it is absent. Raises BadRequest."""
        value = self.all.get(name)
        if value is None:
            return None
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest("expected a number, read '{value}'", field=name, value=value)
        if not low <= value <= high:
            raise BadRequest("'{value}' is out of range; allowed: {low} to {high}",
                             field=name, value=value, low=f"{low:g}", high=f"{high:g}")  # fmt: skip
        return float(value)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number in a range, or the default where it is absent. Raises BadRequest."""
        found = self.maybe_number(name, low, high)
        return default if found is None else found

    def maybe_whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number in a range, or None where it is absent. Raises BadRequest."""
        found = self.maybe_number(name, low, high)
        if found is None:
            return None
        if found != int(found):
            raise BadRequest("expected a whole number, read '{value}'", field=name, value=found)
        return int(found)

    def whole(self, name: str, default: int | None, low: int, high: int) -> int:
        """A whole number in a range; where it is absent the default, None meaning that it must be there."""
        found = self.maybe_whole(name, low, high)
        if found is None and default is None:
            raise BadRequest("is missing", field=name)
        return found if found is not None else int(default or 0)

    def flag(self, name: str) -> bool:
        """True or false; false where it is absent. Raises BadRequest."""
        value = self.all.get(name)
        if value is None or value in (False, "false"):
            return False
        if value in (True, "true"):
            return True
        raise BadRequest("expected true or false, read '{value}'", field=name, value=value)

    def records(self, name: str, most: int) -> list[Any]:
        """A list of at most `most` elements. Raises BadRequest."""
        value = self.all.get(name)
        if not isinstance(value, list):
            raise BadRequest("expected a list of records, or the field 'records'", field=name)
        if len(value) > most:
            raise BadRequest("holds {n} elements; at most {most} are read", field=name, n=len(value), most=most)
        return value

    def texts(self, name: str, most: int) -> list[str]:
        """Several names: a list, or one text with commas. Empty where it is absent. Raises BadRequest."""
        value = self.all.get(name)
        if value is None:
            return []
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(i, str) and 0 < len(i) <= TEXT_MAX for i in items):
            raise BadRequest("expected names, read '{value}'", field=name, value=value)
        if len(items) > most:
            raise BadRequest("holds {n} elements; at most {most} are read", field=name, n=len(items), most=most)
        return [i.strip() for i in items]

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Fields by name. Raises BadRequest."""
        value = self.all.get(name)
        if not isinstance(value, Mapping):
            raise BadRequest("an inline model needs 'config', the fields of its config.json", field=name)
        return value

    @property
    def about(self) -> Mapping[str, Any]:
        """The kept answer that the question is about; the server has put it there."""
        found: Mapping[str, Any] = self.all["about"]
        return found
