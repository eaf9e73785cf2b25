"""The command line: finds the command, runs it, turns errors into one sentence and an exit code.

Rooms are imported by the command that needs them, through `Gate`: the one place where imports are late, so
that `tokenworks --help` does not wait for the engine.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

from tokenworks.app.later import later
from tokenworks.app.usage import misread
from tokenworks.errors import TokenworksError
from tokenworks.files import dump_json
from tokenworks.language import LANGUAGES, Translator
from tokenworks.version import VERSION

# command -> (module, attribute, one line of help)
COMMANDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "quote": ("tokenworks.app.quoting", "quote", "Answer a request file with lawful, priced designs."),
        "explain": (
            "tokenworks.app.explaining",
            "explain",
            "Formula, inputs and sources of a figure of an answer.",
        ),
        "predict": ("tokenworks.app.predicting", "predict", "Predict published runs."),
        "simulate": ("tokenworks.app.predicting", "simulate", "Let requests flow through a design."),
        "market": ("tokenworks.app.markets", "market", "Many buyers in two worlds: who sells, who buys, who loses."),
        "whatif": ("tokenworks.app.whatifs", "whatif", "One request in two worlds, side by side."),
        "buildout": ("tokenworks.app.buildouts", "buildout", "What a country builds with a budget, by quarter."),
        "carry": ("tokenworks.app.ports", "carry", "Does a car's or a board's chip carry a model?"),
        "porting": (
            "tokenworks.app.ports",
            "porting",
            "How a model fits each chip, and what it could change.",
        ),
        "validate": ("tokenworks.app.validating", "validate", "Cross-validate the models on published runs."),
        "sweep": ("tokenworks.app.sweeping", "sweep", "Answer a grid of requests, in shards that survive a kill."),
        "law": ("tokenworks.app.laws", "law", "Export rules: check, cases, timeline, grid, diff."),
        "fabric": ("tokenworks.app.parts", "fabric", "Count a network."),
        "model": ("tokenworks.app.parts", "model", "What a model is made of."),
        "catalog": ("tokenworks.app.parts", "catalog", "The facts: list, show, check."),
        "schema": ("tokenworks.app.parts", "schema", "JSON Schema of an answer."),
        "web": ("tokenworks.app.serving", "web", "Serve the page and the HTTP API."),
    }
)
LATER = ("measure",)
INTERRUPTED = 130


class Gate(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*COMMANDS, *LATER))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in LATER:
            return later(name)
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, COMMANDS[name][2]) for name in sorted(COMMANDS)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=Gate, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="tokenworks")
def cli() -> None:
    """Tell it what AI you want to make, where, when, for whom and for how much: it answers with AI factories
    that are lawful, simulated and priced. Not legal advice."""


def main() -> None:
    """Entry point of the `tokenworks` command. Exit codes: DESIGN.md section 3."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line and give its exit code."""
    try:
        return _code(cli.main(args=arguments, prog_name="tokenworks", standalone_mode=False))
    except TokenworksError as error:
        _report(error, arguments)
        return error.exit_code
    except click.ClickException as error:
        ours = misread(error, arguments)
        if ours is None:
            error.show()
            return error.exit_code
        _report(ours, arguments)
        return ours.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: nobody to tell
        return 0


def _code(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _report(error: TokenworksError, arguments: list[str]) -> None:
    """One sentence on stderr, in the reader's language; as JSON where JSON was asked for."""
    language = _option(arguments, "--lang") or os.environ.get("TOKENWORKS_LANG", "en")
    say = Translator(language if language in LANGUAGES else "en")
    sentence = say.say(error.text)
    if _option(arguments, "--format") == "json":
        kind = type(error).__name__
        body = {"kind": kind, "field": error.field, "message": sentence}
        click.echo(dump_json({"schema": "tokenworks/error/1", "error": body}), err=True, nl=False)
    else:
        click.echo(f"tokenworks: {error.field}: {sentence}" if error.field else f"tokenworks: {sentence}", err=True)


def _option(arguments: list[str], name: str) -> str | None:
    for i, argument in enumerate(arguments):
        if argument == name and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith(f"{name}="):
            return argument.split("=", 1)[1]
    return None
