"""Layer 3, the party: names against the lists (Supplements No. 4 and No. 7 to Part 744; section 1260H).

A score is the best of four features, each 0 to 100 and each shown: `words` (Latin words in any order) and `joined`
(letters run together), half of each by the words that are not generic, `characters` (Chinese, either script), `pinyin`.
Thresholds were measured on a labelled set made from the lists (docs/law.md; tests/unit/law/test_screening.py).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rapidfuzz import fuzz, process

from tokenworks.language import Text, text
from tokenworks.law.names import Forms, forms, plain
from tokenworks.records import Citation

__all__ = ["MATCH", "REVIEW", "Hit", "Party", "cite", "parties", "plain", "related", "screen"]

# At or above MATCH a name counts as the listed party; from REVIEW on a person must decide.
MATCH, REVIEW = 94.0, 86.0
SHORT = 5  # a name of fewer letters must be the same: one slip of the pen makes another name of it
_DIGITS = re.compile(r"\d+")
LISTS: Mapping[str, Text] = {
    "parties": text("Entity List"),
    "military_users": text("Military End-User List"),
    "military_companies": text("list of section 1260H"),
}


@dataclass(frozen=True, slots=True)
class Party:
    """A listed party with the spellings it is known by and the day it was first listed."""

    name: str
    spellings: tuple[str, ...]
    country: str
    footnotes: tuple[str, ...]
    since: str
    citation: str
    list: str = "parties"  # a key of LISTS


@dataclass(frozen=True, slots=True)
class Hit:
    """A listed party that a name resembles: the score (0 to 100), the feature and the spelling that gave it."""

    party: Party
    score: float
    feature: str
    spelling: str


@dataclass(frozen=True)
class _Index:
    """All spellings of the lists by form; entry i is a spelling of `parties[owner[i]]`."""

    parties: tuple[Party, ...]
    owner: tuple[int, ...]
    spelling: tuple[str, ...]
    forms: tuple[Forms, ...]
    words: tuple[str | None, ...]
    joined: tuple[str | None, ...]
    characters: tuple[str | None, ...]
    named: Mapping[str, tuple[int, ...]]  # entries of the Entity List by plain name or characters, for `related`


def parties(law: Mapping[str, Any]) -> tuple[Party, ...]:
    """The parties of every list that the rules hold."""
    return _index(*_texts(law)).parties


def _texts(law: Mapping[str, Any]) -> tuple[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]], ...]:
    """The lists as values that can be compared: key, text, other spellings by name."""
    also = {k: tuple((n, tuple(s)) for n, s in (law[k].get("also") or {}).items()) for k in LISTS if k in law}
    return tuple((k, str(law[k]["list"]), found) for k, found in also.items())


def read_list(key: str, text: str, also: Mapping[str, tuple[str, ...]]) -> tuple[Party, ...]:
    """The parties of one list: name, aliases (|), country, footnotes, since, citation, tab separated."""
    found = []
    for line in text.splitlines():
        name, aliases, country, footnotes, since, citation = line.split("\t")
        spellings = (name, *(a for a in aliases.split("|") if a), *also.get(name, ()))
        found.append(Party(name, spellings, country, tuple(footnotes.split(",")), since, citation, key))
    return tuple(found)


@lru_cache(maxsize=4)
def _index(*texts: tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]]) -> _Index:
    """Built once for a text of the lists: a pure function of it."""
    found = tuple(p for key, text, also in texts for p in read_list(key, text, dict(also)))
    owner, spelling, made = [], [], []
    for n, one in enumerate(found):
        for said in one.spellings:
            form = forms(said)
            if form.joined:
                owner.append(n)
                spelling.append(said)
                made.append(form)
    return _Index(
        found, tuple(owner), tuple(spelling), tuple(made),
        tuple(f.words or None for f in made),
        tuple(f.joined or None for f in made),
        tuple(f.characters or None for f in made), _named(found, owner, spelling, made),
    )  # fmt: skip


def _named(
    found: tuple[Party, ...], owner: list[int], spelling: list[str], made: list[Forms]
) -> Mapping[str, tuple[int, ...]]:
    """Names that a longer name may begin with: of one distinctive word at least, and not short."""
    named: dict[str, tuple[int, ...]] = {}
    for at, form in enumerate(made):
        long = len(form.characters) > 1 or (bool(form.core) and len(form.joined) >= SHORT)
        if long and found[owner[at]].list == "parties":
            key = form.characters or plain(spelling[at])
            named[key] = (*named.get(key, ()), at)
    return named


def screen(name: str, law: Mapping[str, Any], on: dt.date) -> tuple[Hit, ...]:
    """Listed parties that a name resembles on a day, best first, down to REVIEW.

    A subsidiary of its own is a different party (legally distinct): a listed name inside a longer one does not
    match here (`related` finds it).
    """
    index, asked = _index(*_texts(law)), forms(name)
    best: dict[int, Hit] = {}
    for at, score, feature in _scored(asked, index):
        one = index.parties[index.owner[at]]
        held = best.get(index.owner[at])
        if score >= REVIEW and one.since <= on.isoformat() and (held is None or score > held.score):
            best[index.owner[at]] = Hit(one, score, feature, index.spelling[at])
    order = list(LISTS)
    return tuple(sorted(best.values(), key=lambda h: (-h.score, order.index(h.party.list), h.party.name)))


def _scored(asked: Forms, index: _Index) -> list[tuple[int, float, str]]:
    found: list[tuple[int, float, str]] = []
    if asked.characters:
        found += _close(asked.characters, index.characters, "characters", SHORT)
        found += _close(asked.joined, index.joined, "pinyin", SHORT)
        return found
    for pairs in (
        _close(asked.joined, index.joined, "joined", SHORT),
        _close(asked.words, index.words, "words", SHORT),
    ):
        found += [(at, _distinct(asked, index.forms[at], score), feature) for at, score, feature in pairs]
    return found


def _distinct(asked: Forms, listed: Forms, score: float) -> float:
    """Half of a score is by the words that are not generic; names that differ in a number are for review at most."""
    spaced = " " in asked.words and " " in listed.words  # what is run together shows no words to weigh
    if spaced and asked.core and listed.core:
        apart = fuzz.ratio(asked.core, listed.core), fuzz.ratio(*(f.core.replace(" ", "") for f in (asked, listed)))
        score = (score + max(apart)) / 2.0
    same = sorted(_DIGITS.findall(asked.joined)) == sorted(_DIGITS.findall(listed.joined))
    return score if same else min(score, MATCH - 1.0)


def _close(asked: str, among: tuple[str | None, ...], feature: str, short: int) -> list[tuple[int, float, str]]:
    """Edit similarity of a form with those of the list; of a short one only equality counts."""
    cutoff = 100.0 if len(asked) < short else REVIEW - 6.0
    pairs = process.extract(asked, among, scorer=fuzz.ratio, score_cutoff=cutoff, limit=None)
    return [(at, score, feature) for _, score, at in pairs]


def related(name: str, law: Mapping[str, Any], on: dt.date) -> Party | None:
    """A party of the Entity List whose name this one begins with (in Chinese: holds), perhaps a unit of it.

    A red flag, not a match: a unit of its own is another party.
    """
    index, asked = _index(*_texts(law)), forms(name)
    if asked.characters:
        size = len(asked.characters)
        parts = [asked.characters[i:j] for i in range(size) for j in range(i + 2, size + 1) if j - i < size]
    else:
        words = plain(name).split()
        parts = [" ".join(words[:n]) for n in range(1, len(words))]
    for part in parts:
        for at in index.named.get(part, ()):
            if index.parties[index.owner[at]].since <= on.isoformat():
                return index.parties[index.owner[at]]
    return None


def cite(party: Party) -> Citation:
    """The citation of a listing."""
    where = {
        "parties": "Supplement No. 4 to Part 744",
        "military_users": "Supplement No. 7 to Part 744; 15 CFR 744.21",
        "military_companies": "Section 1260H, Public Law 116-283",
    }[party.list]
    return Citation(f"{where}; {party.citation}", party.since or None, None, True)
