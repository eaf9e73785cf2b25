"""The validation report in words, tables and plots."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokenworks.deliver import words
from tokenworks.deliver.render import as_markdown, as_text
from tokenworks.deliver.tables import Block, Lines, Table, simple
from tokenworks.language import Text, Translator, text

STUDY: Mapping[str, Text] = {"training": text("Training"), "serving": text("Serving")}
METRIC: Mapping[str, Text] = {
    "tokens_per_s_per_chip": text("tokens per second per chip"),
    "peak_memory_bytes": text("peak memory"),
    "output_tokens_per_s_per_chip": text("output tokens per second per chip"),
    "prefill_tokens_per_s_per_chip": text("prefill tokens per second per chip"),
    "ttft_ms": text("time to first token"),
    "tpot_ms": text("time per output token"),
    "itl_ms": text("inter-token latency"),
    "ttft_p99_ms": text("time to first token, 99th percentile"),
    "tpot_p99_ms": text("time per output token, 99th percentile"),
}
BY: Mapping[str, Text] = {
    "file": text("file of runs"),
    "chip": text("chip"),
    "generation": text("chip generation"),
    "framework": text("framework"),
    "engine": text("engine"),
    "model": text("model"),
    "class": text("model class"),
    "size": text("size of the job"),
    "precision": text("precision"),
    "load": text("kind of load"),
    "pools": text("pools"),
}
WHY: Mapping[str, Text] = {
    "repeats": text("published again with figures far apart: release or settings, which are no inputs"),
    "alone": text("few configurations of its chip or software in the fit"),
    "mixture": text("experts or recurrent layers: dispatcher, overlap and graphs of a release are no inputs"),
    "assumed": text("the record leaves fields out"),
    "unknown": text("not found"),
}
HEAD = ("", "runs", "groups", "covered", "median", "90th percentile", "bias", "inside the interval")
MANY = 8  # rows below which a group of runs is too small to be shown by itself


def validation(report: Mapping[str, Any], say: Translator) -> str:
    """The report for a terminal."""
    return as_text(blocks(report, say))


def validation_page(report: Mapping[str, Any], say: Translator, plots: Sequence[str]) -> str:
    """The report as a Markdown page; plots: names of the image files beside it."""
    images = "".join(f"![{name}]({name})\n\n" for name in plots)
    return f"# {say('How good the predictions are')}\n\n{images}{as_markdown(blocks(report, say))}"


def blocks(report: Mapping[str, Any], say: Translator) -> list[Block]:
    """All tables of the report in reading order."""
    found: list[Block] = [_how(report, say), _summary(report, say)]
    for name, study in report["studies"].items():
        for metric, of in study["metrics"].items():
            found += _metric(f"{words.word(STUDY, name, say)}: {words.word(METRIC, metric, say)}", study, of, say)
    return [*found, _headlines(report, say)]


def _how(report: Mapping[str, Any], say: Translator) -> Lines:
    lines = [
        say("Every error below is of runs that the constants were not fitted to: |predicted / measured - 1|."),
        say("Groups are configurations; no group is on both sides of a split. The forms of the model and some of its "
            "rules were chosen while looking at these runs: expect somewhat worse on new ones."),
        say("A quote shows the best of many designs as predicted; such a choice errs to the good side more often than "
            "a run picked at random. Memory constants are not fitted anew in the folds."),
    ]  # fmt: skip
    for name, study in report["studies"].items():
        for metric, guess in study["baseline"].items():
            lines.append(
                say("{study}, {metric}: guessing each chip's median share of its peak instead errs by {median}, 90th "
                    "percentile {p90}, and covers {covered}.", study=words.word(STUDY, name, say),
                    metric=words.word(METRIC, metric, say), median=_percent(guess["median"]),
                    p90=_percent(guess["p90"]), covered=_percent(guess["covered"]))
            )  # fmt: skip
        for metric, floor in study["noise"].items():
            lines.append(
                say("{study}, {metric}: {n} configurations were published more than once (other software, other "
                    "submitters); their own mean errs by {median}, 90th percentile {p90}. No model that is blind to "
                    "the release can do better.", study=words.word(STUDY, name, say),
                    metric=words.word(METRIC, metric, say), n=floor["configurations"],
                    median=_percent(floor["median"]), p90=_percent(floor["p90"]))
            )  # fmt: skip
    return Lines(say("How this was measured"), tuple(lines))


def _summary(report: Mapping[str, Any], say: Translator) -> Table:
    rows = [
        (f"{words.word(STUDY, name, say)}: {words.word(METRIC, metric, say)}", *_cells(of["all"]))
        for name, study in report["studies"].items()
        for metric, of in study["metrics"].items()
    ]
    return simple("Summary", HEAD, rows, say)


def _metric(title: str, study: Mapping[str, Any], of: Mapping[str, Any], say: Translator) -> Iterator[Block]:
    for name, table in of["tables"].items():
        rows = [(key, *_cells(s)) for key, s in table.items() if s["n"] >= MANY]
        if len(rows) > 1:
            heading = say("by {what}", what=words.word(BY, name, say))
            yield Table(f"{title}, {heading}", tuple(say(h) for h in HEAD), tuple(rows))
    for split, table in of["left_out"].items():
        rows = [(say("all") if key == "all" else key, *_cells(s)) for key, s in table.items()]
        heading = say("left out one at a time: {what} (each group counts once)", what=_named(split, say))
        yield Table(f"{title}, {heading}", tuple(say(h) for h in HEAD), tuple(rows))
    yield _intervals(title, of, say)
    if of["weak"]:
        rows = [(f"{words.word(BY, w['by'], say)}: {w['of']}", *_cells(w)) for w in of["weak"]]
        yield Table(f"{title}, {say('weak spots')}", tuple(say(h) for h in HEAD), tuple(rows))
    rows = [
        (w["id"], _number(w["predicted"]), _number(w["measured"]), _percent(w["error"], True),
         words.word(WHY, w["why"], say))
        for w in of["worst"]
    ]  # fmt: skip
    head = tuple(say(h) for h in ("run", "predicted", "measured", "error", "likely reason"))
    yield Table(f"{title}, {say('the ten worst')}", head, tuple(rows))


def _intervals(title: str, of: Mapping[str, Any], say: Translator) -> Table:
    rows = []
    for name, bar in of["bars"].items():
        held = of["held"].get(name)
        share = "" if held is None else f"{_percent(held['share'])} ({_percent(held['low'])}-{_percent(held['high'])})"
        rows.append((name, str(bar["runs"]), str(bar["groups"]), f"x {bar['low']:.2f}", f"x {bar['high']:.2f}", share))
    head = tuple(say(h) for h in ("evidence class", "runs", "groups", "low", "high", "unseen runs inside"))
    return Table(f"{title}, {say('80 % intervals')}", head, tuple(rows))


def _headlines(report: Mapping[str, Any], say: Translator) -> Table:
    rows = []
    for run in report["headlines"]:
        rate, hours = run["tokens_per_s_per_chip"], run["chip_hours"]
        if rate is None:
            rows.append((run["id"], "", "", str((run["error"] or {}).get("message")), run["published"]))
            continue
        rows.append((run["id"], _range(rate), _range(hours), words.evidence(run["class"], say), run["published"]))
    return simple(
        "Headline runs",
        ("run", "tokens per second per chip", "chip-hours", "evidence class", "the published figure stands in"),
        rows,
        say,
    )


def _range(figure: Mapping[str, Any]) -> str:
    low, high = figure["low"], figure["high"]
    return _number(figure["value"]) + ("" if low is None else f" ({_number(low)}-{_number(high)})")


def _cells(score: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(score["n"]),
        str(score["groups"]),
        _percent(score["covered"]),
        _percent(score["median"]),
        _percent(score["p90"]),
        _percent(score["bias"], True),
        _percent(score["inside"]),
    )


def _named(split: str, say: Translator) -> str:
    """A split's name, whose parts are kinds of things left out."""
    return ", ".join(words.word(BY, part, say) for part in split.split(" and "))


def _percent(value: float | None, signed: bool = False) -> str:
    if value is None:
        return ""
    return f"{100 * value:+.1f} %" if signed else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def plot(report: Mapping[str, Any], study: str, metric: str, say: Translator, pyplot: Any) -> str:
    """Predicted against measured as SVG text. pyplot: the matplotlib module, handed in by the app's gate."""
    of = report["studies"][study]["metrics"][metric]
    figure, axes = pyplot.subplots(figsize=(6.4, 6.0))
    by_label: dict[str, list[Sequence[float]]] = {}
    for predicted, measured, label in of["points"]:
        by_label.setdefault(label, []).append((measured, predicted))
    for label, points in sorted(by_label.items()):
        axes.plot(*zip(*points, strict=True), ".", markersize=4, alpha=0.6, label=label)
    every = [v for points in by_label.values() for point in points for v in point]
    ends = [min(every), max(every)]
    axes.plot(ends, ends, "k-", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="measured", ylabel="predicted (runs outside the fit)", title=metric)
    axes.legend(fontsize=8)
    out = io.StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return out.getvalue()
