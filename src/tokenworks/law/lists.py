"""The Consolidated Screening List (trade.gov, CSV or JSON) as the list file that `party` reads.

Taken over are the two lists that `party` judges: Entity List and Military End-User List. The others (denied persons,
sanctions, unverified, non-proliferation) are counted and left out, and the answer says so.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tokenworks.errors import BadRequest

TAKEN = {"parties": "Entity List", "military_users": "Military End User"}
# What the licence requirement says of a foreign direct product rule (15 CFR 734.9); "734.9(e)" alone is footnote 4.
FOOTNOTES = {
    "1": re.compile(r"734\.9\(e\)(\(1\)| 1\b)|footnote 1", re.IGNORECASE),
    "3": re.compile(r"734\.9\(g\)|footnote 3", re.IGNORECASE),
    "4": re.compile(r"734\.9\(e\)(\(2\)|(?!\(| 1\b))|footnote 4", re.IGNORECASE),
    "5": re.compile(r"734\.9\(e\)\(3\)|footnote 5", re.IGNORECASE),
}
CITES = {"parties": "Supplement No. 4 to Part 744", "military_users": "Supplement No. 7 to Part 744; 15 CFR 744.21"}


@dataclass(frozen=True)
class Imported:
    """Lists that were read: the lines of each, by key, and how many rows of each source were left out."""

    lines: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, int]


def read(content: str) -> Imported:
    """The lists in a file of the Consolidated Screening List.

    Raises BadRequest where it is neither its CSV nor its JSON, or holds none of the lists that are taken over.
    """
    rows = _json(content) if content.lstrip()[:1] in ("{", "[") else _csv(content)
    lines: dict[str, list[str]] = {key: [] for key in TAKEN}
    left: Counter[str] = Counter()
    for n, row in enumerate(rows, 1):
        source, name = _text(row.get("source")), _text(row.get("name"))
        if not source or not name:
            raise BadRequest("a row has no source or no name", field=f"row {n}")
        key = next((k for k, word in TAKEN.items() if word.casefold() in source.casefold()), None)
        if key is None:
            left[source] += 1
        else:
            lines[key].append(_line(row, name))
    if not any(lines.values()):
        raise BadRequest("holds no row of the Entity List or the Military End-User List", field="file")
    return Imported({k: tuple(v) for k, v in lines.items() if v}, dict(left))


def written(found: Imported, law: Mapping[str, Any], asof: dt.date) -> str:
    """The overlay file `parties.yaml`; other spellings that we know of a name are kept."""
    parts = [f"# Imported from the Consolidated Screening List on {asof.isoformat()}.\nparties:\n"]
    for key, lines in found.lines.items():
        also = json.dumps(dict(law[key].get("also") or {}), ensure_ascii=False)
        parts.append(
            f'  {key}:\n    asof: "{asof.isoformat()}"\n    cite: {json.dumps(CITES[key])}\n    verified: true\n'
            f"    also: {also}\n    list: |\n" + "".join(f"      {line}\n" for line in lines)
        )
    return "".join(parts)


def _csv(content: str) -> Iterable[Mapping[str, Any]]:
    try:
        rows = list(csv.DictReader(content.splitlines(keepends=True), strict=True))
    except csv.Error as error:
        raise BadRequest("cannot be read as CSV: {why}", field="file", why=error) from error
    if not rows or not {"source", "name"} <= set(rows[0]):
        raise BadRequest("expected the columns {names}", field="file", names="source, name, alt_names, start_date")
    return rows


def _json(content: str) -> Iterable[Mapping[str, Any]]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadRequest("cannot be read as JSON: {why}", field="file", why=error) from error
    rows = found.get("results") if isinstance(found, Mapping) else found
    if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
        raise BadRequest("expected the field '{name}' at the top", field="file", name="results")
    return rows


def _line(row: Mapping[str, Any], name: str) -> str:
    """One party: name, aliases (|), country, footnotes, since, citation."""
    wording = _text(row.get("license_requirement"))
    marks = ",".join(k for k, pattern in FOOTNOTES.items() if pattern.search(wording))
    aliases = dict.fromkeys(a for a in _many(row.get("alt_names")) if a != name)
    cells = (name, "|".join(aliases), _country(row), marks, _day(row.get("start_date")),
             _text(row.get("federal_register_notice")) or "Consolidated Screening List")  # fmt: skip
    return "\t".join(cells)


def _text(value: Any) -> str:
    """One line, without the signs that part cells and aliases."""
    return "" if value is None else " ".join(str(value).replace("|", "/").split())


def _many(value: Any) -> list[str]:
    said = value if isinstance(value, list) else str(value or "").split(";")
    return [found for one in said if (found := _text(one))]


def _country(row: Mapping[str, Any]) -> str:
    addresses = row.get("addresses")
    if isinstance(addresses, list) and addresses and isinstance(addresses[0], Mapping):
        return _text(addresses[0].get("country"))
    return _text(row.get("country") or str(addresses or "").rsplit(",", 1)[-1])


def _day(value: Any) -> str:
    """The day of the listing as ISO, "" where it is not said: the party then counts as listed on every day."""
    said = _text(value)
    for form in ("%Y-%m-%d", "%m/%d/%Y"):
        try:
            return dt.datetime.strptime(said, form).date().isoformat()
        except ValueError:
            continue
    if said:
        raise BadRequest("expected a date such as 2025-05-02, read '{value}'", field="start_date", value=said)
    return ""
