"""The scoring function of an exhaustive search, written out: loops over the axes of the space, the traced formulas in
them, and what is done with every design's score.

A design is scored (memory, time, energy, cost of ownership and rent are all worked out, and the least of each is kept)
before any limit is asked. Then it is counted under the first limit that cuts it, or compared with the best found so
far: what is clearly beaten in cost, time and energy by one of them, and not near the best, is counted and forgotten;
the others are handed back and chosen from exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tokenworks.records import Floats, Ints
from tokenworks.search.bounds import NEAR
from tokenworks.search.trace import Trace

# The loops, outermost first: what changes few of the formulas comes last.
AXES = ("chips", "tp", "pp", "cp", "ep", "oversubscription", "micro_batch", "vpp", "zero", "recompute")
DIVIDED = tuple(name for name in AXES if name not in ("oversubscription", "recompute"))  # what divisibility hangs on
RESULTS = ("memory", "time", "energy", "owned", "rent")
GATES = ("tiered", "excluded", "powered", "buy", "rent", "group")  # per size and network
# What is counted: designs scored, cut by memory, deadline and power, and left; then ways of acquiring those
COUNTS = ("scored", "memory", "slow", "hungry", "alive", "buy over", "buy in", "rent over", "rent in")
EXCLUDED = 4  # reasons for which a size of a network is left out whole, counted after COUNTS
GROUPS = 16  # legal standing, whether the price is known, way of acquiring
BUY_IN, RENT_IN, BUY_OVER, RENT_OVER = 1, 2, 4, 8  # bits of what became of a design's ways
SLACK = 1e-9  # relative; what is so near to being cut or beaten is left to the exact passes

_ARGUMENTS = ("P", "E", "K", "G", "caps", "first", "counts", "least", "nearest", "near", "best", "rows", "values")


def source(trace: Trace, results: Mapping[str, Any]) -> str:
    """The function over the whole space of a block; it returns how many designs it hands back, those that `rows` and
    `values` had no room for included.

    P: parameters. E, K: which combinations divide, by the axes outside the networks and by DIVIDED. G: (sizes,
    networks, GATES). caps: most memory, time, total when bought, total when rented. first: weights of total, time and
    energy in the preferred criterion. counts: COUNTS and EXCLUDED reasons. least: of each of RESULTS over all designs
    scored. nearest: least memory and time of those that they cut. near: least preferred criterion by group. best:
    champions by group. A0..: values of the axes. T0..: tables.
    """
    axes = "".join(f", A{k}" for k in range(len(AXES)))
    tables = "".join(f", T{k}" for k in range(len(trace.tables)))
    named = dict(zip(("m", "t", "e", "o", "r"), (trace.written(results[name]) for name in RESULTS), strict=True))
    at = {name: f"i{k}" for k, name in enumerate(AXES)}
    size, over = at["chips"], at["oversubscription"]
    last = [f"{name} = {value}" for name, value in named.items()] + _judged(f"{size}, {over}", list(at.values()))
    outer = AXES.index("oversubscription")
    inside = {
        0: [*(f"c{k} = 0" for k in range(len(COUNTS))), *(f"l{k} = math.inf" for k in range(len(RESULTS))),
            "n0 = math.inf", "n1 = math.inf", "n = 0"],
        1: [f"best[{GROUPS}:, 0, :] = math.inf"],  # the champions of one size
        outer: [f"if not E[{', '.join(at[name] for name in AXES[:outer])}]:", "    continue"],
        AXES.index(DIVIDED[-1]) + 1: [f"if not K[{', '.join(at[name] for name in DIVIDED)}]:", "    continue"],
        len(AXES): last,
    }  # fmt: skip
    end = [f"counts[{k}] += c{k}" for k in range(len(COUNTS))]
    end += [f"least[{k}] = l{k}" for k in range(len(RESULTS))]
    end += ["nearest[0] = n0", "nearest[1] = n1", "return n"]
    head = f"def score({', '.join(_ARGUMENTS)}{axes}{tables}):"
    lines = ["import math", "", "", head, *trace.loops(inside), *("    " + line for line in end)]
    return "\n".join(lines) + "\n"


def _judged(size: str, at: list[str]) -> list[str]:
    """What is done with one design's score."""
    gate = {name: f"G[{size}, {k}]" for k, name in enumerate(GATES)}
    over = size.split(", ")[1]
    found = [f"if {gate['tiered']} == 0:", f"    counts[{len(COUNTS)}] += 1", "    continue", "c0 += 1"]
    for k, name in enumerate(("m", "t", "e", "o", "r")):
        found += [f"if {name} < l{k}:", f"    l{k} = {name}"]
    found += [
        f"if {gate['excluded']} >= 0:", f"    counts[{len(COUNTS)} + {gate['excluded']}] += 1", "    continue",
        "if not m <= caps[0]:", "    c1 += 1", "    if m < n0:", "        n0 = m", "    continue",
        "if not t <= caps[1]:", "    c2 += 1", "    if t < n1:", "        n1 = t", "    continue",
        f"if {gate['powered']} == 0:", "    c3 += 1", "    continue",
        "c4 += 1", "fate = 0", "kept = False",
    ]  # fmt: skip
    for way, total, (count, bits) in (("buy", "o", (5, (BUY_IN, BUY_OVER))), ("rent", "r", (7, (RENT_IN, RENT_OVER)))):
        z = gate["group"] if way == "buy" else f"8 + {gate['group']} // 2 * 2"
        own = f"{GROUPS} + {over}" if way == "buy" else f"{GROUPS} + {over} + (len(best) - {GROUPS}) // 2"
        found += [
            f"if {gate[way]} == 2 or ({gate[way]} == 1 and {total} > caps[{2 if way == 'buy' else 3}]):",
            f"    c{count} += 1",
            f"    fate += {bits[1]}",
            f"elif {gate[way]} == 1:",
            f"    c{count + 1} += 1",
            f"    fate += {bits[0]}",
            *("    " + line for line in _compared(total, z, own)),
        ]
    found += ["if kept:", "    if n < len(rows):"]
    found += [f"        rows[n, {k}] = {i}" for k, i in enumerate([*at, "fate"])]
    found += [f"        values[n, {k}] = {name}" for k, name in enumerate(("m", "t", "e", "o", "r"))]
    return [*found, "    n += 1"]


def _compared(total: str, group: str, own: str) -> list[str]:
    """Compare one way of acquiring a design with the best found so far: `kept` where it may matter.

    A champion that is no dearer, faster and draws less takes it out. Those of a group are the cheapest, the fastest and
    the least hungry; `own` is the fastest of the same size and network.
    """
    slack = 1.0 + SLACK

    def beaten(one: str) -> str:
        return (
            f"(x >= best[{one}, 0] * {slack!r} and t > best[{one}, 1] * {slack!r} and e > best[{one}, 2] * {slack!r})"
        )

    def crowned(one: str, by: str, k: int) -> list[str]:
        return [f"if {by} < best[{one}, {k}]:", *(f"    best[{one}, {j}] = {c}" for j, c in enumerate("xte"))]

    return [
        f"x = {total} if {total} == {total} else 0.0",
        f"z = {group}",
        f"w = {own}",
        "f = first[0] * x + first[1] * t + first[2] * e",
        f"if f <= near[z] * {NEAR * slack!r}:",
        "    kept = True",
        "    if f < near[z]:",
        "        near[z] = f",
        f"elif not ({beaten('w, 0')} or {beaten('z, 0')} or {beaten('z, 1')} or {beaten('z, 2')}):",
        "    kept = True",
        *crowned("w, 0", "t", 1),
        *(line for k, by in enumerate("xte") for line in crowned(f"z, {k}", by, k)),
    ]


def champions(networks: int) -> Floats:
    """Champions to start with: none. By group, and by way and network of one size; total, time, energy."""
    return np.full((GROUPS + 2 * networks, 3, 3), np.inf)


def tally() -> Ints:
    """Counts to start with."""
    return np.zeros(len(COUNTS) + EXCLUDED, np.int64)
