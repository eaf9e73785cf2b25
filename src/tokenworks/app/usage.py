"""What click finds wrong in a command line, said as every other error is: field, value read, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from tokenworks.errors import BadRequest, TokenworksError, not_allowed

_COMMAND = re.compile(r"No such command '(.+)'")


def misread(error: click.ClickException, arguments: Sequence[str]) -> TokenworksError | None:
    """The error in our words, or None where click's own answer (the help of a group) is the right one.

    >>> misread(click.BadOptionUsage("--draws", "Option '--draws' requires an argument."), ["--draws"]).field
    '--draws'
    """
    if isinstance(error, click.exceptions.NoArgsIsHelpError) or not isinstance(error, click.UsageError):
        return None
    place = error.ctx.command_path.removeprefix("tokenworks").strip() if error.ctx else ""
    if isinstance(error, click.NoSuchOption):
        options = [name for each in error.ctx.command.params for name in each.opts] if error.ctx else []
        return not_allowed(place, error.option_name, [name for name in options if name.startswith("--")])
    group = error.ctx.command if error.ctx else None
    wrong = _COMMAND.search(error.message)
    if wrong and error.ctx and isinstance(group, click.Group):
        return not_allowed(place, wrong[1], group.list_commands(error.ctx))
    if isinstance(error, click.BadOptionUsage):
        return BadRequest("is missing", field=error.option_name)
    if isinstance(error, click.MissingParameter) and error.param:
        return BadRequest("is missing", field=_name(error.param))
    if isinstance(error, click.BadParameter) and error.param:
        return _bad_value(error.param, arguments)
    return BadRequest("cannot be read: {why}", field=place, why=error.format_message())


def _bad_value(param: click.Parameter, arguments: Sequence[str]) -> BadRequest:
    """The value that stands behind an option, refused by its type."""
    value = next((v for each in param.opts for v in _values(each, arguments)), "")
    if isinstance(param.type, click.types.IntParamType):
        return BadRequest("expected a whole number, read '{value}'", field=_name(param), value=value)
    return BadRequest("expected a number, read '{value}'", field=_name(param), value=value)


def _values(name: str, arguments: Sequence[str]) -> list[str]:
    """What stands behind every place of an option, the last place first."""
    found = [arguments[i + 1] for i, given in enumerate(arguments[:-1]) if given == name]
    found += [given.split("=", 1)[1] for given in arguments if given.startswith(f"{name}=")]
    return found[::-1]


def _name(param: click.Parameter) -> str:
    """An option by its long name, an argument by the word that its help has."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name
