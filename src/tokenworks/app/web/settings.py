"""Every limit of the server in one table (docs/web.md says what each protects)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tokenworks import files


@dataclass(frozen=True)
class Settings:
    """How a server is run. Times in seconds, sizes in bytes."""

    store: str = ""  # a file of SQLite, or postgresql://...; empty: in memory
    token: str | None = None  # asked of every /v1/ request but health
    hosts: tuple[str, ...] = ()  # names that a Host header may have; empty: any
    workers: int = 2  # processes that answer
    waiting: int = 64  # questions that may wait for one of them; more are refused
    body_bytes: int = 2_000_000  # of a request
    body_seconds: float = 10.0  # within which a body must have arrived
    answer_seconds: float = 60.0  # a question may be worked on
    long_seconds: float = 1200.0  # a long question (validation, grids)
    worker_bytes: int = 4_000_000_000  # memory of a worker process
    query_chars: int = 300  # of one query parameter
    jobs: int = 1000  # remembered at once
    job_seconds: float = 900.0  # a finished job is remembered
    answers: int = 20_000  # kept in the store
    warm: bool = False  # whether the workers prepare themselves while nobody asks
    catalog: str | None = None  # a folder of the operator's own facts, laid over ours


def data_folder() -> Path:
    """The user's data folder for this program (XDG base directories; APPDATA on Windows)."""
    return files.user_folder(("XDG_DATA_HOME", "APPDATA"), ".local/share")
