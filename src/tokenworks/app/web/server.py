"""The application: routes over the questions, jobs with progress and cancel, the page's files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files as package
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tokenworks.app.web import openapi, routes
from tokenworks.app.web.guard import Guard, language_of
from tokenworks.app.web.jobs import Jobs
from tokenworks.app.web.metrics import Metrics
from tokenworks.app.web.problems import Problem, response
from tokenworks.app.web.settings import Settings
from tokenworks.app.web.store import Store
from tokenworks.language import Translator
from tokenworks.version import VERSION

STATIC = "static"
KINDS = {404: "not-found", 405: "not-allowed", 413: "too-large"}


def create(settings: Settings) -> FastAPI:
    """A server. Raises BadRequest where the store cannot be opened."""
    metrics = Metrics()
    jobs = Jobs(settings, Store(settings.store, settings.answers), metrics)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await jobs.start()
        yield
        await jobs.stop()

    app = FastAPI(
        title="Tokenworks",
        version=VERSION,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Guard, settings=settings, metrics=metrics),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
        ],
    )
    app.state.jobs, app.state.settings, app.state.metrics = jobs, settings, metrics
    app.state.document = openapi.document()
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _defect)
    routes.add(app)
    _add_page(app)
    return app


def _say(request: Request) -> Translator:
    return Translator(language_of(request.scope))


async def _problem(request: Request, error: Exception) -> Response:
    problem = error if isinstance(error, Problem) else Problem("defect")
    return response(problem, _say(request))


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    found = response(Problem(KINDS.get(status, "defect")), _say(request))
    for name, value in (getattr(error, "headers", None) or {}).items():
        found.headers[name] = value
    return found


async def _invalid(request: Request, error: Exception) -> Response:
    """The framework's own handler repeats the input, which it cannot always encode: ours does not."""
    return response(Problem("bad-request"), _say(request))


async def _defect(request: Request, error: Exception) -> Response:
    return response(Problem("defect"), _say(request))


def _add_page(app: FastAPI) -> None:
    """The page's built files: hashed names are kept by browsers for good, the page itself is asked for anew."""
    root = Path(str(package("tokenworks"))) / "app" / "web" / STATIC
    found = {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.is_file()}

    async def page(request: Request) -> Response:
        name = str(request.path_params.get("name", "")) or "index.html"
        if name not in found:
            raise Problem("not-found")
        kept = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
        return FileResponse(found[name], headers={"Cache-Control": kept})

    app.add_route("/", page, methods=["GET", "HEAD"])
    app.add_route("/{name:path}", page, methods=["GET", "HEAD"])
