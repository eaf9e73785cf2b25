"""A worker process that answers questions, and the slot in the server that holds it.

A question never runs in the server's own process: a slot ends its process when the time is over, when the reader
cancels, or when the process dies, and starts a new one.
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tokenworks import catalog
from tokenworks.app.web.asks import answer
from tokenworks.app.web.problems import Problem, of_error
from tokenworks.app.web.settings import Settings
from tokenworks.app.web.warm import Warming, compile_simulator
from tokenworks.errors import Defect, TokenworksError
from tokenworks.language import text

START_SECONDS = 120.0


@dataclass(frozen=True)
class Question:
    """What is asked: kind (asks.QUESTIONS), parameters, the reader's language."""

    kind: str
    parameters: Mapping[str, Any]
    language: str = "en"


def serve(link: Connection, settings: Settings) -> None:
    """A worker's life: say the catalog's version, warm up until somebody asks, then answer one question after another
    until the link closes.

    An error of ours nobody foresaw ends the process (its trace goes to stderr); the slot starts another.
    """
    _limit_memory(settings.worker_bytes)
    try:
        facts = catalog.load(None if settings.catalog is None else Path(settings.catalog))
    except TokenworksError as error:
        link.send(("problem", "defect", error.text, error.field))
        return
    version = facts.digest
    link.send(("ready", version))
    warming = Warming(facts) if settings.warm else None
    while True:
        try:
            while warming is not None and warming.pause is not None and not link.poll(warming.pause):
                warming.step()
            question: Question = link.recv()
            if warming is not None:
                warming.asked()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            found = answer(
                question.kind, question.parameters, facts, question.language, lambda s: link.send(("progress", s))
            )
            link.send(("answer", found))
        except TokenworksError as error:
            problem = of_error(error)
            link.send(("problem", problem.kind, problem.detail, problem.field))
        except MemoryError:
            link.send(("problem", "limit", text("more memory than allowed"), ""))
        except KeyboardInterrupt:
            return


def _limit_memory(most: int) -> None:
    """Limit the writable memory of this process (Linux; elsewhere there is no such limit)."""
    if sys.platform == "linux":
        limits = importlib.import_module("resource")
        limits.setrlimit(limits.RLIMIT_DATA, (most, most))


class Slot:
    """One worker process and who holds it. Not thread-safe: one question at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: BaseProcess | None = None
        self._link: Connection | None = None
        self._lock = threading.Lock()  # of starting and ending the process
        self._closed = False
        self.version = ""

    def start(self) -> None:
        """Start a process where there is none, and wait until it has read the catalog. Raises Defect."""
        with self._lock:
            if self._closed or (self._process is not None and self._process.is_alive()):
                return
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(
                target=serve, args=(theirs, self._settings), daemon=True, name="tokenworks-worker"
            )
            process.start()
            theirs.close()
            self._process, self._link = process, ours
        message = self._receive(START_SECONDS)
        if message is None or message[0] != "ready":
            raise Defect("a worker could not start: {why}", why="" if message is None else message[2])
        self.version = message[1]

    def ask(self, question: Question, seconds: float, progress: Callable[[str], None]) -> bytes:
        """The answer as bytes. Raises Problem: the engine's own, or that time, memory or the process ended."""
        self.start()
        deadline = time.monotonic() + seconds
        try:
            if self._link is None:
                raise Problem("cancelled")
            self._link.send(question)
        except OSError as error:
            raise Problem("cancelled") from error
        while True:
            message = self._receive(deadline - time.monotonic())
            if message is None:
                late = time.monotonic() >= deadline
                self.end()
                why = text("more than {n} seconds of work: ask for less", n=int(seconds))
                raise Problem("limit", why) if late else Problem("defect", text("the worker ended"))
            if message[0] == "answer":
                return bytes(message[1])
            if message[0] == "problem":
                raise Problem(*message[1:])
            progress(message[1])

    def _receive(self, seconds: float) -> tuple[Any, ...] | None:
        """The next message; None where the time is over or the process has ended."""
        link = self._link
        if link is None:
            return None
        try:
            if not wait([link], max(seconds, 0.0)):
                return None
            message: tuple[Any, ...] = link.recv()
        except (EOFError, OSError):
            return None
        return message

    def end(self, for_good: bool = False) -> None:
        """End the process at once; the next question starts another, unless it is for good."""
        with self._lock:
            self._closed = self._closed or for_good
            process = self._process
            if process is not None:
                process.kill()
                process.join()
            self._process = None


class Helper:
    """The process that makes compiled code at the start of a server; ended with it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """Start it."""
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(
            target=compile_simulator, args=(self._settings.catalog,), daemon=True, name="tokenworks-compiler"
        )
        self._process.start()

    def end(self) -> None:
        """End it at once, whether or not it has finished."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
