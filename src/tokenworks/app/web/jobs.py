"""Questions on their way: who waits, who works, how far, and how it ended."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tokenworks.app.web.metrics import Metrics
from tokenworks.app.web.problems import Problem
from tokenworks.app.web.settings import Settings
from tokenworks.app.web.store import Store
from tokenworks.app.web.worker import Helper, Question, Slot
from tokenworks.errors import TokenworksError
from tokenworks.language import text
from tokenworks.version import VERSION

LONG = frozenset({"validation-anew", "law-grid", "law-diff", "catalog-check", "whatif", "market", "without-rules"})
# answers that depend on nothing but the question and the catalog, in no language, are kept
KEPT = frozenset({"quote", "validation-anew", "law-grid", "law-diff", "whatif", "market", "why-not", "without-rules"})
log = logging.getLogger("tokenworks.web")


class Job:
    """One question on its way. state: waiting | running | done | failed | cancelled."""

    def __init__(self, question: Question, key: str) -> None:
        self.id = secrets.token_urlsafe(16)
        self.question, self.key = question, key
        self.state, self.said = "waiting", ""
        self.made, self.started, self.ended = time.monotonic(), 0.0, 0.0
        self.answer: bytes | None = None
        self.identity = ""  # under which the answer is kept, where it is
        self.problem: Problem | None = None
        self.finished = asyncio.Event()
        self.followers = 0  # readers that wait for it; the last one to go cancels it
        self.task: asyncio.Task[None] | None = None
        self.slot: Slot | None = None

    def status(self, before: int) -> dict[str, Any]:
        """The job as JSON. before: how many wait before it."""
        until = self.ended or time.monotonic()
        return {
            "schema": "tokenworks/job/1",
            "id": self.id,
            "kind": self.question.kind,
            "state": self.state,
            "before": before if self.state == "waiting" else 0,
            "said": self.said,
            "seconds": round(until - (self.started or until), 3),
            "result": f"/v1/jobs/{self.id}/result" if self.state == "done" else None,
        }


class Jobs:
    """All questions of a server: a few processes answer, the rest wait in line, the same question is asked once."""

    def __init__(self, settings: Settings, store: Store, metrics: Metrics) -> None:
        self._settings, self.store, self._metrics = settings, store, metrics
        self._slots = [Slot(settings) for _ in range(settings.workers)]
        self._helper = Helper(settings)
        self._free: asyncio.LifoQueue[Slot] = asyncio.LifoQueue()
        self._threads = ThreadPoolExecutor(settings.workers * 2 + 2, thread_name_prefix="tokenworks-slot")
        self._long = asyncio.Semaphore(max(1, settings.workers - 1))  # a long question leaves a worker to the others
        self._jobs: dict[str, Job] = {}
        self._ready = asyncio.Event()
        self._failed: TokenworksError | None = None
        self._starting: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the workers in the background."""
        self._starting = [asyncio.create_task(self._start(slot)) for slot in self._slots]
        if self._settings.warm:
            self._starting.append(asyncio.create_task(self._help()))

    async def _help(self) -> None:
        """Once a worker is ready: a process more would only delay it."""
        await self._ready.wait()
        await self._run(self._helper.start)

    async def _start(self, slot: Slot) -> None:
        try:
            await self._run(slot.start)
        except TokenworksError as error:
            self._failed = error
            log.error("%s", error)
        self._free.put_nowait(slot)
        self._ready.set()

    async def _run(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def stop(self) -> None:
        """End every process and job."""
        for job in list(self._jobs.values()):
            self.cancel(job)
        for slot in self._slots:
            slot.end(for_good=True)
        self._helper.end()
        await asyncio.gather(*(j.task for j in self._jobs.values() if j.task), *self._starting, return_exceptions=True)
        self._threads.shutdown(wait=True)
        self.store.close()

    @property
    def ready(self) -> bool:
        """Whether a worker has read the catalog."""
        return any(slot.version for slot in self._slots)

    async def version(self) -> str:
        """The catalog's version, once a worker has read it. Raises Problem where none could."""
        await self._ready.wait()
        found = next((slot.version for slot in self._slots if slot.version), "")
        if not found:
            raise Problem("defect", "" if self._failed is None else self._failed.text)
        return found

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        found = dict.fromkeys(("waiting", "running", "done", "failed", "cancelled"), 0)
        for job in self._jobs.values():
            found[job.state] += 1
        return found

    async def key(self, question: Question) -> str:
        """Hash of the question, the catalog and the program: under it the answer is kept."""
        version = await self.version()
        said = json.dumps([question.kind, question.parameters, version, VERSION], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(said.encode()).hexdigest()

    async def submit(self, question: Question) -> Job:
        """Put a question in line; the job of the same question where it is on its way. Raises Problem when full."""
        key = await self.key(question)
        if question.kind in KEPT:
            kept = await self._run(self.store.get, key)
            if kept is not None:
                self._metrics.count("store_hits")
                return self._done(question, key, *kept)
            for job in self._jobs.values():
                if job.key == key and job.state in ("waiting", "running"):
                    return job
        self._forget()
        if self.counts()["waiting"] >= self._settings.waiting or len(self._jobs) >= self._settings.jobs:
            raise Problem("busy")
        job = Job(question, key)
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._work(job))
        return job

    def _done(self, question: Question, key: str, identity: str, answer: bytes) -> Job:
        job = Job(question, key)
        job.state, job.identity, job.answer, job.ended = "done", identity, answer, time.monotonic()
        job.finished.set()
        self._forget()
        if len(self._jobs) < self._settings.jobs:
            self._jobs[job.id] = job
        return job

    async def _work(self, job: Job) -> None:
        """Wait for a worker, let it answer, keep the answer."""
        long = job.question.kind in LONG
        try:
            if long:
                await self._long.acquire()
            try:
                await self._with_slot(job)
            finally:
                if long:
                    self._long.release()
        except asyncio.CancelledError:
            job.problem = Problem("cancelled")
        job.ended = time.monotonic()
        if job.state != "cancelled":
            job.state = "done" if job.answer is not None else "failed"
        if job.answer is not None and job.question.kind in KEPT:
            await self._run(self._keep, job)
        self._metrics.worked(job.question.kind, job.state, job.ended - (job.started or job.ended))
        job.finished.set()

    async def _with_slot(self, job: Job) -> None:
        slot = await self._free.get()
        loop = asyncio.get_running_loop()
        seconds = self._settings.long_seconds if job.question.kind in LONG else self._settings.answer_seconds
        job.state, job.started, job.slot = "running", time.monotonic(), slot
        try:
            # shielded: a cancelled job ends its process, and the slot goes back only when its thread has seen that
            asked = asyncio.ensure_future(
                self._run(slot.ask, job.question, seconds, lambda s: loop.call_soon_threadsafe(setattr, job, "said", s))
            )
            job.answer = await asyncio.shield(asked)
        except Problem as problem:
            job.problem = Problem("cancelled") if job.state == "cancelled" else problem
        except TokenworksError as error:
            job.problem = Problem("defect", error.text)
        finally:
            job.slot = None
            self._starting = [t for t in self._starting if not t.done()] + [asyncio.create_task(self._start(slot))]

    def _keep(self, job: Job) -> None:
        answer = job.answer or b"{}"
        identity = json.loads(answer).get("id") if job.question.kind == "quote" else None
        job.identity = str(identity or job.key[:16])
        self.store.put(job.key, job.identity, job.question.kind, answer)

    async def stored(self, kind: str, identity: str) -> bytes | None:
        """A kept answer by the id that it carries."""
        found: bytes | None = await self._run(self.store.by_id, kind, identity)
        return found

    def get(self, identity: str) -> Job:
        """A job by its id. Raises Problem where there is none."""
        if identity not in self._jobs:
            raise Problem("not-found", text("no such job, or it is long over"), "id")
        return self._jobs[identity]

    def before(self, job: Job) -> int:
        """How many jobs wait before this one."""
        return sum(1 for j in self._jobs.values() if j.state == "waiting" and j.made < job.made)

    def cancel(self, job: Job) -> None:
        """Stop a job: its worker's process is ended at once."""
        if job.state not in ("waiting", "running"):
            return
        waiting = job.state == "waiting"
        job.state, job.problem = "cancelled", Problem("cancelled")
        if waiting and job.task is not None:
            job.task.cancel()
        elif job.slot is not None:
            job.slot.end()

    def _forget(self) -> None:
        """Drop jobs that ended long ago; when there are too many, the oldest that have ended."""
        now = time.monotonic()
        ended = [j for j in self._jobs.values() if j.finished.is_set()]
        many = len(self._jobs) - self._settings.jobs + 1
        for place, job in enumerate(sorted(ended, key=lambda j: j.ended)):
            if place < many or now - job.ended > self._settings.job_seconds:
                del self._jobs[job.id]
