"""What is told of a serving design alone: its pools, its drafts, and what is assumed of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenworks.language import Text
from tokenworks.records import Designs
from tokenworks.search import serving
from tokenworks.search.problem import Offer, Problem

SPLIT = ("tp", "pp", "ep", "dp")


def _whole(one: Designs, name: str) -> int:
    return int(one[name][0]) if name in one.columns else 0


def named(one: Designs) -> str:
    """Speculation and separate pools in an id: -mtp1, -pre<workers>-<split of one>-dec<workers>."""
    draft = f"-mtp{_whole(one, 'draft')}" if _whole(one, "draft") else ""
    if not _whole(one, "pool_replicas"):
        return draft
    split = "".join(f"-{k}{v}" for k in SPLIT if (v := _whole(one, f"pool_{k}")) > 1)
    return f"{draft}-pre{_whole(one, 'pool_replicas')}{split}-dec{_whole(one, 'replicas')}"


def workers(one: Designs) -> Mapping[str, Any]:
    """`pools`: the workers of both, null where replicas prefill and decode together. `draft`: tokens drafted a step."""

    def pool(count: str, prefix: str) -> Mapping[str, int]:
        split = {k: _whole(one, f"{prefix}{k}") for k in SPLIT}
        each = split["tp"] * split["pp"] * split["dp"]
        return {"replicas": _whole(one, count), "chips": _whole(one, count) * each, **split}

    apart = _whole(one, "pool_replicas") > 0
    pools = {"prefill": pool("pool_replicas", "pool_"), "decode": pool("replicas", "")} if apart else None
    return {"pools": pools, "draft": _whole(one, "draft")}


def warnings(problem: Problem, one: Designs, offer: Offer) -> list[Text]:
    """What rests on an assumption of speculation or of separate pools."""
    found = []
    constants = serving.constants(problem, offer)
    if _whole(one, "draft"):
        kept = ("share", f"{float(constants.accept):.0%}")
        found.append(
            Text("a drafted token is assumed to be kept in {share} of cases: measure it on your text", (kept,))
        )
    if _whole(one, "pool_replicas"):
        took = ("seconds", f"{float(constants.transfer):.2f}")
        found.append(
            Text(
                "handing a cache from pool to pool is taken to last {seconds} s, whatever its size",
                (took,),
            )
        )
    return found
