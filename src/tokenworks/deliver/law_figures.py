"""The law drawn: when the verdict on a chip changed, and chips against countries on a day (SVG, CSV)."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tokenworks.deliver import words
from tokenworks.deliver.sheets import safe
from tokenworks.language import Text, Translator, text

# Classes of verdicts, from free to barred, with a colour that also reads without colour vision (light to dark).
CLASSES: Mapping[str, tuple[str, Text]] = {
    "none": ("#e8f3ec", text("no licence needed")),
    "exception": ("#b9dfc6", text("licence exception")),
    "conditional": ("#f6e39b", text("under conditions")),
    "obtainable": ("#f0b35c", text("licence required: approval or case by case")),
    "denied": ("#a63d40", text("licence required: denial")),
    "open": ("#9aa0a6", text("unresolved or unknown")),
}
DENIED = ("presumption_of_denial", "policy_of_denial", "gp10_risk")
LEFT, WIDTH, ROW, BAR = 150, 960, 34, 20


def class_of(verdict: Mapping[str, Any]) -> str:
    """The class of a verdict in the vocabulary of the cases."""
    if verdict["licence"] == "required":
        return "denied" if verdict["review_policy"] in DENIED else "obtainable"
    return str(verdict["licence"]) if verdict["licence"] in CLASSES else "open"


def timeline_svg(answer: Mapping[str, Any], say: Translator) -> str:
    """A bar for every chip, from the first rule to the last that is known, coloured by the verdict."""
    first = min(dt.date.fromisoformat(t["verdicts"][0]["from"]) for t in answer["timelines"])
    last = dt.date.fromisoformat(answer["until"])
    days = (last - first).days

    def x(day: dt.date) -> float:
        return LEFT + (WIDTH - LEFT - 10) * (min(day, last) - first).days / days

    height = 40 + ROW * len(answer["timelines"]) + 20 * len(CLASSES) + 10
    body = [
        f'<line x1="{x(dt.date(y, 1, 1)):.1f}" x2="{x(dt.date(y, 1, 1)):.1f}" y1="24" '
        f'y2="{30 + ROW * len(answer["timelines"])}" stroke="#ccc"/>'
        f'<text x="{x(dt.date(y, 1, 1)):.1f}" y="18" text-anchor="middle">{y}</text>'
        for y in range(first.year + 1, last.year + 1)
    ]
    for n, one in enumerate(answer["timelines"]):
        body += _bar(one, 32 + ROW * n, x, last, say)
    body += _legend(40 + ROW * len(answer["timelines"]), say)
    title = say("Verdicts on shipments to {to}", to=answer["to"])
    return _page(WIDTH, height, title, body)


def _bar(one: Mapping[str, Any], y: int, x: Any, last: dt.date, say: Translator) -> list[str]:
    found = [f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(one["chip"])}</text>']
    starts = [dt.date.fromisoformat(v["from"]) for v in one["verdicts"]]
    for verdict, since, until in zip(one["verdicts"], starts, [*starts[1:], last], strict=True):
        if since >= last:
            continue
        said = words.word(words.LICENCE, verdict["licence"], say)
        more = verdict["exception"] or words.word(words.POLICY, verdict["review_policy"], say)
        why = "; ".join(say.say(r) for r in verdict["reasons"])
        tip = f"{since.isoformat()}: {said}{' – ' + more if more else ''}; {why}"
        colour = CLASSES[class_of(verdict)][0]
        found.append(
            f'<rect x="{x(since):.1f}" y="{y}" width="{max(x(until) - x(since), 0.8):.1f}" height="{BAR}" '
            f'fill="{colour}" stroke="#555" stroke-width="0.5"><title>{escape(tip)}</title></rect>'
        )
    return found


def grid_svg(answer: Mapping[str, Any], say: Translator) -> str:
    """A heat map: chips down, countries across."""
    chips = list(dict.fromkeys(c["chip"] for c in answer["cells"]))
    places = list(dict.fromkeys(c["to"] for c in answer["cells"]))
    body = [
        f'<text x="{LEFT + 50 + 14 * j + 7}" y="24" text-anchor="middle" font-size="8">{escape(p)}</text>'
        for j, p in enumerate(places)
    ]
    body += [
        f'<text x="{LEFT + 44}" y="{30 + 14 * i + 11}" text-anchor="end" font-size="10">{escape(c)}</text>'
        for i, c in enumerate(chips)
    ]
    row, column = {c: i for i, c in enumerate(chips)}, {p: j for j, p in enumerate(places)}
    for cell in answer["cells"]:
        said = words.word(words.LICENCE, cell["licence"], say)
        more = cell["exception"] or words.word(words.POLICY, cell["review_policy"], say)
        tip = f"{cell['chip']} – {cell['to']}: {said}{', ' + more if more else ''}"
        body.append(
            f'<rect x="{LEFT + 50 + 14 * column[cell["to"]]}" y="{30 + 14 * row[cell["chip"]]}" width="13" height="13" '
            f'fill="{CLASSES[class_of(cell)][0]}"><title>{escape(tip)}</title></rect>'
        )
    top = 40 + 14 * len(chips)
    body += _legend(top, say)
    title = say("Chips against countries on {day}", day=answer["on"])
    return _page(max(LEFT + 60 + 14 * len(places), 640), top + 20 * len(CLASSES) + 10, title, body)


def _legend(top: int, say: Translator) -> list[str]:
    return [
        f'<rect x="{LEFT}" y="{top + 20 * i}" width="14" height="14" fill="{colour}" stroke="#555" stroke-width="0.5"/>'
        f'<text x="{LEFT + 20}" y="{top + 20 * i + 11}">{escape(say.say(name))}</text>'
        for i, (colour, name) in enumerate(CLASSES.values())
    ]


def _page(width: int, height: int, title: str, body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12">'
        f"<title>{escape(title)}</title>" + "\n".join(body) + "</svg>\n"
    )


def grid_csv(answer: Mapping[str, Any]) -> str:
    """One row a cell; nothing in it runs in a spreadsheet."""
    out = io.StringIO(newline="")
    sheet = csv.writer(out, lineterminator="\n")
    names = ("chip", "to", "eccn", "licence", "exception", "review_policy")
    sheet.writerow(names)
    for cell in answer["cells"]:
        sheet.writerow([safe(cell[n]) for n in names])
    return out.getvalue()
