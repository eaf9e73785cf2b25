"""Errors as problem details (RFC 9457), in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tokenworks.errors import TokenworksError
from tokenworks.language import Text, Translator, text

MEDIA = "application/problem+json"
# kind -> (status, title)
KINDS: Mapping[str, tuple[int, Text]] = {
    "bad-request": (422, text("The question cannot be read")),
    "unknown-fact": (422, text("The catalog does not know this")),
    "limit": (422, text("The question takes more than this server gives")),
    "not-found": (404, text("There is nothing here")),
    "not-allowed": (405, text("Not with this method")),
    "unauthorized": (401, text("A token is needed")),
    "forbidden": (403, text("Not from there")),
    "too-large": (413, text("The question is too large")),
    "too-slow": (408, text("The question did not arrive in time")),
    "media": (415, text("Send JSON")),
    "busy": (503, text("All workers are busy: try again in a moment")),
    "cancelled": (409, text("Cancelled")),
    "defect": (500, text("A defect of this program")),
}
CLASSES: Mapping[str, str] = {"BadRequest": "bad-request", "UnknownFact": "unknown-fact", "Defect": "defect"}


class Problem(Exception):
    """A question that gets a problem as its answer. kind: one of KINDS; detail: what to tell; field: of what."""

    def __init__(self, kind: str, detail: Text | str = "", field: str = "") -> None:
        super().__init__(kind)
        self.kind, self.detail, self.field = kind, detail, field


def of_error(error: TokenworksError) -> Problem:
    """The problem of one of the program's own errors."""
    return Problem(CLASSES[type(error).__name__], error.text, error.field)


def content(problem: Problem, say: Translator) -> dict[str, Any]:
    """The members of a problem document."""
    status, title = KINDS[problem.kind]
    found: dict[str, Any] = {
        "type": f"urn:tokenworks:problem:{problem.kind}",
        "title": say.say(title),
        "status": status,
        "detail": say.say(problem.detail) if isinstance(problem.detail, Text) else problem.detail,
    }
    return {**found, "field": problem.field} if problem.field else found


def response(problem: Problem, say: Translator) -> Response:
    """The HTTP answer of a problem."""
    body = content(problem, say)
    headers = {"Cache-Control": "no-store"}
    if problem.kind == "busy":
        headers["Retry-After"] = "2"
    if problem.kind == "unauthorized":
        headers["WWW-Authenticate"] = "Bearer"
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(raw, status_code=body["status"], media_type=MEDIA, headers=headers)
