"""Options that every command has, and what is made of them."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from tokenworks import files
from tokenworks.errors import BadRequest, not_allowed
from tokenworks.language import LANGUAGES, Translator
from tokenworks.records import World

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("text", "json")


@dataclass(frozen=True)
class Options:
    """How to answer: format, the user's own facts, language."""

    format: str
    catalog: Path | None
    language: str

    @property
    def say(self) -> Translator:
        """The translator for this command."""
        return Translator(self.language)

    def said(self, content: Any, text: Callable[[Translator], str]) -> str:
        """An answer as JSON or as text, with its last line ended."""
        said = files.dump_json(content) if self.format == "json" else text(self.say)
        return said if said.endswith("\n") else said + "\n"

    def answer(self, content: Any, text: Callable[[Translator], str]) -> None:
        """Print an answer on stdout."""
        click.echo(self.said(content, text), nl=False)


def common(command: F) -> F:
    """Add --format, --catalog and --lang."""
    for option in (
        click.option("--lang", "language", default="en", envvar="TOKENWORKS_LANG", help="en | zh-Hant"),
        click.option("--catalog", "overlay", default=None, help="A folder of your own facts, laid over ours."),
        click.option("--format", "form", default="text", help="text | json"),
    ):
        command = option(command)
    return command


def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options, and hand the command what they come to as `opts`."""

    @wraps(command)
    def run(form: str, overlay: str | None, language: str, **rest: Any) -> Any:
        return command(opts=options(form, overlay, language), **rest)

    return common(run)


def options(form: str, overlay: str | None, language: str) -> Options:
    """Check the common options. Raises BadRequest naming the option."""
    if form not in FORMATS:
        raise not_allowed("--format", form, FORMATS)
    if language not in LANGUAGES:
        raise not_allowed("--lang", language, LANGUAGES)
    return Options(form, None if overlay is None else Path(overlay), language)


def in_range(field: str, value: int, low: int, high: int) -> int:
    """The value, between its ends. Raises BadRequest naming the option."""
    if not low <= value <= high:
        raise BadRequest("'{value}' is out of range; allowed: {low} to {high}", field=field, value=value, low=low,
                         high=high)  # fmt: skip
    return value


def read_day(value: str, field: str) -> dt.date:
    """A day as YYYY-MM-DD. Raises BadRequest."""
    try:
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise BadRequest("expected a date such as 2025-05-02, read '{value}'", field=field, value=value) from error


def within_rules(day: dt.date, world: World, field: str) -> dt.date:
    """A day on which the rules of a world are known. Raises BadRequest for one before the first of them."""
    first = str(world.law["meta"]["known_from"])
    if day.isoformat() < first:
        raise BadRequest("'{value}' is before the first rule ({first})", field=field, value=day, first=first)
    return day


def progress(sentence: str) -> None:
    """Say something on stderr."""
    click.echo(sentence, err=True)


def interactive() -> bool:
    """Whether a person watches stderr."""
    return sys.stderr.isatty()
