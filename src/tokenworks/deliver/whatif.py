"""Two worlds side by side, in words and as a plot."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from tokenworks import units
from tokenworks.deliver import words
from tokenworks.deliver.energy import energy_blocks
from tokenworks.deliver.render import as_markdown, as_text
from tokenworks.deliver.tables import Block, Lines, Table, simple
from tokenworks.language import Text, Translator, text

FIGURE: Mapping[str, Text] = {
    "chips": text("chips"),
    "capital_usd": text("capital"),
    "total_usd": text("total cost"),
    "time_s": text("time"),
    "tokens_per_s": text("tokens per second"),
    "power_w": text("power"),
    "energy_j": text("energy"),
    "carbon_kg": text("carbon"),
}
SHOWN_CHANGES = 12  # differences that are listed before the rest is counted
PLOTTED = 12
UNIT = {"power_w": "W", "energy_j": "J"}


def whatif(answer: Mapping[str, Any], say: Translator) -> str:
    """For a terminal."""
    return as_text(whatif_blocks(answer, say))


def whatif_page(answer: Mapping[str, Any], say: Translator, image: str) -> str:
    """As a Markdown page; image: the plot's file beside it."""
    return f"# {say('What if')}\n\n![{image}]({image})\n\n{as_markdown(whatif_blocks(answer, say))}"


def whatif_blocks(answer: Mapping[str, Any], say: Translator) -> list[Block]:
    """What changes between the worlds, what is gained, lost and changed, and who wins."""
    found: list[Block] = [_worlds(answer, say)]
    found += [_changes(answer[side], side, say) for side in ("a", "b") if answer[side]["changes"]]
    for side in ("a", "b"):
        found += [block for ramp in answer[side]["energy"] for block in energy_blocks(ramp, say)]
    found += [
        _moved(answer["gained"], say("Offered in b only"), say),
        _moved(answer["lost"], say("Offered in a only"), say),
    ]
    found.append(_changed(answer["changed"], say))
    return [b for b in found if (b.rows if isinstance(b, Table) else b.lines)]


def _worlds(answer: Mapping[str, Any], say: Translator) -> Lines:
    lines = []
    for side in ("a", "b"):
        names = ", ".join(answer[side]["scenarios"]) or say("the world as it is")
        lines.append(say("{side}: {names}", side=side, names=names))
        if answer[side]["scenarios"] and not answer[side]["changes"]:
            lines.append(say("{side}: these scenarios change nothing on the day asked", side=side))
        if answer[side]["infeasible"] is not None:
            lines.append(say("Nothing feasible. {why}", why=words.sentence(answer[side]["infeasible"]["binding"], say)))
    for make, winner in answer["winner"].items():
        if winner is None:
            continue
        for side in ("a", "b"):
            lines.append(_won(make, side, winner, say))
    same = not (answer["gained"] or answer["lost"] or answer["changed"])
    if same:
        lines.append(say("Nothing changes for this request."))
    else:
        lines.append(words.ask(_example(answer), say))
    return Lines(say("What if"), tuple(lines))


def _example(answer: Mapping[str, Any]) -> str:
    """The pointer of a figure that the answer has."""
    for make, winner in answer["winner"].items():
        for side in ("b", "a") if winner is not None else ():
            if winner[side] is not None:
                return f"/winner/{make}/{side}/value"
    return "/a/designs/0/cost/total_usd"


def _won(make: str, side: str, winner: Mapping[str, Any], say: Translator) -> str:
    best = winner[side]
    verb = words.word(words.MAKE, make, say)
    if best is None:
        return say("{side}: nothing is offered to {make}", side=side, make=verb)
    value = _figure(winner["criterion"], best["value"], say)
    if best["margin"] is None:
        return say("{side}: best to {make} is {chip}, {value}; no other chip is offered", side=side, make=verb,
                   chip=best["chip_name"], value=value)  # fmt: skip
    return say("{side}: best to {make} is {chip}, {value}; the next chip is {margin} worse", side=side, make=verb,
               chip=best["chip_name"], value=value, margin=f"{best['margin']:.1%}")  # fmt: skip


def _changes(side: Mapping[str, Any], name: str, say: Translator) -> Table:
    changes: Sequence[Mapping[str, Any]] = side["changes"]
    rows = [
        (
            c["target"],
            _plain(c["before"]),
            _plain(c["after"]),
            c["source"] + (say(" (assumed)") if c["assumed"] else ""),
        )
        for c in changes[:SHOWN_CHANGES]
    ]
    if len(changes) > SHOWN_CHANGES:
        rows.append((say("and {n} more", n=len(changes) - SHOWN_CHANGES), "", "", ""))
    title = say("What {side} changes", side=name)
    return Table(title, (say("what"), say("before"), say("after"), say("source")), tuple(rows))


def _plain(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _moved(rows: Sequence[Mapping[str, Any]], title: str, say: Translator) -> Table:
    head = (
        say("chip"),
        say("vendor"),
        say("chips"),
        say("total"),
        say("law here"),
        say("law elsewhere"),
        say("citation"),
    )
    return Table(title, head, tuple(
        (r["chip_name"], r["vendor"], f"{r['figures']['chips']:,}",
         _figure("total_usd", r["figures"]["total_usd"], say), _standing(r["law"], say),
         _standing(r["law_elsewhere"], say),
         "; ".join((r["law_elsewhere"]["citations"] or r["law"]["citations"])[:2]))
        for r in rows
    ))  # fmt: skip


def _standing(law: Mapping[str, Any], say: Translator) -> str:
    if law["standing"] == "unmet":
        return say("no design meets the request")
    said = words.word(words.STANDING, law["standing"], say)
    return f"{said} ({words.word(words.POLICY, law['review_policy'], say)})" if law["review_policy"] else said


def _changed(rows: Sequence[Mapping[str, Any]], say: Translator) -> Table:
    found = []
    for r in rows:
        moved = [n for n, pair in r["figures"].items() if pair["a"] != pair["b"]]
        said = "; ".join(
            f"{words.word(FIGURE, n, say)} {_figure(n, r['figures'][n]['a'], say)}"
            f" → {_figure(n, r['figures'][n]['b'], say)}"
            for n in moved
        )
        found.append((r["chip_name"], r["vendor"], said, _standing(r["law"]["a"], say), _standing(r["law"]["b"], say)))
    return simple("Offered in both, changed", ("chip", "vendor", "figures", "law in a", "law in b"), found, say)


def _figure(name: str, value: float | None, say: Translator) -> str:
    if value is None:
        return say("unknown")
    if name == "chips":
        return f"{value:,}"
    if name == "tokens_per_s":
        return f"{value:,.4g} tokens/s"
    if name == "time_s":
        return words.duration(value, say)
    if name == "carbon_kg":
        return f"{value / 1000.0:,.4g} t"
    return units.money(value) if name.endswith("_usd") else units.prefixed(value, UNIT[name])


def whatif_plot(answer: Mapping[str, Any], say: Translator, pyplot: Any) -> str:
    """Total cost of what is offered in either world, as SVG text. pyplot: handed in by the app's gate."""
    bars: dict[str, list[float]] = {}
    for r in answer["changed"]:
        pair = r["figures"]["total_usd"]
        bars[r["chip_name"]] = [pair["a"] or 0.0, pair["b"] or 0.0]
    for name, side in (("lost", 0), ("gained", 1)):
        for r in answer[name]:
            bars.setdefault(r["chip_name"], [0.0, 0.0])[side] = r["figures"]["total_usd"] or 0.0
    names = sorted(bars, key=lambda n: max(bars[n]))[:PLOTTED]
    figure, axes = pyplot.subplots(figsize=(7.2, 0.6 + 0.45 * max(1, len(names))))
    for i, (world, colour) in enumerate((("a", "#7a8ca3"), ("b", "#c4622d"))):
        at = [k + 0.2 - 0.4 * i for k in range(len(names))]
        axes.barh(at, [bars[n][i] / 1e6 for n in names], height=0.38, label=world, color=colour)
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="total, M USD")
    axes.legend(fontsize=8)
    out = io.StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return out.getvalue()


def scenario_list(answer: Mapping[str, Any], say: Translator) -> str:
    """The scenarios of the catalog, a line each."""
    rows = [(s["name"], s["says"][say.language]) for s in answer["scenarios"]]
    return as_text([simple("Scenarios", ("name", "what"), rows, say)])
