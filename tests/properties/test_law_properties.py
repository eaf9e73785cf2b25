"""What must hold of every verdict."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks import law
from tokenworks.catalog import Catalog
from tokenworks.errors import BadRequest
from tokenworks.law import item as items
from tokenworks.law import place, possible
from tokenworks.law.dated import change_dates
from tokenworks.law.standing import of
from tokenworks.records import Buyer, Line, Shipment, Verdict, World

CHIPS = ("nvidia-h100-sxm", "nvidia-h20", "nvidia-a800-sxm-80", "nvidia-rtx-4090", "amd-mi300x", "nvidia-l20",
         "huawei-ascend-910c", "nvidia-a30", "google-tpu-v5p", "nvidia-rtx-pro-6000d")  # fmt: skip
PLACES = ("CN", "HK", "MO", "AE", "SA", "JP", "TW", "US", "RU", "IR", "IN", "MY", "VN", "KH", "GB", "KZ", "SG", "IL")
DAYS = st.dates(dt.date(2022, 8, 26), dt.date(2027, 6, 1))
FREE = ("none", "exception")
PARAMETERS = {"tpp": 15832.0, "pd": 19.45, "mem_GBps": 3350.0, "io_GBps": 1028.0, "datacenter": True}
LOOSER = {"lawful": 2, "licence": 1, "barred": 0, "apart": 0}


def verdict(world: World, chip: str, to: str, on: dt.date, **more: object) -> Verdict:
    return law.judge(Shipment(chip, to, on, **more), world)  # type: ignore[arg-type]


@given(st.sampled_from(CHIPS), st.sampled_from(PLACES), DAYS)
@settings(max_examples=300, deadline=None)
def test_every_line_cites_and_gives_a_reason(world: World, chip: str, to: str, on: dt.date) -> None:
    found = verdict(world, chip, to, on)
    for line in found.lines:
        assert line.reasons
        assert line.citations or line.licence == "none"
    assert found.assumed


@given(
    st.sampled_from(sorted(PARAMETERS)), st.sampled_from(PLACES), DAYS,
    st.floats(0, 40000), st.floats(0, 30), st.floats(0, 9000), st.floats(0, 2000), st.booleans(),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_losing_a_fact_never_helps(
    world: World, lost: str, to: str, on: dt.date, tpp: float, pd: float, mem: float, io: float, dc: bool
) -> None:
    known = {"tpp": tpp, "pd": pd, "mem_GBps": mem, "io_GBps": io, "datacenter": dc, "vendor": "NVIDIA"}
    before = verdict(world, "x", to, on, item=known)
    after = verdict(world, "x", to, on, item={**known, lost: None})
    assert LOOSER[law.standing(after, None)] <= LOOSER[law.standing(before, None)]


@given(st.sampled_from(CHIPS), st.sampled_from(PLACES), DAYS)
@settings(max_examples=200, deadline=None)
def test_a_verdict_changes_only_on_a_listed_day(world: World, chip: str, to: str, on: dt.date) -> None:
    following = on + dt.timedelta(days=1)
    one, other = verdict(world, chip, to, on), verdict(world, chip, to, following)
    if (one.licence, one.exception, one.review_policy) != (other.licence, other.exception, other.review_policy):
        assert following in change_dates(world.law)


@given(st.sampled_from(CHIPS), st.sampled_from(PLACES), st.dates(dt.date(2025, 5, 15), dt.date(2026, 9, 1)))
@settings(max_examples=200, deadline=None)
def test_the_diffusion_rule_never_frees_what_is_not_free(world: World, chip: str, to: str, on: dt.date) -> None:
    now = verdict(world, chip, to, on)
    then = verdict(world, chip, to, on, scenario="what_if_diffusion_enforced")
    if then.licence == "none":
        assert now.licence in FREE


@pytest.mark.parametrize("day", ["2023-11-16", "2023-11-17", "2023-11-18"])
def test_the_day_of_the_rule_counts(world: World, day: str) -> None:
    found = verdict(world, "nvidia-h800-sxm", "CN", dt.date.fromisoformat(day), exporter="any")
    assert found.licence == ("none" if day < "2023-11-17" else "required")


def test_most_fully_known_cells_are_answered(world: World) -> None:
    known = [c for c in world.chips.values() if not possible.candidates(items.from_chip(c), world.law, 1)]
    cells = [verdict(world, c.id, p, dt.date(2025, 6, 1)) for c in known for p in PLACES]
    answered = sum(v.licence not in ("unknown", "unresolved") for v in cells)
    assert answered >= 0.95 * len(cells)


def test_before_the_first_rule_is_refused(world: World) -> None:
    with pytest.raises(BadRequest, match="before the first rule"):
        verdict(world, "nvidia-h100-sxm", "CN", dt.date(2021, 12, 8))


def test_after_the_last_known_rule_none_counts_as_confirm(world: World) -> None:
    found = verdict(world, "nvidia-h100-sxm", "JP", dt.date(2027, 1, 1))
    assert found.stale
    assert law.standing(found, None) == "licence"


@pytest.mark.parametrize(
    ("name", "party"),
    [
        ("Inspur Group", "Inspur"), ("浪潮集團", "Inspur"), ("曙光", "Sugon"), ("寒武紀", "Cambricon"),
        ("Huawei Technologies Co Ltd", "Huawei"), ("Beijing Zhipu Huazhang Technology", "Zhipu"),
        ("Cambricon Technologis Corporation", "Cambricon"),
    ],
)  # fmt: skip
def test_screening_finds_listed_parties(world: World, name: str, party: str) -> None:
    hits = law.screen(name, world.law, dt.date(2026, 1, 1))
    assert hits
    assert party in hits[0].party.name


@pytest.mark.parametrize("name", ["Alibaba", "G42", "Acme Widgets", "Tencent", ""])
def test_screening_leaves_others_alone(world: World, name: str) -> None:
    assert not [h for h in law.screen(name, world.law, dt.date(2026, 1, 1)) if h.score >= 95]


@pytest.mark.parametrize(
    ("licence", "policy", "expected"),
    [
        ("none", None, "lawful"), ("exception", None, "lawful"), ("conditional", None, "licence"),
        ("required", "presumption_of_approval", "licence"), ("required", "case_by_case", "licence"),
        ("required", "granted", "licence"), ("required", "presumption_of_denial", "barred"),
        ("required", "policy_of_denial", "barred"), ("required", None, "apart"), ("unknown", None, "apart"),
        ("unresolved", None, "apart"),
    ],
)  # fmt: skip
def test_the_mapping_to_what_a_buyer_may_do(licence: str, policy: str | None, expected: str) -> None:
    assert of(Line("US item", licence, review_policy=policy)) == expected


def test_general_prohibition_ten_binds_who_follows_us_law(world: World) -> None:
    found = verdict(world, "huawei-ascend-910c", "CN", dt.date(2025, 6, 1))
    assert law.standing(found, law.followed("CN", None)) == "lawful"
    assert law.standing(found, law.followed("AE", None)) == "barred"
    assert law.standing(found, law.followed("CN", ("US", "CN"))) == "barred"


def test_groups_keep_their_history(world: World) -> None:
    rules = world.law
    assert place.in_group("KH", "D5", rules, dt.date(2025, 12, 1))
    assert not place.in_group("KH", "D5", rules, dt.date(2026, 2, 3))
    assert place.in_group("HK", "D5", rules, dt.date(2024, 1, 1))
    assert not place.in_group("MO", "D5", rules, dt.date(2024, 1, 1))
    assert place.arms_embargoed("MO", rules, dt.date(2024, 1, 1))


def test_a_letter_binds_its_addressee_only(world: World) -> None:
    day = dt.date(2025, 4, 20)
    assert verdict(world, "nvidia-h20", "CN", day).licence == "required"
    assert verdict(world, "nvidia-h20", "CN", day, exporter="any").licence == "none"
    assert verdict(world, "nvidia-h20", "CN", dt.date(2025, 4, 8)).licence == "none"


def test_headquarters_reach_beyond_the_destination(world: World) -> None:
    day = dt.date(2024, 6, 1)
    own = verdict(world, "nvidia-h100-sxm", "MY", day)
    chinese = verdict(world, "nvidia-h100-sxm", "MY", day, buyer=Buyer(headquarters="CN"))
    assert own.licence == "none"
    assert (chinese.licence, chinese.review_policy) == ("required", "presumption_of_denial")


def test_timeline_and_grid(world: World, facts: Catalog) -> None:
    days = [d.isoformat() for d, _ in law.timeline(Shipment("nvidia-h20", "CN", dt.date(2022, 8, 26)), world)]
    assert days == ["2022-08-26", "2025-04-09", "2025-07-14"]
    cells = law.grid(CHIPS, PLACES, dt.date(2024, 6, 1), world)
    assert len(cells) == len(CHIPS) * len(PLACES)
    changed = law.diff(("nvidia-h800-sxm",), ("CN", "JP"), dt.date(2023, 10, 1), dt.date(2023, 12, 1), world)
    assert [(c, p) for c, p, _, _ in changed] == [("nvidia-h800-sxm", "CN")]
    assert replace(Shipment("a", "b", dt.date(2024, 1, 1)), quantity=2).quantity == 2
