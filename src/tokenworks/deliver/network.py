"""The network of a design as an SVG drawing: tiers, counts and the cables between them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tokenworks import units
from tokenworks.language import Translator

ROW, WIDTH, BOX, GAP, MOST = 110, 900, 56, 14, 10
TIERS = ("core", "spine", "leaf", "router")


def svg(design: Mapping[str, Any], say: Translator) -> str:
    """Draw the tiers from top to bottom; of more than MOST boxes a row the middle is left out and counted."""
    net = design["fabric"]
    rows = [(tier, int(net["switches"][tier])) for tier in TIERS if tier in net["switches"]]
    rows.append(("node", int(design["nodes"])))
    height = ROW * len(rows) + 40
    title = say("Network of {chips} x {chip}", chips=design["chips"], chip=design["chip_name"])
    about = say("{topology}, bisection {rate}", topology=net["topology"], rate=units.prefixed(net["bisection"], "B/s"))
    body = []
    for i, (tier, count) in enumerate(rows):
        y = 30 + i * ROW
        if i:
            body.append(_links(rows[i - 1][1], count, y))
            body.append(_label(WIDTH - 8, y - 48, _cables(net, rows[i - 1][0], tier), "end"))
        body += _boxes(tier, count, y, say)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="t d" font-family="sans-serif" font-size="13">'
        f'<title id="t">{escape(title)}</title><desc id="d">{escape(about)}</desc>'
        f'<g fill="none" stroke="currentColor" stroke-width="1">{"".join(body)}</g></svg>'
    )


def _cables(net: Mapping[str, Any], upper: str, lower: str) -> str:
    for key, count in net["cables"].items():
        ends = set(key.split("-"))
        if ends == {upper, lower} or (key == "node-leaf" and upper == "leaf"):
            return f"{count:,} x {units.prefixed(net['port_bandwidth'] * 8, 'b/s')}"
    return ""


def _places(count: int) -> list[float]:
    shown = min(count, MOST)
    step = (WIDTH - 180) / max(shown, 1)
    return [120 + step * (k + 0.5) for k in range(shown)]


def _boxes(tier: str, count: int, y: int, say: Translator) -> list[str]:
    found = [_label(8, y + 22, f"{count:,} {say(tier)}", "start")]
    for x in _places(count):
        found.append(f'<rect x="{x - BOX / 2:.1f}" y="{y}" width="{BOX}" height="32" rx="5"/>')
    if count > MOST:
        found.append(_label(WIDTH - 8, y + 22, "…", "end"))
    return found


def _links(above: int, below: int, y: int) -> str:
    lines = []
    for top in _places(above):
        for bottom in _places(below):
            lines.append(f'<line x1="{top:.1f}" y1="{y - ROW + 32}" x2="{bottom:.1f}" y2="{y}" opacity=".25"/>')
    return "".join(lines)


def _label(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" fill="currentColor" stroke="none" text-anchor="{anchor}">{escape(words)}</text>'
