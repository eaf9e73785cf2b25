"""What stands before every route: hosts, tokens, sizes, times, security headers. Pure ASGI."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tokenworks.app.web.metrics import Metrics
from tokenworks.app.web.problems import Problem, response
from tokenworks.app.web.settings import Settings
from tokenworks.language import Translator, text

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
OPEN = ("/v1/health", "/v1/openapi.json")  # asked without a token


class Guard:
    """Refuses what must not reach a route, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self._metrics.answered(scope["method"][:10], message["status"], time.monotonic() - started)
            await send(message)

        problem = self._refusal(scope)
        if problem is None:
            await self._app(scope, receive, sent)
        else:
            await response(problem, Translator(language_of(scope)))(scope, receive, sent)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        settings, path = self._settings, str(scope["path"])
        if settings.hosts and host_of(headers.get("host", "")) not in settings.hosts:
            return Problem("forbidden", text("this server does not go by that name"), "Host")
        if headers.get("sec-fetch-site") == "cross-site" and path.startswith("/v1/"):
            return Problem("forbidden", text("not from another site's page"))
        if settings.token is not None and path.startswith("/v1/") and path not in OPEN:
            given = headers.get("authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, f"Bearer {settings.token}".encode()):
                return Problem("unauthorized", text("send it as 'Authorization: Bearer …'"))
        if len(scope.get("query_string", b"")) > settings.query_chars * 30:
            return Problem("too-large", text("the address is too long"))
        size = headers.get("content-length", "0")
        if not (size.isascii() and size.isdigit()) or int(size[:20] or "0") > settings.body_bytes:
            return Problem("too-large", text("at most {n} bytes are read", n=settings.body_bytes))
        return None


def host_of(header: str) -> str:
    """The name in a Host header, without its port.

    >>> host_of("localhost:8321"), host_of("[::1]:8321"), host_of("127.0.0.1")
    ('localhost', '[::1]', '127.0.0.1')
    """
    if header.startswith("["):
        return header.partition("]")[0].lower() + "]"
    return header.partition(":")[0].lower()


def language_of(scope: Scope) -> str:
    """The reader's language: `lang` in the query, else the first of Accept-Language that we speak."""
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    for part in query.split("&"):
        if part.startswith("lang="):
            return "zh-Hant" if part == "lang=zh-Hant" else "en"
    wanted = Headers(scope=scope).get("accept-language", "").split(",")[0].strip().lower()
    return "zh-Hant" if wanted.startswith("zh") else "en"
