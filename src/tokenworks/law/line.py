"""The line of US items: its words, and how a required licence is written."""

from __future__ import annotations

from tokenworks.language import Text
from tokenworks.records import Citation, Line

US_ITEM = "US item"
DENIAL, POLICY_DENIAL = "presumption_of_denial", "policy_of_denial"
APPROVAL, CASE, GRANTED = "presumption_of_approval", "case_by_case", "granted"
FREE = ("none", "exception")


def required(
    eccn: str | None,
    policy: str | None,
    cites: tuple[Citation, ...],
    *reasons: Text,
    conditions: tuple[Text, ...] = (),
) -> Line:
    """A licence is required."""
    return Line(US_ITEM, "required", eccn, None, policy, cites, reasons, conditions)


def conditional(eccn: str | None, cites: tuple[Citation, ...], why: Text, *conditions: Text) -> Line:
    """A licence is required where a condition holds that only the parties can check."""
    return Line(US_ITEM, "conditional", eccn, None, None, cites, (why,), conditions)


def key(line: Line) -> tuple[str, str, str | None, str | None]:
    """What makes two lines the same to a buyer."""
    return line.regime, line.licence, line.exception, line.review_policy
