"""What `quote` says: the engine behind the command of app/quoting.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tokenworks import catalog, deliver, files
from tokenworks.app import forked, heavy
from tokenworks.app.options import Options, progress
from tokenworks.quote import inline_files, read_request
from tokenworks.quote import quote as make_quote
from tokenworks.quote.flow import architectures
from tokenworks.quote.whynot import why_not, without_rules

if TYPE_CHECKING:
    from tokenworks.app.quoting import Asked

INFEASIBLE = 3


def answer(asked: Asked, opts: Options) -> tuple[str, int]:
    """What is printed, and the exit code; the files of `asked.output` are written.

    Raises BadRequest or UnknownFact as reading a request and quoting do.
    """
    request = read_request(inline_files(files.load(asked.path), asked.path.parent))
    facts = catalog.load(opts.catalog)
    world = catalog.world(facts, request.when)
    if asked.doubt is not None:
        told = why_not(request, world, asked.doubt)
        return opts.said(told, lambda say: deliver.why_not(told, say)), 0
    if asked.free:
        changed = {"schema": "tokenworks/without-rules/1", "jobs": without_rules(request, world)}
        return opts.said(changed, lambda say: deliver.without_rules(changed, say)), 0
    made = make_quote(request, world, asked.exhaustive, heavy.scorer() if asked.exhaustive else forked.scorer())
    if asked.output is not None:
        found = architectures(made.content, world)
        for written in deliver.write(made.content, Path(asked.output), opts.say, found, heavy.pdf_pages()):
            progress(str(written))
    said = opts.said(
        {**made.content, "seconds": made.seconds},
        lambda say: deliver.text(made.content, say) + (deliver.stats(made, say) if asked.stats else ""),
    )
    return said, INFEASIBLE if made.content["infeasible"] is not None else 0
