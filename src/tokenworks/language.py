"""Sentences that can be said in another language. Knows no file but our own message catalogues."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

LANGUAGES = ("en", "zh-Hant")


@dataclass(frozen=True, slots=True)
class Text:
    """A translatable sentence: an English template and the values that fill its {holes}.

    >>> str(Text("{n} chips", (("n", "8"),)))
    '8 chips'
    """

    template: str
    values: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return self.template.format(**dict(self.values)) if self.values else self.template


def text(template: str, **values: object) -> Text:
    """Build a `Text` from keyword values."""
    return Text(template, tuple(sorted(values.items())))


def show(value: object, limit: int) -> object:
    """Shorten a value for a message; leave translatable texts alone.

    >>> show("x" * 9, 4)
    'xxx…'
    """
    if isinstance(value, Text):
        return value
    try:
        said = str(value)
    except (ValueError, RecursionError):  # integers over 4,300 digits, endless nesting
        said = type(value).__name__
    said = said.encode("utf-8", "replace").decode("utf-8")
    said = "".join(c if c.isprintable() else "�" for c in said)
    return said if len(said) <= limit else said[: limit - 1] + "…"


class Translator:
    """Says `Text` and message ids in one language.

    >>> Translator("en")("{n} chips", n=8)
    '8 chips'
    """

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._catalogue: gettext.NullTranslations = gettext.NullTranslations()
        if language != "en":
            path = files("tokenworks") / "locale" / language.replace("-", "_") / "LC_MESSAGES" / "tokenworks.mo"
            with path.open("rb") as file:
                self._catalogue = gettext.GNUTranslations(file)

    def __call__(self, template: str, **values: object) -> str:
        said = self._catalogue.gettext(template) if template else ""
        return said.format(**self._fill(values)) if values else said

    def say(self, sentence: Text | str) -> str:
        """Translate a `Text`; texts inside its values are translated too."""
        if isinstance(sentence, str):
            return self(sentence)
        return self(sentence.template, **dict(sentence.values))

    def sentences(self) -> dict[str, str]:
        """Every sentence of this language by its English template; empty for English."""
        known: Mapping[object, object] = getattr(self._catalogue, "_catalog", {})
        return {k: v for k, v in known.items() if isinstance(k, str) and isinstance(v, str) and k}

    def _fill(self, values: Mapping[str, object]) -> dict[str, object]:
        return {k: self.say(v) if isinstance(v, Text) else v for k, v in values.items()}
