"""`fabric`, `model`, `catalog` and `schema`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from importlib.resources import files as package
from pathlib import Path
from typing import Any

import click

from tokenworks import catalog as facts
from tokenworks import deliver, files, workload
from tokenworks import fabric as wires
from tokenworks.app.options import Options, common, in_range, options
from tokenworks.errors import BadRequest, UnknownFact, nearest, not_allowed
from tokenworks.quote.facts import plain
from tokenworks.quote.request import inline_files

GIGABIT = 1e9 / 8.0  # bytes/s
LAST_DAY = dt.date(9999, 12, 31)


@click.command()
@click.option("--topology", required=True, metavar="T")
@click.option("--chips", type=int, required=True)
@click.option("--chips-per-node", type=int, default=8)
@click.option("--nics-per-node", type=int, default=8)
@click.option("--radix", type=int, default=64)
@click.option("--port-gbps", type=float, default=400.0)
@click.option("--oversubscription", type=float, default=1.0)
@click.option("--planes", type=int, default=None)
@click.option("--dims", default=None, metavar="AxBxC")
@click.option("--groups", type=int, default=None)
@common
def fabric(form: str, overlay: str | None, language: str, port_gbps: float, dims: str | None, **counts: Any) -> None:
    """Count a network: switches, cables, optics, cost, power, bisection."""
    opts = options(form, overlay, language)
    spec = wires.FabricSpec(port_bandwidth=port_gbps * GIGABIT, dims=_dims(dims), **counts)
    built = wires.build(spec)
    world = facts.world(facts.load(opts.catalog), LAST_DAY)
    parts = wires.pick(world.switches, world.optics, world.prices, spec.port_bandwidth, None, spec.radix)
    answer = wires.answer(built, wires.price(built, parts, world.prices))
    opts.answer(answer, lambda say: deliver.fabric(answer, say))


def _dims(value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    parts = value.lower().split("x")
    if not all(p.isdigit() and 0 < len(p) < 8 for p in parts):
        raise BadRequest("expected a shape such as 4x4x4, read '{value}'", field="--dims", value=value)
    return tuple(int(p) for p in parts)


@click.group()
def model() -> None:
    """What a model is made of."""


@model.command("show")
@click.argument("name")
@click.option("--sequence", type=int, default=4096)
@common
def show_model(name: str, sequence: int, form: str, overlay: str | None, language: str) -> None:
    """Parameters, FLOPs per token, cache and weight bytes of a catalog id or a config.json."""
    opts = options(form, overlay, language)
    in_range("--sequence", sequence, 1, 10**8)
    wanted = inline_files({"make": {"train": {"model": name}}}, Path.cwd())["make"]["train"]["model"]
    if isinstance(wanted, Mapping):
        arch = workload.read(wanted["config"], str(wanted["name"]), wanted.get("quantisation"))
    else:
        world = facts.world(facts.load(opts.catalog), LAST_DAY)
        key = facts.resolve(world, "models", name, "model")
        arch = workload.read(world.models[key].config, key)
    summary = workload.model_summary(arch, sequence)
    answer = {"schema": "tokenworks/model/1", "model": arch.name, "sequence": sequence, **summary}
    opts.answer(answer, lambda say: deliver.model(answer, say))


@click.group()
def catalog() -> None:
    """The facts."""


@catalog.command("list")
@click.argument("kind")
@common
def list_catalog(kind: str, form: str, overlay: str | None, language: str) -> None:
    """Ids and names of chips, systems, switches, nics, optics, models or sites."""
    opts = options(form, overlay, language)
    known = facts.load(opts.catalog)
    if kind not in facts.KINDS:
        raise not_allowed("kind", kind, facts.KINDS)
    entries = known.entries(kind)
    rows = [{"id": e.id, "name": e.name, "vendor": e.vendor} for e in entries.values()]
    answer = {"schema": "tokenworks/catalog/1", "kind": kind, "entries": rows}
    opts.answer(answer, lambda say: deliver.catalog_list(answer, say))


@catalog.command("show")
@click.argument("name")
@common
def show_catalog(name: str, form: str, overlay: str | None, language: str) -> None:
    """Every fact of an entry, with its source."""
    opts = options(form, overlay, language)
    known = facts.load(opts.catalog)
    world = facts.world(known, LAST_DAY)
    for kind in facts.KINDS:
        found = world.aliases[kind].get(facts.fold(name), ())
        if found:
            entry = known.entries(kind)[facts.resolve(world, kind, name, "name")]
            body = {k: plain(f) for k, f in entry.facts.items()}
            answer = {
                "schema": "tokenworks/entry/1",
                "kind": kind,
                "id": entry.id,
                "name": entry.name,
                "facts": body,
            }
            _show(opts, answer)
            return
    everything = [i for kind in facts.KINDS for i in known.entries(kind)]
    raise UnknownFact(
        "'{value}' is not in the catalog; did you mean '{nearest}'?",
        field="name", value=name, nearest=nearest(name, everything) or everything[0],
    )  # fmt: skip


def _show(opts: Options, answer: Mapping[str, Any]) -> None:
    opts.answer(answer, lambda say: deliver.entry(answer, say))


@catalog.command("check")
@common
def check_catalog(form: str, overlay: str | None, language: str) -> int:
    """Schema, units, ranges, cross-references, sources, aliases."""
    opts = options(form, overlay, language)
    problems = facts.check(facts.gather(opts.catalog))
    answer = {"schema": "tokenworks/check/1", "problems": [str(p) for p in problems]}
    opts.answer(answer, lambda say: deliver.check(problems, say))
    return 2 if problems else 0


@click.command()
@click.argument("kind", required=False)
@common
def schema(kind: str | None, form: str, overlay: str | None, language: str) -> None:
    """JSON Schema of a request or an answer; without a name, the list of them."""
    options(form, overlay, language)
    folder = package("tokenworks") / "app" / "schemas"
    names = sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.endswith(".json"))
    if kind is None:
        click.echo("\n".join(names))
        return
    if kind not in names:
        raise not_allowed("kind", kind, names)
    content = (folder / f"{kind}.json").read_text(encoding="utf-8")
    click.echo(files.dump_json(files.parse(content, kind)), nl=False)
