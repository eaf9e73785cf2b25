"""Traces: every published format, bad lines, hostile lines."""

from __future__ import annotations

import pytest

from tokenworks.errors import BadRequest
from tokenworks.simulate.traces import BadLines, read, servegen, sniff, stream

AZURE = [
    "TIMESTAMP,ContextTokens,GeneratedTokens",
    "2023-11-16 18:17:03.9799600,4808,10",
    "2023-11-16 18:17:04.0319600,3180,8",
]
MOONCAKE = [
    '{"timestamp": 3000, "input_length": 7322, "output_length": 490, "hash_ids": [0, 14]}',
    '{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}',
]


def test_azure() -> None:
    trace = read(AZURE)
    assert trace.arrival.tolist() == pytest.approx([0.0, 0.052], abs=1e-6)
    assert trace.input.tolist() == [4808, 3180]
    assert trace.output.tolist() == [10, 8]
    assert trace.bad_lines == 0


def test_mooncake_is_in_milliseconds_and_sorted() -> None:
    trace = read(MOONCAKE)
    assert trace.arrival.tolist() == [0.0, 3.0]
    assert trace.output.tolist() == [500, 490]


def test_simple_with_and_without_header() -> None:
    assert read(["seconds,input,output", "1,5,6"]).input.tolist() == [5]
    assert read(["1,5,6"]).output.tolist() == [6]


@pytest.mark.parametrize(("lines", "form"), [(AZURE, "azure"), (MOONCAKE, "mooncake"), (["1,2,3"], "simple")])
def test_format_is_told_from_the_first_line(lines: list[str], form: str) -> None:
    assert sniff(lines[0]) == form


BAD = [
    "2023-99-99 00:00:00,1,1",
    "not a line",
    "2023-11-16 18:17:05,-4,1",
    "2023-11-16 18:17:05,1e400,1",
    "2023-11-16 18:17:05,99999999999999999999,1",
]


def test_bad_lines_are_counted_with_their_numbers() -> None:
    trace = read([*AZURE, *BAD])
    assert trace.bad_lines == len(BAD)
    assert [number for number, _ in trace.bad] == [4, 5, 6, 7, 8]
    assert len(trace) == 2


@pytest.mark.parametrize("line", BAD)
def test_strict_stops_at_the_line(line: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read([*AZURE, line], strict=True)
    assert caught.value.field == "trace:4"


@pytest.mark.parametrize(
    "line",
    [
        '{"timestamp": 1e999, "input_length": 1, "output_length": 1}',
        '{"timestamp": 0, "input_length": true, "output_length": 1}',
        '{"timestamp": 0, "input_length": NaN, "output_length": 1}',
        '{"timestamp": 0}',
        "[" * 100_000,
        "{" * 5,
    ],
)
def test_hostile_mooncake_lines_are_bad_lines(line: str) -> None:
    assert read([*MOONCAKE, line]).bad_lines == 1


@pytest.mark.parametrize("lines", [[], ["", "  "], ["TIMESTAMP,ContextTokens,GeneratedTokens"], ["x"]])
def test_an_empty_trace_is_refused(lines: list[str]) -> None:
    with pytest.raises(BadRequest):
        read(lines)


RATES = ["0,0,0,,0,0", "600,2.0,1.0,Gamma,1,0.5", "1200,0,0,,0,0"]
LENGTHS = {"0": {"input_tokens": "{50: 0.25, 100: 0.75}", "output_tokens": {"7": 1.0}}}


def test_servegen_draws_the_rate_and_the_histogram() -> None:
    drawn = servegen(RATES, LENGTHS, seed=1)
    assert len(drawn) == pytest.approx(1200, rel=0.12)  # 600 s at 2 per second; four standard deviations
    assert float(drawn.arrival.max()) <= 600.0
    assert set(drawn.output.tolist()) == {7}
    assert (drawn.input == 100).mean() == pytest.approx(0.75, abs=0.06)


def test_servegen_same_seed_same_requests() -> None:
    one, two = servegen(RATES, LENGTHS, seed=3), servegen(RATES, LENGTHS, seed=3)
    assert one.arrival.tobytes() == two.arrival.tobytes()
    assert servegen(RATES, LENGTHS, seed=4).arrival.tobytes() != one.arrival.tobytes()


@pytest.mark.parametrize("table", [{}, {"0": 3}, {"0": {"input_tokens": "x", "output_tokens": "{1: 1}"}}])
def test_servegen_refuses_what_is_no_histogram(table: object) -> None:
    with pytest.raises(BadRequest):
        servegen(RATES, table, seed=1)  # type: ignore[arg-type]


def test_servegen_counts_bad_windows() -> None:
    assert servegen([*RATES, "x,y", "1800,-1,1"], LENGTHS, seed=1).bad_lines == 2


def test_mooncake_names_the_blocks_of_prompts() -> None:
    prefixes = read(MOONCAKE).prefixes
    assert prefixes is not None
    assert (prefixes.size, prefixes.start.tolist(), prefixes.names.tolist()) == (512, [0, 2, 4], [0, 1, 0, 14])


@pytest.mark.parametrize("names", ['"a"', "[1.5]", "[true]", "[99999999999999999999]", "{}"])
def test_hash_ids_that_are_none_make_a_bad_line(names: str) -> None:
    line = f'{{"timestamp": 5, "input_length": 1, "output_length": 1, "hash_ids": {names}}}'
    assert read([*MOONCAKE, line]).bad == ((3, "expected whole numbers as hash_ids"),)


def test_a_trace_is_read_as_it_is_asked_for() -> None:
    """The first batch comes when two are read, not at the end; a line from before it is too late."""
    asked: list[int] = []

    def lines(count: int):  # type: ignore[no-untyped-def]
        for k in range(count):
            asked.append(k)
            yield f"{100 + k},{k + 1},1"
        yield "3,1,1"

    bad = BadLines(False)
    batches = stream(lines(1000), bad, size=10)
    first = next(batches)
    assert (len(first), len(asked), float(first.arrival[0])) == (10, 20, 0.0)
    rest = [len(b) for b in batches]
    assert sum(rest) == 990
    assert bad.kept == [(1001, "comes earlier than requests already sent on")]
