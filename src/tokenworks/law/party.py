"""Layer 3, the party: names against the Entity List (Supplement No. 4 to Part 744)."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

from tokenworks.records import Citation

# A pair at or above MATCH counts as the listed party; from REVIEW on it is shown for a person to decide.
MATCH, REVIEW = 95.0, 85.0
_LEGAL = re.compile(
    r"\b(co|ltd|limited|corp|corporation|company|inc|llc|plc|gmbh|sa|bv|nv|ag|sdn|bhd|pte|pty|the|group)\b"
)
_MIXED = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class Party:
    """A listed party with the spellings it is known by and the day it was first listed."""

    name: str
    spellings: tuple[str, ...]
    country: str
    footnotes: tuple[str, ...]
    since: str
    citation: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A listed party that a name resembles, with the score (0 to 100) of its best spelling."""

    party: Party
    score: float


def plain(name: str) -> str:
    """A name without accents, case, punctuation and legal form; other scripts are kept.

    >>> plain("Inspur Group Co., Ltd."), plain("浪潮集團")
    ('inspur', '浪潮集團')
    """
    folded = unicodedata.normalize("NFKD", name).casefold()
    words = _MIXED.sub(" ", "".join(c for c in folded if not unicodedata.combining(c)))
    return " ".join(_LEGAL.sub(" ", words).split())


def parties(law: Mapping[str, Any]) -> tuple[Party, ...]:
    """The list as the rule file holds it."""
    also = law["parties"].get("also", {})
    found = []
    for line in law["parties"]["list"].splitlines():
        name, aliases, country, footnotes, since, citation = line.split("\t")
        spellings = (name, *(a for a in aliases.split("|") if a), *also.get(name, ()))
        found.append(Party(name, spellings, country, tuple(footnotes.split(",")), since, citation))
    return tuple(found)


def screen(name: str, law: Mapping[str, Any], on: dt.date) -> tuple[Hit, ...]:
    """Listed parties that a name resembles on a day, best first, down to REVIEW.

    Score: token-sorted edit similarity of the plain names. A subsidiary of its own is a different party
    (legally distinct), so a listed name inside a longer one does not match.
    """
    asked = plain(name)
    if not asked:
        return ()
    hits = []
    for party in parties(law):
        if party.since and party.since > on.isoformat():
            continue
        score = max(fuzz.token_sort_ratio(asked, plain(s), score_cutoff=REVIEW) for s in party.spellings)
        if score >= REVIEW:
            hits.append(Hit(party, score))
    return tuple(sorted(hits, key=lambda h: (-h.score, h.party.name)))


def cite(party: Party) -> Citation:
    """The citation of a listing."""
    return Citation(f"Supplement No. 4 to Part 744; {party.citation}", party.since or None, None, True)
