"""`law check`, `law cases`, `law timeline`, `law grid`, `law diff`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from tokenworks import catalog, deliver, files, scenario
from tokenworks import law as rules
from tokenworks.app.options import Options, common, options, read_day, within_rules
from tokenworks.app.scenarios import chosen
from tokenworks.errors import BadRequest, UnknownFact, not_allowed
from tokenworks.quote.request import KINDS
from tokenworks.records import Buyer, Shipment, Verdict, World

LAST_DAY = dt.date(9999, 12, 31)


@click.group()
def law() -> None:
    """Export rules since October 2022. Not legal advice."""


def _world(opts: Options) -> World:
    """All chips, launched or not: the law is asked of a named chip on a day."""
    return catalog.world(catalog.load(opts.catalog), LAST_DAY)


def _country(world: World, value: str, field: str) -> str:
    return catalog.resolve(world, "sites", value, field) if len(value) != 2 else value.upper()


def known_country(world: World, value: str, field: str) -> str:
    """A country of the catalog, or any two-letter code that a rule names."""
    code = _country(world, value, field)
    named = {c for group in world.law["places"]["groups"].values() for c in group}
    if code not in world.sites and code not in named and code not in ("HK", "MO", "US"):
        catalog.resolve(world, "sites", value, field)
    return code


@law.command()
@click.option("--chip", required=True)
@click.option("--to", "destination", required=True, metavar="CC")
@click.option("--on", "day", required=True, metavar="DATE")
@click.option("--from", "ship_from", default=None, metavar="CC")
@click.option("--exporter", default=None)
@click.option("--buyer-hq", default=None, metavar="CC")
@click.option("--buyer-kind", default=None)
@click.option("--buyer", default=None, help="Name, screened against the lists.")
@click.option("--use", "end_use", default=None)
@click.option("--quantity", type=int, default=1)
@click.option("--scenario", "overlaid", default="actual", metavar="S", help="What if: a scenario's name or file.")
@common
def check(
    chip: str,
    destination: str,
    day: str,
    ship_from: str | None,
    exporter: str | None,
    buyer_hq: str | None,
    buyer_kind: str | None,
    buyer: str | None,
    end_use: str | None,
    quantity: int,
    overlaid: str,
    form: str,
    overlay: str | None,
    language: str,
) -> None:
    """One shipment: what the law says, why, under which citation."""
    opts = options(form, overlay, language)
    world = _world(opts)
    world = scenario.apply(world, chosen(world, overlaid))
    if buyer_kind is not None and buyer_kind not in KINDS:
        raise not_allowed("--buyer-kind", buyer_kind, KINDS)
    if quantity < 1:
        raise BadRequest("expected a whole number, read '{value}'", field="--quantity", value=quantity)
    shipment = Shipment(
        chip=catalog.resolve(world, "chips", chip, "--chip"),
        destination=known_country(world, destination, "--to"),
        on=read_day(day, "--on"),
        ship_from=None if ship_from is None else known_country(world, ship_from, "--from"),
        exporter=None if exporter is None else rules.exporter_of("--exporter", exporter, world.law),
        buyer=Buyer(buyer_kind, None if buyer_hq is None else known_country(world, buyer_hq, "--buyer-hq"), buyer),
        use=None if end_use is None else rules.use_of("--use", end_use, world.law),
        quantity=quantity,
    )
    verdict = rules.judge(shipment, world)
    changes = changes_of(shipment, verdict, world)
    answer = {"schema": "tokenworks/verdict/1", "id": None, **rules.answer(verdict), "changes": changes}
    opts.answer(answer, lambda say: deliver.memo(shipment, verdict, changes, say))


@law.command()
@click.argument("file")
@common
def cases(file: str, form: str, overlay: str | None, language: str) -> None:
    """Answer a file of cases."""
    opts = options(form, overlay, language)
    world = _world(opts)
    answer = rules.answer_file(files.load(Path(file), bytes_max=16_000_000), world, finder(world))
    opts.answer(answer, lambda say: deliver.verdicts(answer, say))


def finder(world: World) -> Callable[[str], str | None]:
    """Finds a catalog id for a chip's or a system's name, None where there is none."""

    def find(name: str) -> str | None:
        try:
            return catalog.resolve(world, "chips", name, "chip")
        except UnknownFact:
            return None

    return find


@law.command()
@click.option("--chip", "chips", required=True, multiple=True, help="Once, or again for every bar of a figure.")
@click.option("--to", "destination", required=True, metavar="CC")
@click.option("--exporter", default=None)
@click.option("--buyer-hq", default=None, metavar="CC")
@click.option("-o", "out", default=None, metavar="FILE.svg", help="Draw it.")
@common
def timeline(
    chips: tuple[str, ...],
    destination: str,
    exporter: str | None,
    buyer_hq: str | None,
    out: str | None,
    form: str,
    overlay: str | None,
    language: str,
) -> None:
    """Every day on which the verdict changes."""
    opts = options(form, overlay, language)
    world = _world(opts)
    keys = [catalog.resolve(world, "chips", chip, "--chip") for chip in chips]
    place = known_country(world, destination, "--to")
    buyer = Buyer(None, None if buyer_hq is None else known_country(world, buyer_hq, "--buyer-hq"), None)
    if exporter is not None:
        exporter = rules.exporter_of("--exporter", exporter, world.law)
    first = dt.date.fromisoformat(str(world.law["meta"]["known_from"]))
    rows: list[Any] = []
    spoken: list[Any] = []  # the same, its reasons still to be translated
    for key in keys:
        found = rules.timeline(Shipment(key, place, first, exporter=exporter, buyer=buyer), world)
        days = [{"from": day.isoformat(), **rules.answer(verdict)} for day, verdict in found]
        rows.append({"chip": key, "verdicts": days})
        said = [{**each, "reasons": verdict.reasons} for each, (_, verdict) in zip(days, found, strict=True)]
        spoken.append({"chip": key, "verdicts": said})
    one = rows[0] if len(rows) == 1 else {}
    until = world.law_known_to.isoformat()
    answer = {"schema": "tokenworks/timeline/1", **one, "to": place, "until": until, "timelines": rows}
    told = {**answer, "timelines": spoken}
    _draw(out, {".svg": lambda: deliver.timeline_svg(told, opts.say)})
    opts.answer(answer, lambda say: deliver.timeline(told, say))


def _draw(out: str | None, makers: Mapping[str, Callable[[], str]]) -> None:
    """Write the file that was asked for, by its ending. Raises BadRequest for another ending."""
    if out is None:
        return
    path = Path(out)
    if path.suffix not in makers:
        raise not_allowed("-o", out, tuple(makers))
    files.write(path, makers[path.suffix]())


@law.command()
@click.option("--on", "day", required=True, metavar="DATE")
@click.option("-o", "out", default=None, metavar="FILE.csv|FILE.svg", help="A table or a heat map.")
@common
def grid(day: str, out: str | None, form: str, overlay: str | None, language: str) -> None:
    """Chips against countries on a day."""
    opts = options(form, overlay, language)
    world = _world(opts)
    on = within_rules(read_day(day, "--on"), world, "--on")
    chips = [c for c in sorted(world.chips) if world.chips[c].kind == "datacentre"]
    cells = rules.grid(chips, sorted(world.sites), on, world)
    answer = {
        "schema": "tokenworks/grid/1",
        "on": on.isoformat(),
        "cells": [cell(c, p, v) for c, p, v in cells],
    }
    _draw(out, {".svg": lambda: deliver.grid_svg(answer, opts.say), ".csv": lambda: deliver.grid_csv(answer)})
    opts.answer(answer, lambda say: deliver.grid(answer, say))


@law.command()
@common
def coverage(form: str, overlay: str | None, language: str) -> None:
    """What is modelled, since which day it was checked, and what is not."""
    opts = options(form, overlay, language)
    law_files = _world(opts).law
    rows = [dict(row) for row in law_files["coverage"]["rules"]]
    meta = law_files["meta"]
    answer = {"schema": "tokenworks/law-coverage/1", "known_from": meta["known_from"], "known_to": meta["known_to"],
              "checked": meta["checked"], "rules": rows}  # fmt: skip
    opts.answer(answer, lambda say: deliver.law_coverage(answer, say))


def changes_of(shipment: Shipment, verdict: Verdict, world: World) -> list[dict[str, Any]]:
    """What would change a verdict: each fact of the shipment, the value it would take, and the verdict then."""
    others = rules.changes(shipment, verdict, world)
    return [{"field": o.field, "value": o.value, **_short(o.verdict)} for o in others]


def _short(verdict: Verdict) -> dict[str, Any]:
    return {"licence": verdict.licence, "eccn": verdict.eccn, "exception": verdict.exception,
            "review_policy": verdict.review_policy}  # fmt: skip


def cell(chip: str, place: str, verdict: Verdict) -> dict[str, Any]:
    """One field of a table of chips against countries."""
    return {"chip": chip, "to": place, **_short(verdict)}


@law.command()
@click.option("--on", "days", required=True, multiple=True, metavar="DATE", help="Twice: before and after.")
@common
def diff(days: tuple[str, ...], form: str, overlay: str | None, language: str) -> None:
    """What changed between two days, for a commercial buyer of each country."""
    opts = options(form, overlay, language)
    if len(days) != 2:
        raise BadRequest("give two dates", field="--on")
    world = _world(opts)
    one, other = (within_rules(read_day(d, "--on"), world, "--on") for d in days)
    chips = [c for c in sorted(world.chips) if world.chips[c].kind == "datacentre"]
    found = rules.diff(chips, sorted(world.sites), one, other, world)
    rows = [{"a": cell(c, p, a), "b": cell(c, p, b)} for c, p, a, b in found]
    answer = {
        "schema": "tokenworks/law-diff/1",
        "a": one.isoformat(),
        "b": other.isoformat(),
        "changed": rows,
    }
    opts.answer(answer, lambda say: deliver.law_diff(answer, say))


@law.group()
def lists() -> None:
    """The lists of parties."""


@lists.command("import")
@click.argument("file")
@common
def import_(file: str, form: str, overlay: str | None, language: str) -> None:
    """Read the Consolidated Screening List (CSV or JSON) into the folder of --catalog, in place of our lists."""
    opts = options(form, overlay, language)
    if opts.catalog is None:
        raise BadRequest("say with --catalog into which folder of your own facts", field="--catalog")
    found = rules.lists.read(files.read_text(Path(file), bytes_max=200_000_000))
    target = opts.catalog / "parties.yaml"
    today = dt.datetime.now(tz=dt.UTC).date()
    files.write(target, rules.lists.written(found, catalog.load().law, today))
    answer = {
        "schema": "tokenworks/law-lists/1",
        "file": str(target),
        "taken": {rules.lists.TAKEN[k]: len(v) for k, v in found.lines.items()},
        "left_out": dict(sorted(found.left_out.items())),
    }
    opts.answer(answer, lambda say: deliver.law_lists(answer, say))
