"""The nouns: frozen values that every room passes on. No logic beyond looking a value up.

Everything is SI: bytes, seconds, FLOP, bytes/s, W, J, kg, m2, USD. Bandwidths are one way per chip.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenworks.errors import Defect
from tokenworks.language import Text

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# ---------------------------------------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: value (SI), unit, where it stands, its date, and whether that document was read."""

    value: Any
    unit: str = ""
    source: str = ""
    date: str | None = None
    verified: bool = False
    low: float | None = None
    high: float | None = None
    assumed: bool = False  # set by a stated rule of ours, not read anywhere
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """A catalog entry: identification and its facts by name (names and units: catalog/data/schema.yaml)."""

    id: str
    name: str
    vendor: str
    country: str  # ISO 3166 alpha-2 of the vendor's headquarters
    facts: Mapping[str, Fact]
    aliases: tuple[str, ...] = ()

    def get(self, name: str) -> Any:
        """Value of a fact, or None where the catalog does not know it."""
        fact = self.facts.get(name)
        return None if fact is None else fact.value


@dataclass(frozen=True)
class Chip(Entry):
    """An accelerator. Facts: peak_<precision> (FLOP/s, dense), memory, memory_bandwidth, scaleup_bandwidth,
    scaleup_domain, scaleout_bandwidth, die_area, applicable_die_area, power, cores, clock, launched, ..."""

    family: str = ""  # the plain word that names all variants: h100, ascend-910b
    generation: str = ""  # silicon generation, the key of calibration: hopper, cdna3, ascend-910b
    kind: str = "datacentre"  # datacentre | workstation | consumer | edge | car | withdrawn


@dataclass(frozen=True)
class System(Entry):
    """A server, rack or pod as sold. Facts: chips_per_node, scaleup_domain, unit_chips (chips that `power`
    and `price` cover), power, rack_units, cooling, scaleout_bandwidth, ..."""

    chip: str = ""
    assumed: bool = False  # a plain server around a chip for which no system was published


@dataclass(frozen=True)
class Model(Entry):
    """A model: `config` is in the vocabulary of Hugging Face config.json; workload reads it."""

    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Everything known and in force at a date. Made by catalog, changed by scenario, read by all."""

    date: dt.date
    catalog: str  # hash of the facts, rules and calibration it was made from
    chips: Mapping[str, Chip]
    systems: Mapping[str, System]
    switches: Mapping[str, Entry]
    nics: Mapping[str, Entry]
    optics: Mapping[str, Entry]
    models: Mapping[str, Model]
    sites: Mapping[str, Entry]  # by ISO 3166 alpha-2
    prices: Mapping[str, Fact]  # "<entry id>/purchase" (USD each) | "<chip id>/rent" (USD per chip-second)
    constants: Mapping[str, Fact]  # planning constants: lifetimes, capital charge, building cost per W, ...
    law: Mapping[str, Any]  # the law's parameter files by stem, all dates
    calibration: Mapping[str, Any]  # fitted constants by file stem
    aliases: Mapping[str, Mapping[str, tuple[str, ...]]]  # kind -> folded spelling -> ids
    law_known_to: dt.date
    stale: bool = False
    scenarios: tuple[str, ...] = ()  # laid over it, in order
    overlays: Mapping[str, Any] = field(default_factory=dict)  # scenario documents of the catalog by name
    market: Mapping[str, Any] = field(default_factory=dict)  # supply, shares of licences granted, demand: market room


# -------------------------------------------------------------------------------------------- request


@dataclass(frozen=True, slots=True)
class Train:
    """Train `model` on `tokens` at `sequence`; `within` seconds, or None for the most the limits allow."""

    model: Any  # catalog id, or {"config": {...}}
    tokens: float
    sequence: int = 4096
    within: float | None = None
    global_batch: int | None = None  # sequences


@dataclass(frozen=True, slots=True)
class Trace:
    """The busiest stretch of a trace: seconds from its start, tokens in and out, one a request."""

    name: str
    arrival: tuple[float, ...]
    input: tuple[int, ...]
    output: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Requests per second of the stretch."""
        return (len(self.arrival) - 1) / self.arrival[-1]


@dataclass(frozen=True, slots=True)
class Serve:
    """Serve `model` to a load of requests under service levels (seconds). With a trace, rate and lengths are the means
    of its busiest stretch."""

    model: Any
    requests_per_second: float | None = None
    input: int = 2000
    output: int = 1000
    ttft_p99: float | None = None
    tpot_p99: float | None = None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class RunOn:
    """Run `model` on one `chip` (a car's, say) at `rate` per second."""

    chip: str
    model: Any
    rate: float
    input: int = 2000
    output: int = 64


Job = Train | Serve | RunOn


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys; None where the request does not say (DESIGN.md has the defaults)."""

    kind: str | None = None  # commercial | government | military | entity_list | affiliate_of_listed
    headquarters: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the buyer will not exceed. All hold for the sum of the jobs."""

    budget_capital: float | None = None
    budget_total: float | None = None
    budget: float | None = None  # capital when buying, total when renting
    power: float | None = None  # facility, W
    chips: tuple[str, ...] = ()  # ids; empty: all
    chips_max: int | None = None
    licence: str = "may-apply"  # none | may-apply


@dataclass(frozen=True, slots=True)
class Request:
    """One request file, read. `source` is the plain mapping it was read from."""

    jobs: tuple[Job, ...]
    where: str
    when: dt.date
    buyer: Buyer = Buyer()
    limits: Limits = Limits()
    prefer: str = "cost"  # cost | time | energy | carbon
    acquire: str = "either"  # buy | rent | either
    horizon: float | None = None
    exporter: str | None = None
    ship_from: str | None = None
    law_followed: tuple[str, ...] | None = None
    scenarios: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)


# ------------------------------------------------------------------------------------------------ law


@dataclass(frozen=True, slots=True)
class Shipment:
    """What the law judges: an item, from, to, for whom, for what, by whom, when, how many."""

    chip: str  # catalog id; "" with `item` given
    destination: str
    on: dt.date
    ship_from: str | None = None
    exporter: str | None = None
    buyer: Buyer = Buyer()
    use: str | None = None
    quantity: int = 1
    scenario: str = "actual"
    item: Mapping[str, Any] = field(default_factory=dict)  # chip parameters that replace the catalog's (law/cases.yaml)
    facts: Mapping[str, Any] = field(default_factory=dict)  # what a condition needs to know
    part: str = "chip"  # chip | computer (of `chips_each` such chips) | equipment (no AI chip in it)
    chips_each: int = 1


@dataclass(frozen=True, slots=True)
class Citation:
    """A rule that a verdict rests on, with the days it is in force."""

    rule: str
    since: str | None = None
    until: str | None = None
    verified: bool = False


@dataclass(frozen=True)
class Line:
    """The answer of one regime (US item, US GP10, China buyer side, ...)."""

    regime: str
    licence: str  # none | exception | conditional | required | unresolved | unknown
    eccn: str | None = None
    exception: str | None = None
    review_policy: str | None = None
    citations: tuple[Citation, ...] = ()
    reasons: tuple[Text, ...] = ()
    conditions: tuple[Text, ...] = ()
    flags: tuple[str, ...] = ()  # what a person must look at, in words for a machine (law/data/vocabulary.yaml)


@dataclass(frozen=True)
class Verdict:
    """What the law says of one shipment: the deciding line in the vocabulary of law/cases.yaml, and all
    lines. `standing` is DESIGN.md's mapping: lawful | licence | barred | apart."""

    licence: str
    eccn: str | None
    exception: str | None
    review_policy: str | None
    standing: str
    lines: tuple[Line, ...]
    citations: tuple[Citation, ...] = ()
    reasons: tuple[Text, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)
    assumed: tuple[tuple[str, str], ...] = ()  # (field, value taken)
    text_only: Line | None = None  # what the text says where enforcement differs
    stale: bool = False
    flags: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------- hardware


@dataclass(frozen=True)
class Hardware:
    """What the performance model sees of a chip in its system and fabric. Each number may be an array that
    broadcasts against the layout columns."""

    chip: str
    generation: str
    vendor: str
    year: int  # of launch
    peak: Mapping[str, Any]  # precision (bf16 fp16 fp8 fp4 int8 tf32 fp32) -> dense FLOP/s
    memory: Any
    memory_bandwidth: Any
    scaleup_domain: Any  # chips that share the fast fabric
    scaleup_bandwidth: Any
    scaleout_bandwidth: Any
    oversubscription: Any = 1.0
    torus: bool = False  # scale-up is a torus (TPU, Trainium)
    power: Any = None  # TDP, W


# ------------------------------------------------------------------------------------------- designs

# Column -> meaning and SI unit. A pass of the search adds columns; `Designs.with_` refuses others.
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        # the design
        "system": "index into the search's systems",
        "chips": "accelerators bought or rented",
        "replicas": "independent copies (serving; decode workers where pools are separate); 1 for training",
        "tp": "tensor parallel degree",
        "pp": "pipeline parallel degree",
        "vpp": "virtual pipeline stages per rank",
        "cp": "context parallel degree",
        "ep": "expert parallel degree",
        "dp": "data parallel degree (attention data parallel in serving)",
        "micro_batch": "sequences per micro-batch",
        "recompute": "0 none, 1 selective, 2 full",
        "precision": "index into the job's precisions",
        "zero": "ZeRO stage",
        "batch": "sequences decoded together per replica (serving)",
        "draft": "tokens drafted per step and sequence (serving); 0: no speculation",
        "pool_replicas": "prefill workers (serving); 0: replicas prefill and decode together",
        "pool_tp": "tensor parallel degree of a prefill worker",
        "pool_pp": "pipeline parallel degree of a prefill worker",
        "pool_dp": "attention data parallel degree of a prefill worker",
        "pool_ep": "expert parallel degree of a prefill worker",
        "topology": "index into fabric.TOPOLOGIES",
        "oversubscription": "ports of a leaf switch down over up",
        "acquire": "0 buy, 1 rent",
        # law
        "standing": "0 lawful, 1 licence needed, 2 barred, 3 apart",
        # fabric
        "scaleout_bandwidth": "bytes/s one way per chip",
        "fabric_price": "USD, NaN unknown",
        "fabric_power": "W",
        # fit and time
        "split": "row among all splits of the offer's shape, between the candidates and what fits",
        "memory_needed": "peak bytes per chip",
        "memory_usable": "bytes per chip",
        "layers_time": "s of a micro-batch over the whole depth, between a bound and the step time",
        "head_time": "s of a micro-batch, likewise",
        "step_time": "s",
        "step_floor": "s, physical lower limit of the step",
        "step_ceiling": "s, nothing overlaps",
        "tokens_per_s": "all chips together (training) or output tokens (serving)",
        "time": "s, the whole job",
        "ttft": "s",
        "tpot": "s",
        "ttft_p99": "s",
        "tpot_p99": "s",
        # site
        "it_power": "W",
        "power": "facility peak, W",
        "energy": "J over the horizon",
        "carbon": "kg over the horizon",
        # cost
        "capital": "USD, NaN unknown",
        "known": "USD, the part that is known",
        "total": "USD over the horizon, NaN unknown",
    }
)


@dataclass(frozen=True)
class Designs:
    """A struct of arrays: one row a candidate, all columns of equal length (names and units: COLUMNS)."""

    columns: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        unknown = set(self.columns) - set(COLUMNS)
        lengths = {len(c) for c in self.columns.values()}
        if unknown or len(lengths) > 1:
            raise Defect("columns {unknown} of lengths {lengths}", unknown=sorted(unknown), lengths=sorted(lengths))

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def with_(self, **columns: NDArray[Any]) -> Designs:
        """Add or replace columns."""
        return replace(self, columns={**self.columns, **columns})

    def take(self, rows: Bools | Ints | slice) -> Designs:
        """Keep some rows; those of a slice stay where they are."""
        return Designs({name: column[rows] for name, column in self.columns.items()})


# ---------------------------------------------------------------------------------------------- quote


@dataclass(frozen=True, slots=True)
class Estimate:
    """A predicted figure. low/high: 80 % interval, None until earned; floor/ceiling: physical limits."""

    value: float
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    ceiling: float | None = None


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of the bill of materials; unit_price None where unknown."""

    item: str
    quantity: float
    unit_price: float | None
    source: str
    low: float | None = None
    high: float | None = None
    assumed: bool = False


@dataclass(frozen=True)
class Quote:
    """The answer: `content` is the JSON document of DESIGN.md (schema tokenworks/quote/1) as plain values;
    `seconds` is kept out of it so that the same question gives the same bytes."""

    content: Mapping[str, Any]
    seconds: float = 0.0

    @property
    def id(self) -> str:
        """Hash of request, catalog, rules, calibration and program version."""
        return str(self.content["id"])
