"""`quote`: the command. An answer that was given before to the same files is read, not worked out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks import files, kept
from tokenworks.app.options import Options, common, options
from tokenworks.deferred import Deferred

if TYPE_CHECKING:
    from tokenworks.app import answering
else:
    answering = Deferred("tokenworks.app.answering")  # the engine, which a kept answer does not need


@dataclass(frozen=True)
class Asked:
    """What `quote` is asked: a request's file and the options of the command."""

    path: Path
    output: str | None
    stats: bool
    exhaustive: bool
    doubt: str | None
    free: bool


@click.command()
@click.argument("request_file", metavar="REQUEST")
@click.option("-o", "--output", default=None, help="Folder for the files: quote, bill, drawing, launch, report.")
@click.option("--stats", is_flag=True, help="How many designs were spanned, cut and scored.")
@click.option("--exhaustive", is_flag=True, help="Switch the bounds off: score every design that divides.")
@click.option(
    "--why-not",
    "doubt",
    default=None,
    metavar="DESIGN",
    help="Why this design is not the answer: its id, or words such as 'chip=h100 tp=8'.",
)
@click.option("--without-rules", "free", is_flag=True, help="What the export rules change, and which rules.")
@common
def quote(
    request_file: str, output: str | None, stats: bool, exhaustive: bool, doubt: str | None, free: bool, **shared: Any
) -> int:
    """Answer a request file (YAML, TOML or JSON) with lawful, simulated, priced designs."""
    opts = options(shared["form"], shared["overlay"], shared["language"])
    asked = Asked(Path(request_file), output, stats, exhaustive, doubt, free)
    told = (
        kept.kept("quotes", _sources(asked, opts), lambda: _told(asked, opts)) if _keeps(asked) else _told(asked, opts)
    )
    answer = json.loads(told)
    click.echo(answer["said"], nl=False)
    return int(answer["code"])


def _told(asked: Asked, opts: Options) -> bytes:
    said, code = answering.answer(asked, opts)
    return json.dumps({"said": said, "code": code}).encode()


def _keeps(asked: Asked) -> bool:
    """Whether all that the answer comes from is the request's own text and our catalog, and only words come out."""
    if asked.output is not None or asked.stats or asked.exhaustive:
        return False
    read = files.load(asked.path)
    jobs = read.get("make") if isinstance(read, Mapping) else None
    each = [job for job in jobs.values() if isinstance(job, Mapping)] if isinstance(jobs, Mapping) else []
    named = [job.get(field) for job in each for field in ("model", "trace")]
    return not any(isinstance(name, str) and (asked.path.parent / name).exists() for name in named)


def _sources(asked: Asked, opts: Options) -> list[bytes]:
    """All that the words of an answer come from, besides this program."""
    words = [asked.path.suffix, asked.doubt, asked.free, opts.format, opts.language, shutil.get_terminal_size((0, 0))]
    overlay = sorted(opts.catalog.glob("*.yaml")) if opts.catalog is not None else []
    laid = [part for path in overlay for part in (path.name.encode(), files.read_text(path).encode())]
    return [files.read_text(asked.path).encode(), json.dumps(words).encode(), str(opts.catalog).encode(), *laid]
