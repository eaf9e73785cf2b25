"""Enums and units in words: what JSON keeps in English is said in the reader's language here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenworks import units
from tokenworks.language import Text, Translator, text

STANDING: Mapping[str, Text] = {
    "lawful": text("lawful"),
    "licence": text("licence needed"),
    "barred": text("barred"),
    "apart": text("open"),
}
EVIDENCE: Mapping[str, Text] = {
    "chip seen": text("chip seen"),
    "chip family seen": text("chip family seen"),
    "chip not seen": text("chip not seen"),
    "software seen": text("software seen"),
    "software not seen": text("software not seen"),
    "dense": text("dense"),
    "mixture or hybrid": text("mixture or hybrid"),
    "all stated": text("all stated"),
    "something assumed": text("something assumed"),
    "one batch": text("one batch"),
    "most tokens": text("most tokens"),
    "requests in flight": text("requests in flight"),
}
LICENCE: Mapping[str, Text] = {
    "none": text("no licence needed"),
    "exception": text("licence exception"),
    "conditional": text("under conditions"),
    "required": text("licence required"),
    "unresolved": text("unresolved"),
    "unknown": text("unknown"),
}
POLICY: Mapping[str, Text] = {
    "presumption_of_denial": text("presumption of denial"),
    "policy_of_denial": text("policy of denial"),
    "presumption_of_approval": text("presumption of approval"),
    "case_by_case": text("case by case"),
    "gp10_risk": text("US risk: General Prohibition 10"),
    "granted": text("granted"),
}
# Lists of the Consolidated Screening List, by what their source's name contains.
LISTS: Mapping[str, Text] = {
    "Entity List": text("Entity List"),
    "Military End User": text("Military End-User List"),
    "Denied Persons": text("Denied Persons List"),
    "Unverified": text("Unverified List"),
    "Specially Designated Nationals": text("Specially Designated Nationals"),
    "Nonproliferation Sanctions": text("Nonproliferation Sanctions"),
    "ITAR Debarred": text("ITAR Debarred"),
    "Foreign Sanctions Evaders": text("Foreign Sanctions Evaders"),
    "Sectoral Sanctions": text("Sectoral Sanctions Identifications"),
}
MAKE: Mapping[str, Text] = {"train": text("train"), "serve": text("serve"), "run_on": text("run on a chip")}
ACQUIRE: Mapping[str, Text] = {"buy": text("buy"), "rent": text("rent")}
BOUND: Mapping[str, Text] = {
    "compute": text("arithmetic"),
    "memory": text("memory bandwidth"),
    "network": text("network"),
    "launch": text("launch overhead"),
    "capacity": text("memory capacity"),
}
PART: Mapping[str, Text] = {
    "compute": text("matrix products"),
    "attention": text("attention"),
    "elementwise": text("elementwise"),
    "logits": text("logits"),
    "tp": text("tensor parallel"),
    "cp": text("context parallel"),
    "ep": text("expert parallel"),
    "host": text("host"),
    "pp_bubble": text("pipeline bubble"),
    "pp_p2p": text("pipeline sends"),
    "dp": text("data parallel"),
    "optimizer": text("optimizer"),
    "attention_projections": text("attention projections"),
    "dense": text("dense layers"),
    "experts": text("experts"),
    "head": text("output matrix"),
    "network": text("network"),
    "launch": text("launches"),
    "cache": text("cache"),
    "weights": text("weights"),
    "gradients": text("gradients"),
    "activations": text("activations"),
    "kv": text("cache"),
    "other": text("other"),
}


CAPITAL = ("servers_usd", "network_usd", "storage_usd", "building_usd")
WALL: Mapping[str, Text] = {
    "checkpoints_s": text("checkpoints"),
    "lost_s": text("work lost and done again"),
    "restarts_s": text("restarts"),
}
COST: Mapping[str, Text] = {
    "servers_usd": text("servers"),
    "network_usd": text("network"),
    "storage_usd": text("storage"),
    "building_usd": text("building and power chain"),
    "depreciation_usd": text("depreciation"),
    "capital_charge_usd": text("capital charge"),
    "energy_usd": text("electricity"),
    "operation_usd": text("operation"),
}
REGIME: Mapping[str, Text] = {
    "US item": text("US item"),
    "US GP10": text("US General Prohibition 10"),
    "US item, text not enforced": text("US item: the text, not enforced"),
    "CN buyer side": text("China, buying side"),
    "Malaysia permit": text("Malaysia, permit"),
    "Korea national control": text("Korea, national control"),
}
UNIT: Mapping[str, Text] = {
    "years": text("years"),
    "days": text("days"),
    "h": text("hours"),
    "min": text("minutes"),
}


def duration(seconds: float, say: Translator) -> str:
    """A time as a person would say it, with its unit in the reader's language."""
    number, unit = units.duration(seconds).rsplit(" ", 1)
    return f"{number} {word(UNIT, unit, say)}"


def word(table: Mapping[str, Text], key: Any, say: Translator) -> str:
    """The word for an enum value; the value itself where there is none."""
    return say.say(table[key]) if key in table else "" if key is None else str(key)


def evidence(kind: Any, say: Translator) -> str:
    """A class of evidence, which names its traits one after another, in the reader's language.

    >>> evidence("chip seen, dense", Translator("en"))
    'chip seen, dense'
    """
    return say(", ").join(word(EVIDENCE, each, say) for each in str(kind or "").split(", ") if each)


def sentence(value: Mapping[str, Any], say: Translator) -> str:
    """A {template, values} of the quote in the reader's language."""
    return say(value["template"], **value.get("values", {}))


def split(design: Mapping[str, Any]) -> str:
    """The parallel degrees in short: tp2 pp8 ep32 dp160; of separate pools 2 x tp4 > 3 x ep8 dp8 (prefill > decode)."""
    degrees = design["parallelism"]
    named = [f"{k}{degrees[k]}" for k in ("tp", "pp", "vpp", "cp", "ep", "dp") if degrees.get(k, 1) > 1]
    drafts = [f"mtp{design['draft']}"] if design.get("draft") else []
    if not design.get("pools"):
        return " ".join(named + drafts) or "1"
    early, late = (design["pools"][k] for k in ("prefill", "decode"))
    first = [f"{k}{early[k]}" for k in ("tp", "pp", "ep", "dp") if early[k] > 1]
    pools = ((early["replicas"], first), (late["replicas"], named + drafts))
    return " > ".join(" ".join([f"{n} x", *(said or ["1"])]) for n, said in pools)


def money(value: float | None, say: Translator) -> str:
    """US dollars, or that the price is unknown."""
    return say("unknown") if value is None else units.money(value)


def speed(design: Mapping[str, Any], say: Translator) -> str:
    """How long it takes, or how fast it answers."""
    p = design["predicted"]
    if "time_s" in p:
        return duration(p["time_s"]["value"], say)
    if "period_s" in p:
        return say("{time} a decision", time=duration(p["period_s"]["value"], say))
    first, each = p["ttft_s"]["value"], p["tpot_s"]["value"]
    return f"TTFT {duration(first, say)}, TPOT {duration(each, say)}"


def pace(design: Mapping[str, Any], say: Translator) -> str:
    """The same in a column that its head explains."""
    p = design["predicted"]
    if "ttft_s" not in p or "period_s" in p:
        return speed(design, say)
    return f"{duration(p['ttft_s']['value'], say)}, {duration(p['tpot_s']['value'], say)}"


def name(design: Mapping[str, Any], designs: Sequence[Mapping[str, Any]]) -> str:
    """The chip's name, and its system's where the chip is offered in several."""
    systems = {d["system"] for d in designs if d["chip"] == design["chip"]}
    if len(systems) == 1:
        return str(design["chip_name"])
    chip = str(design["chip_name"]).partition(" (")[0]
    system = str(design["system_name"]).partition(" (")[0].partition(" / ")[0]
    return f"{chip}, {system}"


def ask(example: str, say: Translator) -> str:
    """How a reader asks a figure for its formula and sources."""
    return say("Ask any number: with --format json, then tokenworks explain ANSWER.json {example}", example=example)
