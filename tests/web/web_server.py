"""Starting and stopping a real server, and questions that several tests ask of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from tokenworks import files
from tokenworks.app.web.server import create
from tokenworks.app.web.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CAR = files.load(ROOT / "examples" / "drive-model-on-a-car-chip.yaml")
TRAIN = {
    "make": {"train": {"model": "llama-2-7b", "tokens": "200B", "within": "60 days"}},
    "where": "TW",
    "when": "2025-06",
    "limits": {"chips": ["nvidia-h100-sxm"], "chips_max": 1024},
}
SERVE = {
    "make": {"serve": {"model": "qwen2.5-72b", "requests_per_second": 5, "input": 1000, "output": 300}},
    "where": "JP",
    "when": "2026-01",
    "limits": {"chips": ["nvidia-h200-sxm"], "chips_max": 256},
}


START = "from tokenworks.app.cli import main; main()"


def start(folder: Path, *more: str, workers: int = 1) -> tuple[subprocess.Popen[str], str]:
    """A server with its store in a folder; the process and its address."""
    command = [sys.executable, "-c", START, "web", "--port", "0", "--workers", str(workers)]
    if "--store" not in more:
        command += ["--store", str(folder / "answers.sqlite")]
    environment = {**os.environ, "TOKENWORKS_LANG": "en"}
    process = subprocess.Popen([*command, *more], stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "http://" in line, line
    return process, line.split()[3].rstrip(";")


def stop(process: subprocess.Popen[str]) -> None:
    """End a server and wait for it."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


@contextmanager
def serving(settings: Settings) -> Iterator[httpx.Client]:
    """A server with settings of its own in a thread of this process, and a client of it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create(settings), log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.02)
            base = f"http://127.0.0.1:{listening.getsockname()[1]}"
            with httpx.Client(base_url=base, timeout=300.0, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
