"""A request as people write it (DESIGN.md section 3) -> Request. Every field is checked here and nowhere else."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tokenworks import files, units
from tokenworks.errors import BadRequest, not_allowed
from tokenworks.language import Text
from tokenworks.quote.trace import read_trace, trace
from tokenworks.records import Buyer, Job, Limits, Request, RunOn, Serve, Train

TOKENS_MAX = 1e17  # the largest training runs published to date use some 1e14 tokens
SEQUENCE_MAX = 10_000_000
CHIPS_MAX = 10_000_000
MONEY_MAX = 1e14  # USD; world product is about 1.1e14
POWER_MAX = 1e13  # W; world electricity is about 3.5e12
TIME_MAX = 100 * 365.25 * 86400.0
RATE_MAX = 1e9  # requests per second
NAME_MAX = 200  # characters of a name

KINDS = ("commercial", "government", "military", "entity_list", "affiliate_of_listed")
_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?")
_COUNTRY = re.compile(r"[A-Za-z]{2}")

Reader = Callable[[Any, str], Any]


def read_request(mapping: Any) -> Request:
    """Read a request mapping. Raises BadRequest naming the field; names of chips, models and countries are
    only checked for form here and against the catalog by `quote`.

    >>> r = read_request({"make": {"train": {"model": "m", "tokens": "1T", "within": "9 days"}},
    ...                   "where": "AE", "when": "2025-05"})
    >>> r.jobs[0].tokens, r.when.isoformat(), r.prefer
    (1000000000000.0, '2025-05-01', 'cost')
    """
    fields = _mapping(mapping, "request", _REQUEST, required=("make", "where", "when"))
    jobs = fields["make"]
    limits = fields.get("limits") or Limits()
    _check_limits(jobs, limits)
    return Request(
        jobs=jobs,
        where=fields["where"],
        when=fields["when"],
        buyer=fields.get("buyer") or Buyer(),
        limits=limits,
        prefer=fields.get("prefer") or "cost",
        acquire=fields.get("acquire") or "either",
        horizon=fields.get("horizon"),
        exporter=fields.get("exporter"),
        ship_from=fields.get("ship_from"),
        law_followed=fields.get("law_followed"),
        scenarios=fields.get("scenarios") or (),
        source=mapping,
    )


def inline_files(mapping: Any, folder: Path) -> Any:
    """Replace every `model` that is a path (it has a separator or ends in .json) by its config.json, inline, and a
    `trace` by the busiest stretch of it.

    Only for requests that a user wrote on this machine; over HTTP a path stays a (then unknown) name.
    Raises BadRequest where the file cannot be read.
    """
    if not isinstance(mapping, Mapping) or not isinstance(mapping.get("make"), Mapping):
        return mapping
    make = dict(mapping["make"])
    for kind, job in make.items():
        if isinstance(job, Mapping) and isinstance(job.get("model"), str) and is_path(job["model"]):
            make[kind] = job = {**job, "model": _read_model(folder / job["model"])}
        if isinstance(job, Mapping) and isinstance(job.get("trace"), str):
            make[kind] = {**job, "trace": read_trace(folder / job["trace"])}
    return {**mapping, "make": make}


def is_path(name: str) -> bool:
    """Whether a model's name is meant as a file.

    >>> is_path("./qwen/config.json"), is_path("deepseek-v3")
    (True, False)
    """
    return name.endswith(".json") or name.startswith((".", "/")) or "\\" in name


def _read_model(path: Path) -> Mapping[str, Any]:
    if path.is_dir():
        path = path / "config.json"
    config = files.load(path)
    stem = path.parent.name if path.name == "config.json" else path.stem
    model: dict[str, Any] = {"name": stem or path.stem, "config": config}
    quantisation = path.with_name("hf_quant_config.json")
    if quantisation.is_file():
        model["quantisation"] = files.load(quantisation)
    return model


# ------------------------------------------------------------------------------------------ small readers


def _mapping(value: Any, field: str, readers: Mapping[str, Reader], required: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BadRequest(
            "expected fields such as {example}, read '{value}'",
            field=field,
            example=", ".join(list(readers)[:4]),
            value=value,
        )
    for key in value:
        if key not in readers:
            raise not_allowed(f"{field}.{key}"[:80] if field != "request" else str(key)[:80] or field, key, readers)
    for key in required:
        if value.get(key) is None:
            raise BadRequest("is missing", field=key if field == "request" else f"{field}.{key}")
    prefix = "" if field == "request" else f"{field}."
    return {key: readers[key](v, prefix + key) for key, v in value.items() if v is not None}


def _quantity(quantity: str, high: float, low: float = 0.0) -> Reader:
    return lambda value, field: units.parse(value, quantity, field, low=low, high=high)


def _whole(high: int) -> Reader:
    def read(value: Any, field: str) -> int:
        number = units.parse(value, "count", field, high=high)
        if number != int(number):
            raise BadRequest("expected a whole number, read '{value}'", field=field, value=value)
        return int(number)

    return read


def _choice(*allowed: str) -> Reader:
    def read(value: Any, field: str) -> str:
        if value not in allowed:
            raise not_allowed(field, value, allowed)
        return str(value)

    return read


def _name(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadRequest("expected a name, read '{value}'", field=field, value=value)
    if len(value) > NAME_MAX:
        raise BadRequest("is {n} characters long; at most {most} are read", field=field, n=len(value), most=NAME_MAX)
    return value.strip()


def _names(value: Any, field: str) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(_name(item, f"{field}.{i}") for i, item in enumerate(items))


def _country(value: Any, field: str) -> str:
    name = _name(value, field)
    if not _COUNTRY.fullmatch(name):
        raise BadRequest(
            "expected a country as two letters (ISO 3166) such as AE, read '{value}'",
            field=field,
            value=value,
        )
    return name.upper()


def read_date(value: Any, field: str) -> dt.date:
    """Read YYYY-MM-DD, or YYYY-MM as its first day. Raises BadRequest."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadRequest("expected a date such as 2025-05-02 or 2025-05, read '{value}'", field=field, value=value)
    try:
        return dt.date(int(match[1]), int(match[2]), int(match[3] or 1))
    except ValueError as error:
        raise BadRequest("'{value}' is not a day of the calendar", field=field, value=value) from error


def _model(value: Any, field: str) -> Any:
    if isinstance(value, Mapping):
        if not isinstance(value.get("config"), Mapping):
            raise BadRequest("an inline model needs 'config', the fields of its config.json", field=field)
        for key in value:
            if key not in ("config", "name", "quantisation"):
                raise not_allowed(f"{field}.{str(key)[:40]}", key, ("config", "name", "quantisation"))
        return dict(value)
    return _name(value, field)


def _budget(value: Any, field: str) -> dict[str, float]:
    money = _quantity("money", MONEY_MAX)
    if isinstance(value, Mapping):
        read = _mapping(value, field, {"capital": money, "total": money})
        return {f"budget_{key}": amount for key, amount in read.items()}
    return {"budget": money(value, field)}


def _limits(value: Any, field: str) -> Limits:
    read = _mapping(value, field, _LIMITS)
    return Limits(**{**{k: v for k, v in read.items() if k != "budget"}, **read.get("budget", {})})


def _make(value: Any, field: str) -> tuple[Job, ...]:
    read = _mapping(value, field, {"train": _train, "serve": _serve, "run_on": _run_on})
    if not read:
        raise BadRequest("expected at least one of {allowed}", field=field, allowed="train, serve, run_on")
    return tuple(read[kind] for kind in ("train", "serve", "run_on") if kind in read)


def _train(value: Any, field: str) -> Train:
    return Train(**_mapping(value, field, _TRAIN, required=("model", "tokens")))


def _serve(value: Any, field: str) -> Serve:
    read = _mapping(value, field, _SERVE, required=("model",))
    stretch = read.get("trace")
    if stretch is None:
        return Serve(**read)
    for name in ("requests_per_second", "input", "output"):
        if name in read:
            raise BadRequest("a trace says it: give one of both", field=f"{field}.{name}")
    mean = {name: max(1, round(sum(getattr(stretch, name)) / len(stretch.arrival))) for name in ("input", "output")}
    return Serve(**read, requests_per_second=stretch.rate, **mean)


def _run_on(value: Any, field: str) -> RunOn:
    return RunOn(**_mapping(value, field, _RUN_ON, required=("chip", "model", "rate")))


def _check_limits(jobs: tuple[Job, ...], limits: Limits) -> None:
    """The contradictions that can be seen without the catalog."""
    bounded = any(
        x is not None
        for x in (limits.budget, limits.budget_capital, limits.budget_total, limits.power, limits.chips_max)
    )
    for job in jobs:
        if isinstance(job, Train) and job.within is None and not bounded:
            raise BadRequest(
                "without a time ('within') the most that the limits allow is asked; give budget, power or chips_max",
                field="make.train.within",
            )
        if isinstance(job, Serve) and job.requests_per_second is None and not bounded:
            raise BadRequest(
                "without a rate the most that the limits allow is asked; give budget, power or chips_max",
                field="make.serve.requests_per_second",
            )
    if limits.budget is not None and (limits.budget_capital is not None or limits.budget_total is not None):
        raise BadRequest("give one budget, or capital and total", field="limits.budget")


_TRAIN: Mapping[str, Reader] = {
    "model": _model,
    "tokens": _quantity("tokens", TOKENS_MAX, low=1.0),
    "sequence": _whole(SEQUENCE_MAX),
    "within": _quantity("time", TIME_MAX, low=1.0),
    "global_batch": _whole(10_000_000),
}
_SERVE: Mapping[str, Reader] = {
    "model": _model,
    "requests_per_second": _quantity("rate", RATE_MAX),
    "input": _whole(SEQUENCE_MAX),
    "output": _whole(SEQUENCE_MAX),
    "ttft_p99": _quantity("time", 86400.0),
    "tpot_p99": _quantity("time", 3600.0),
    "trace": trace,
}
_RUN_ON: Mapping[str, Reader] = {
    "chip": _name,
    "model": _model,
    "rate": _quantity("rate", 1e6),
    "input": _whole(SEQUENCE_MAX),
    "output": _whole(SEQUENCE_MAX),
}
_BUYER: Mapping[str, Reader] = {"kind": _choice(*KINDS), "headquarters": _country, "name": _name}
_LIMITS: Mapping[str, Reader] = {
    "budget": _budget,
    "power": _quantity("power", POWER_MAX),
    "chips": _names,
    "chips_max": _whole(CHIPS_MAX),
    "licence": _choice("none", "may-apply"),
}
_REQUEST: Mapping[str, Reader] = {
    "make": _make,
    "where": _country,
    "when": read_date,
    "buyer": lambda value, field: Buyer(**_mapping(value, field, _BUYER)),
    "limits": _limits,
    "prefer": _choice("cost", "time", "energy", "carbon"),
    "acquire": _choice("buy", "rent", "either"),
    "horizon": _quantity("time", TIME_MAX, low=1.0),
    "exporter": _name,
    "ship_from": _country,
    "law_followed": _names,
    "scenarios": _names,
}


def assumed(request: Request) -> tuple[tuple[str, Text], ...]:
    """What the request left open and how it was filled, as (field, sentence)."""
    notes: list[tuple[str, Text]] = []
    if isinstance(request.source.get("when"), str) and len(request.source["when"]) == 7:  # YYYY-MM
        notes.append(("when", Text("a month means its first day")))
    return tuple(notes)
