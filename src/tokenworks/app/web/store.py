"""Where answers are kept: SQLite in a file, or PostgreSQL by one setting. An answer never changes under its key."""

from __future__ import annotations

import importlib
import sqlite3
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from tokenworks.errors import BadRequest

OUTSIDE = ("postgresql://", "postgres://")  # how the address of a PostgreSQL server begins
TABLE = """CREATE TABLE IF NOT EXISTS answers (
    number {serial} PRIMARY KEY, key TEXT UNIQUE NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
    body {blob} NOT NULL)"""
INDEX = "CREATE INDEX IF NOT EXISTS answers_id ON answers (kind, id)"
PUT = "INSERT INTO answers (key, id, kind, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
BY_KEY = "SELECT id, body FROM answers WHERE key = ?"
BY_ID = "SELECT id, body FROM answers WHERE kind = ? AND id = ? ORDER BY number DESC LIMIT 1"
NEWEST = "SELECT number FROM answers ORDER BY number DESC LIMIT 1 OFFSET ?"
PRUNE = "DELETE FROM answers WHERE number <= ?"


class Connection(Protocol):
    """What both databases offer."""

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement in a transaction of its own; its rows."""

    def close(self) -> None:
        """Give the database back."""


class Sqlite:
    """SQLite; WAL and full sync, so that a kill loses nothing that was acknowledged."""

    serial = "INTEGER"
    blob = "BLOB"

    def __init__(self, path: str) -> None:
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", timeout=30.0, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """See Connection."""
        return self._db.execute(statement, values).fetchall()

    def close(self) -> None:
        """See Connection."""
        self._db.close()


class Postgres:
    """PostgreSQL through psycopg (the extra `postgres`)."""

    serial = "BIGINT GENERATED ALWAYS AS IDENTITY"
    blob = "BYTEA"

    def __init__(self, address: str) -> None:
        try:
            driver = importlib.import_module("psycopg")
        except ImportError as error:
            raise BadRequest("needs the extra 'postgres' (pip install 'tokenworks[postgres]')",
                             field="--store") from error  # fmt: skip
        self._driver: Any = driver
        self._address = address
        try:
            self._db: Any = self._open()
        except driver.Error as error:
            why = str(error).splitlines()[0]
            raise BadRequest("cannot be opened: {why}", field="--store", why=why) from error

    def _open(self) -> Any:
        return self._driver.connect(self._address, autocommit=True, connect_timeout=10)

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """See Connection. A connection that the server has dropped is opened once more."""
        said = statement.replace("?", "%s")
        if self._db.closed:
            self._db = self._open()
        done = self._db.execute(said, values)
        return list(done.fetchall()) if done.description else []

    def close(self) -> None:
        """See Connection."""
        self._db.close()


class Store:
    """Answers by key (hash of question and catalog version) and by the id that they carry. Thread-safe."""

    def __init__(self, where: str, most: int) -> None:
        self._lock = threading.Lock()
        self._most = most
        self._since_prune = 0
        outside = where.startswith(OUTSIDE)
        try:
            opened: Sqlite | Postgres = Postgres(where) if outside else Sqlite(where)
        except (OSError, sqlite3.Error) as error:
            raise BadRequest("cannot be opened: {why}", field="--store", why=error) from error
        self._db: Connection = opened
        self._db.run(TABLE.format(blob=opened.blob, serial=opened.serial))
        self._db.run(INDEX)

    def put(self, key: str, identity: str, kind: str, body: bytes) -> None:
        """Keep an answer; a key that is there already keeps what it has."""
        with self._lock:
            self._db.run(PUT, (key, identity, kind, zlib.compress(body, 6)))
            self._since_prune += 1
            if self._since_prune > self._most // 20:
                self._since_prune = 0
                oldest = self._db.run(NEWEST, (self._most,))
                if oldest:
                    self._db.run(PRUNE, (oldest[0][0],))

    def get(self, key: str) -> tuple[str, bytes] | None:
        """The id and the answer under a key."""
        return self._one(BY_KEY, (key,))

    def by_id(self, kind: str, identity: str) -> bytes | None:
        """The newest answer of a kind that carries an id."""
        found = self._one(BY_ID, (kind, identity))
        return None if found is None else found[1]

    def close(self) -> None:
        """Give the database back."""
        with self._lock:
            self._db.close()

    def _one(self, statement: str, values: Sequence[Any]) -> tuple[str, bytes] | None:
        with self._lock:
            rows = self._db.run(statement, values)
        return (str(rows[0][0]), zlib.decompress(rows[0][1])) if rows else None
