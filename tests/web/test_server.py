"""Limits that need a server of their own, in this process: time of work, a full line, the store, its databases."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web_server import CAR, TRAIN, serving

from tokenworks import catalog
from tokenworks.app.cli import run
from tokenworks.app.web import warm
from tokenworks.app.web.asks import answer
from tokenworks.app.web.settings import Settings
from tokenworks.app.web.store import Store
from tokenworks.simulate import loop

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
    Path(p) for p in [shutil.which("initdb")] if p is not None
]


def test_a_worker_warms_up_with_questions_that_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of a step are left to the question that meets them, so that a step could fail unseen for ever."""
    answered: list[str] = []

    def watched(kind: str, *rest: Any) -> bytes:
        found = answer(kind, *rest)
        answered.append(kind)
        return found

    at_hand = False
    monkeypatch.setattr(warm, "answer", watched)
    monkeypatch.setattr(warm.loop, "at_hand", lambda: at_hand)
    warming = warm.Warming(catalog.load(None))
    while warming.pause == 0.0:
        warming.step()
    assert answered == ["quote", "quote", "file", "law-check"]
    assert warming.pause == warm.PATIENCE  # the simulator's code is not there yet
    warming.step()
    assert len(answered) == 4
    at_hand = True
    warming.asked()
    assert warming.pause == warm.PATIENCE  # who asks again does not wait for a step
    monkeypatch.setattr("tokenworks.simulate.loop.compiled", lambda: loop.run)
    warming.step()
    assert answered[-1] == "simulate"
    assert warming.pause is None


def test_a_server_that_warms_up_answers_and_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nothing is compiled there: that takes a quarter of a minute
    with serving(Settings(workers=1, warm=True)) as client:
        while not client.get("/v1/health").json()["ready"]:
            time.sleep(0.02)
        asked = time.perf_counter()
        assert client.get("/v1/fabric?topology=fat-tree&chips=64").status_code == 200
        assert time.perf_counter() - asked < 5.0
        ended = time.perf_counter()
    assert time.perf_counter() - ended < 5.0


def test_a_question_that_takes_too_long_is_stopped_and_the_next_is_answered() -> None:
    with serving(Settings(workers=1, long_seconds=0.01)) as client:
        assert client.get("/v1/fabric?topology=fat-tree&chips=64").status_code == 200
        late = client.get("/v1/law/grid?on=2025-05-02")
        assert late.status_code == 422
        assert late.json()["type"] == "urn:tokenworks:problem:limit"
        assert client.get("/v1/fabric?topology=fat-tree&chips=64").status_code == 200


def test_when_the_line_is_full_the_next_is_told_so() -> None:
    with serving(Settings(workers=1, waiting=1)) as client:
        wait = {"Prefer": "respond-async"}
        days = ("2025-05-02", "2025-05-03", "2025-05-04", "2025-05-05")
        codes = [client.get(f"/v1/law/grid?on={day}", headers=wait).status_code for day in days]
        assert codes[0] == 202
        assert codes[-1] == 503
        assert client.get(f"/v1/law/grid?on={days[-1]}").headers["retry-after"] == "2"


def test_memory_of_a_worker_has_an_end() -> None:
    settings = Settings(workers=1, worker_bytes=700_000_000)
    with serving(settings) as client:
        asked = {**TRAIN, "make": {"train": {**TRAIN["make"]["train"]}}, "limits": {"power": "900 MW"}}
        assert client.post("/v1/quote", json=asked).status_code in (200, 422)
        assert client.get("/v1/fabric?topology=fat-tree&chips=64").status_code == 200


def test_an_answer_is_kept_over_a_restart(tmp_path: Path) -> None:
    settings = Settings(workers=1, store=str(tmp_path / "a" / "answers.sqlite"))
    with serving(settings) as client:
        first = client.post("/v1/quote", json=CAR).json()
    with serving(settings) as client:
        assert client.get(f"/v1/quotes/{first['id']}").json() == first
        assert client.post("/v1/quote", json=CAR).json() == first  # its seconds too


def keeps(where: str) -> None:
    """What a store must do, whatever database it is in."""
    store = Store(where, 100)
    store.put("k1", "i1", "quote", b"one")
    store.put("k1", "i1", "quote", b"other")
    assert store.get("k1") == ("i1", b"one")
    assert store.by_id("quote", "i1") == b"one"
    assert store.get("k2") is None
    assert store.by_id("law", "i1") is None
    for i in range(300):
        store.put(f"n{i}", f"m{i}", "quote", b"x")
    assert store.get("n299") == ("m299", b"x")
    assert store.get("k1") is None  # the oldest make room
    store.close()
    again = Store(where, 100)
    if where:
        assert again.get("n299") == ("m299", b"x")
    again.close()


def test_the_store_in_memory_and_in_a_file(tmp_path: Path) -> None:
    keeps("")
    keeps(str(tmp_path / "x" / "answers.sqlite"))


def test_a_store_that_cannot_be_opened_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["web", "--port", "0", "--store", "/dev/null/x"]) == 2
    assert "--store" in capsys.readouterr().err
    assert run(["web", "--port", "0", "--store", "postgresql://127.0.0.1:1/none"]) == 2
    assert run(["web", "--port", "99999"]) == 2
    assert run(["web", "--host", "example.org"]) == 2


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this test's own, on a socket in a folder."""
    if not POSTGRES:
        pytest.skip("no PostgreSQL server here (Debian: apt-get install postgresql)")
    tools, folder = POSTGRES[-1].parent, Path(tmp_path_factory.mktemp("pg"))
    as_user: dict[str, int] = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwnam("nobody")
        as_user = {"user": user.pw_uid, "group": user.pw_gid}
        short = Path("/tmp") / folder.name / str(os.getpid())
        short.mkdir(parents=True)
        folder = short
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([tools / "initdb", "-D", data, "-U", "tw", "-A", "trust"], check=True, **as_user, **quiet)  # type: ignore[call-overload]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([tools / "pg_ctl", "-D", data, "-w", "-o", options, "start"], check=True, **as_user, **quiet)  # type: ignore[call-overload]
    yield f"postgresql://tw@/postgres?host={folder}"
    subprocess.run([tools / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=True, **as_user, **quiet)  # type: ignore[call-overload]
    shutil.rmtree(folder, ignore_errors=True)


def test_postgresql_keeps_answers_too(postgres: str) -> None:
    keeps(postgres)
    with serving(Settings(workers=1, store=postgres)) as client:
        first = client.post("/v1/quote", json=CAR).json()
        assert client.get(f"/v1/quotes/{first['id']}").json() == first
