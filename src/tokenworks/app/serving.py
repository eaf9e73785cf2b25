"""`web`: serves the page and the HTTP API."""

from __future__ import annotations

import ipaddress
import os
import socket

import click
import uvicorn

from tokenworks import catalog
from tokenworks.app.options import common, in_range, options, progress
from tokenworks.app.web.server import create
from tokenworks.app.web.settings import Settings, data_folder
from tokenworks.app.web.store import OUTSIDE
from tokenworks.errors import BadRequest, not_allowed
from tokenworks.language import Translator

LOCAL = ("localhost", "127.0.0.1", "[::1]")
CONNECTIONS = 400


@click.command()
@click.option("--host", default="127.0.0.1", help="Address to listen on; loopback unless said.")
@click.option("--port", type=int, default=8321)
@click.option("--store", default=None, envvar="TOKENWORKS_STORE", help="SQLite file, or postgresql://user@host/name.")
@click.option("--token", default=None, envvar="TOKENWORKS_TOKEN", help="Asked of every question (shared servers).")
@click.option("--workers", type=int, default=None, help="Processes that answer; by default one a core, at most 8.")
@common
def web(
    host: str, port: int, store: str | None, token: str | None, workers: int | None, form: str, overlay: str | None,
    language: str,
) -> None:  # fmt: skip
    """The page and the HTTP API, on this machine only unless --host says otherwise."""
    opts = options(form, overlay, language)
    in_range("--port", port, 0, 65535)
    if workers is not None:
        in_range("--workers", workers, 1, 64)
    if store is not None and "://" in store and not store.startswith(OUTSIDE):
        raise not_allowed("--store", store, [f"{scheme}user@host/name" for scheme in OUTSIDE])
    if opts.catalog is not None:
        catalog.load(opts.catalog)  # a folder that cannot be read is said now, not by every worker
    local = _loopback(host)
    settings = Settings(
        store=str(data_folder() / "answers.sqlite") if store is None else store,
        token=token or None,
        hosts=LOCAL if local else (),
        workers=workers or min(8, os.cpu_count() or 1),
        warm=True,
        catalog=None if opts.catalog is None else str(opts.catalog),
    )
    _serve(host, port, settings, opts.say)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise BadRequest("expected an address such as 127.0.0.1, read '{value}'", field="--host", value=host) from error


def _serve(host: str, port: int, settings: Settings, say: Translator) -> None:
    """Listen, say where, serve until interrupted."""
    app = create(settings)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(CONNECTIONS)
        except OSError as error:
            raise BadRequest("cannot be opened: {why}", field="--port", why=error.strerror or error) from error
        shown = f"[{host}]" if ":" in host else host
        progress(say("Tokenworks listens on {address}; stop it with Ctrl-C",
                     address=f"http://{shown}:{listening.getsockname()[1]}"))  # fmt: skip
        if settings.token is None and not _loopback(host):
            progress(say("everybody who reaches this address can ask: give --token to ask for one"))
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, limit_concurrency=CONNECTIONS,
            timeout_keep_alive=15, timeout_graceful_shutdown=3,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listening])
