"""Commands whose room is not built yet: an honest answer and exit 2."""

from __future__ import annotations

import click

from tokenworks.errors import BadRequest


def later(name: str) -> click.Command:
    """A command that takes anything and says that this version does not have it."""

    @click.command(name, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, hidden=True)
    @click.argument("anything", nargs=-1, type=click.UNPROCESSED)
    def command(anything: tuple[str, ...]) -> None:
        raise BadRequest("not in this version", field=name)

    return command
