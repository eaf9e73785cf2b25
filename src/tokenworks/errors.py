"""The exception tree. Everything the program raises on purpose is one of these three.

    TokenworksError
    ├── BadRequest    the input cannot be read or contradicts itself   exit 2
    ├── UnknownFact   well formed, but names what the catalog lacks    exit 4
    └── Defect        our own data or code is wrong                    exit 70

"Nothing feasible" is an answer, not an error (DESIGN.md, "Honest numbers").
"""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import process

from tokenworks.language import Text, show

_SHOWN = 60  # characters of a rejected value that an error repeats
_LISTED = 12  # allowed values that an error spells out
_CLOSE = 60.0  # similarity (0 to 100) below which no "nearest" is offered


class TokenworksError(Exception):
    """Base of every deliberate error; carries a translatable sentence and the field it is about."""

    exit_code = 70

    def __init__(self, template: str, *, field: str = "", **values: object) -> None:
        self.text = Text(template, tuple(sorted((k, show(v, _SHOWN)) for k, v in values.items())))
        self.field = field
        super().__init__(f"{field}: {self.text}" if field else str(self.text))


class BadRequest(TokenworksError):
    """The input cannot be read, is out of range, or contradicts itself."""

    exit_code = 2


class UnknownFact(TokenworksError):
    """A well-formed input names a chip, model, country or scenario that the catalog lacks."""

    exit_code = 4


class Defect(TokenworksError):
    """Our own facts or code are inconsistent."""


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name most like `name`, or None where nothing is close.

    >>> nearest("deepseek-v4", ["deepseek-v3", "llama-2-7b"])
    'deepseek-v3'
    >>> nearest("zzz", ["deepseek-v3"]) is None
    True
    """
    best = process.extractOne(name.casefold(), list(allowed), score_cutoff=_CLOSE)
    return best[0] if best else None


def not_allowed(
    field: str, value: object, allowed: Iterable[str], kind: type[TokenworksError] = BadRequest
) -> TokenworksError:
    """Build the error for a value outside a set: what was read, what is allowed, what is nearest."""
    names = sorted(allowed)
    close = nearest(str(value)[:_SHOWN], names)
    listed = ", ".join(names[:_LISTED]) + (f", … ({len(names)})" if len(names) > _LISTED else "")
    if close is None:
        return kind("'{value}' is not known; allowed: {allowed}", field=field, value=value, allowed=Text(listed))
    return kind(
        "'{value}' is not known; did you mean '{nearest}'? allowed: {allowed}",
        field=field,
        value=value,
        nearest=close,
        allowed=Text(listed),
    )
