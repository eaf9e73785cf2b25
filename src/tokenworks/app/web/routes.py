"""Routes of /v1/: read the question, put it in line, give the answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from tokenworks.app.web.guard import language_of
from tokenworks.app.web.jobs import Job, Jobs
from tokenworks.app.web.openapi import ROUTES, Route
from tokenworks.app.web.problems import Problem, content, of_error
from tokenworks.app.web.reading import check_text, read_json, refuse_files
from tokenworks.app.web.settings import Settings
from tokenworks.app.web.worker import Question
from tokenworks.errors import TokenworksError
from tokenworks.language import Translator, text
from tokenworks.version import VERSION

BEAT_SECONDS = 1.0
KEPT_AT = ("quote", "whatif", "market")  # answers that are kept under an id: /v1/quotes/{id}, ...
FOR_EVER = "private, max-age=31536000, immutable"  # of a kept answer: its id is the hash of all it comes from
DOWNLOADS = {
    "json": "application/json", "md": "text/markdown; charset=utf-8", "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8", "svg": "image/svg+xml", "zip": "application/zip", "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
SPOKEN = frozenset({"explain", "law-check", "law-timeline", "file"})  # answers with sentences in the reader's language


def add(app: FastAPI) -> None:
    """Add every route of the API."""
    for route in ROUTES:
        app.add_route(route.path, _question(route), methods=[route.method])
    for kind in KEPT_AT:
        app.add_route(f"/v1/{kind}s/{{id}}", _stored(kind), methods=["GET", "HEAD"])
    app.add_route("/v1/quotes/{id}/files/{name:path}", _file, methods=["GET"])
    app.add_route("/v1/jobs/{id}", _job, methods=["GET"])
    app.add_route("/v1/jobs/{id}", _cancel, methods=["DELETE"])
    app.add_route("/v1/jobs/{id}/result", _result, methods=["GET"])
    app.add_route("/v1/jobs/{id}/events", _events, methods=["GET"])
    app.add_route("/v1/health", _health, methods=["GET"])
    app.add_route("/v1/metrics", _metrics, methods=["GET"])
    app.add_route("/v1/openapi.json", _document, methods=["GET"])


def _jobs(request: Request) -> Jobs:
    found: Jobs = request.app.state.jobs
    return found


# ------------------------------------------------------------------------------------------- questions


def _question(route: Route) -> Any:
    async def ask(request: Request) -> Response:
        given = await _given(request, route)
        language = language_of(request.scope) if route.kind in SPOKEN else "en"
        if route.about:
            given["about"] = await _about(request, route.about, given)
        job = await _jobs(request).submit(Question(route.kind, given, language))
        if "respond-async" in request.headers.get("prefer", "").lower():
            job.followers += 1  # until it is cancelled: it goes on without a reader
            where = f"/v1/jobs/{job.id}"
            headers = {"Location": where, "Preference-Applied": "respond-async", "Cache-Control": "no-store"}
            return JSONResponse(job.status(_jobs(request).before(job)), 202, headers)
        await _follow(request, job)
        return _answer(job)

    return ask


async def _given(request: Request, route: Route) -> dict[str, Any]:
    """The question's parameters: path, query and body. Raises Problem."""
    given: dict[str, Any] = {}
    if route.method == "POST":
        body = await _body(request)
        try:
            value = await asyncio.to_thread(read_json, body)
            if route.list_as is not None and isinstance(value, list):
                value = {route.list_as: value}
            if not isinstance(value, dict):
                raise Problem("bad-request", text("expected a JSON object"), "body")
            if route.kind in ("quote", "check"):
                refuse_files(value)
        except TokenworksError as error:
            raise of_error(error) from error
        given = value
    else:
        given = _query(request.query_params, request.app.state.settings)
    try:
        for name, value in request.path_params.items():
            check_text(str(value), name)
            given[name] = str(value)
    except TokenworksError as error:
        raise of_error(error) from error
    return given


def _query(params: QueryParams, settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in params.multi_items():
        if name == "lang":
            continue
        if len(name) > settings.query_chars or len(value) > settings.query_chars * 20:
            raise Problem("too-large", text("the address is too long"))
        if name in found:
            raise Problem("bad-request", text("stands twice"), name[:60])
        try:
            check_text(name + value, "query")
        except TokenworksError as error:
            raise of_error(error) from error
        found[name] = value
    return found


async def _body(request: Request) -> bytes:
    """The body within the limits of size and time. Raises Problem."""
    settings: Settings = request.app.state.settings
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # a page of another site cannot send this without asking first
        raise Problem("media", text("Content-Type must be application/json"), "Content-Type")
    found = bytearray()
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for part in request.stream():
                found += part
                if len(found) > settings.body_bytes:
                    raise Problem("too-large", text("at most {n} bytes are read", n=settings.body_bytes))
    except TimeoutError as error:
        raise Problem("too-slow", text("a body must arrive within {n} seconds", n=settings.body_seconds)) from error
    except ClientDisconnect as error:
        raise Problem("cancelled") from error
    return bytes(found)


async def _about(request: Request, kinds: tuple[str, ...], given: dict[str, Any]) -> Mapping[str, Any]:
    """The kept answer that the parameters name by its id; the id is taken out of them. Raises Problem."""
    named = [kind for kind in kinds if kind in given]
    if len(named) != 1:
        raise Problem("bad-request", text("expected one of: {allowed}", allowed=", ".join(kinds)), (*named, *kinds)[0])
    content: Mapping[str, Any] = json.loads(await _kept(request, named[0], str(given.pop(named[0])), named[0]))
    return content


async def _kept(request: Request, kind: str, identity: str, field: str) -> bytes:
    found = await _jobs(request).stored(kind, identity[:100])
    if found is None:
        raise Problem("not-found", text("no answer of this id is kept here: ask it again"), field)
    return found


async def _follow(request: Request, job: Job) -> None:
    """Wait for a job as long as its reader does; the last reader to go cancels it."""
    job.followers += 1
    gone = asyncio.ensure_future(_gone(request))
    done = asyncio.ensure_future(job.finished.wait())
    try:
        await asyncio.wait((gone, done), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        done.cancel()
        job.followers -= 1
        if not job.finished.is_set() and not job.followers:
            _jobs(request).cancel(job)
    if not job.finished.is_set():
        raise Problem("cancelled")


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer(job: Job) -> Response:
    if job.answer is None:
        raise job.problem or Problem("defect")
    headers = {"Cache-Control": "no-store"}
    if job.question.kind in KEPT_AT:
        headers["Content-Location"] = f"/v1/{job.question.kind}s/{job.identity}"
    return Response(job.answer, media_type="application/json", headers=headers)


# --------------------------------------------------------------------------------------- kept answers


def _stored(kind: str) -> Any:
    async def kept(request: Request) -> Response:
        found = await _kept(request, kind, str(request.path_params["id"]), "id")
        tag = f'"{hashlib.sha256(found).hexdigest()[:32]}"'
        headers = {"Cache-Control": FOR_EVER, "ETag": tag}
        known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
        if known & {tag, "*"}:
            return Response(status_code=304, headers=headers)
        return Response(found, media_type="application/json", headers=headers)

    return kept


async def _file(request: Request) -> Response:
    """A file to download: always an attachment, and nothing in it may run."""
    name = str(request.path_params["name"])[:200]
    quote = json.loads(await _kept(request, "quote", str(request.path_params["id"]), "id"))
    language = language_of(request.scope)
    job = await _jobs(request).submit(Question("file", {"about": quote, "name": name}, language))
    await _follow(request, job)
    found = _answer(job)
    ending = name.rsplit(".", 1)[-1]
    found.headers["Content-Type"] = DOWNLOADS.get(ending, "text/plain; charset=utf-8")
    plain = "".join(c for c in name.rsplit("/", 1)[-1] if c.isascii() and (c.isalnum() or c in "-._"))
    found.headers["Content-Disposition"] = f'attachment; filename="{quote["id"]}-{plain or "file"}"'
    found.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    return found


# ------------------------------------------------------------------------------------------------ jobs


def _of(request: Request) -> Job:
    return _jobs(request).get(str(request.path_params["id"]))


async def _job(request: Request) -> Response:
    job = _of(request)
    return JSONResponse(job.status(_jobs(request).before(job)), headers={"Cache-Control": "no-store"})


async def _cancel(request: Request) -> Response:
    """Cancel a job, unless somebody else has asked the same and still waits for it."""
    job = _of(request)
    job.followers = max(0, job.followers - 1)
    if not job.followers:
        _jobs(request).cancel(job)
    return JSONResponse(job.status(0), headers={"Cache-Control": "no-store"})


async def _result(request: Request) -> Response:
    job = _of(request)
    if not job.finished.is_set():
        headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": "1", "Cache-Control": "no-store"}
        return JSONResponse(job.status(_jobs(request).before(job)), 202, headers)
    return _answer(job)


async def _events(request: Request) -> Response:
    """Progress as server-sent events: `progress` about once a second, then `done`, `failed` or `cancelled`."""
    job, jobs, say = _of(request), _jobs(request), Translator(language_of(request.scope))

    async def stream() -> AsyncIterator[str]:
        while not job.finished.is_set():
            yield _event("progress", job.status(jobs.before(job)))
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await job.finished.wait()
            except TimeoutError:
                continue
        problem = None if job.problem is None else content(job.problem, say)
        yield _event(job.state, {**job.status(0), "problem": problem})

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


# -------------------------------------------------------------------------------------------- the rest


async def _health(request: Request) -> Response:
    jobs = _jobs(request)
    version = await jobs.version() if jobs.ready else None
    body = {"schema": "tokenworks/health/1", "version": VERSION, "ready": jobs.ready, "catalog": version}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


async def _metrics(request: Request) -> Response:
    jobs = _jobs(request)
    said = request.app.state.metrics.text(jobs.counts(), jobs.ready)
    return PlainTextResponse(said, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _document(request: Request) -> Response:
    return JSONResponse(request.app.state.document, headers={"Cache-Control": "no-cache"})
