"""One worker and requests of equal lengths: the schedule of `engine.py` with four counters instead of queues and heaps.

Where all requests are as long as each other and a worker takes them in the order in which they come, they also leave
in that order. So those that wait, are prefilled, decode and are done stand one behind the other, and where each group
begins is all that there is to know. The same numbers come out, to the last bit (tests/properties/test_simulate.py),
some thirty times sooner: a design is confirmed while somebody waits for a quote.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tokenworks.errors import BadRequest
from tokenworks.simulate.farm import Farm, check
from tokenworks.simulate.requests import Requests
from tokenworks.simulate.serving import Machines, Part, Result
from tokenworks.simulate.tables import StepTable


def simulate(requests: Requests, farm: Farm, step: StepTable) -> Result:
    """What `serving.simulate` gives, for a farm of one replica and requests of equal lengths; nothing is watched over
    time. Raises BadRequest for impossible machines, and where there is more than this can do."""
    check(farm)
    engine = farm.engine
    prompt, output = (int(column[0]) if len(column) else 1 for column in (requests.input, requests.output))
    if (
        farm.replicas > 1 or farm.prefill or farm.scaling or farm.failures or engine.paged or engine.prefix
        or np.any(requests.input != prompt) or np.any(requests.output != output)
    ):  # fmt: skip
        raise BadRequest("expected one replica and requests of equal lengths", field="farm")
    places = min(engine.slots, engine.cache // (prompt + output))
    line = _Line(requests.arrival.tolist(), prompt, output)
    if places:
        _run(line, places, (engine.chunk, engine.prefill_first), _seconds(step))
    return _result(requests, farm, line)


@dataclass
class _Line:
    """Requests in the order in which they come: [0, done) have left, [done, filled) decode, [filled, admitted) are
    prefilled, [admitted, come) wait. first, last: times of tokens, s. ends: step with which each ends. pending: without
    a first token when the last one came. busy: s of steps. now: s."""

    arrival: list[float]
    prompt: int
    output: int
    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    pending: int = 0
    busy: float = 0.0
    now: float = 0.0


def _seconds(step: StepTable) -> Callable[[int, float, int], float]:
    """`structures.step_time` of a table."""
    batches, prompts, base, slopes = list(step.batches), list(step.prompts), step.base, step.slope

    def seconds(batch: int, context: float, prompt: int) -> float:
        i = min(max(bisect_left(batches, batch) - 1, 0), len(batches) - 2)
        j = min(max(bisect_left(prompts, prompt) - 1, 0), len(prompts) - 2)
        x = (batch - batches[i]) / (batches[i + 1] - batches[i])
        y = (prompt - prompts[j]) / (prompts[j + 1] - prompts[j])
        low, high = base[i], base[i + 1]
        one = low[j] + (low[j + 1] - low[j]) * y
        two = high[j] + (high[j + 1] - high[j]) * y
        per_token = slopes[i] + (slopes[i + 1] - slopes[i]) * x
        return one + (two - one) * x + per_token * context

    return seconds


def _run(q: _Line, places: int, rule: tuple[int, bool], seconds: Callable[[int, float, int], float]) -> None:
    """Run to the end. places: requests that the worker holds at once. rule: tokens of a step; whether prompts run in
    steps of their own."""
    (chunk, alone), arrival, prompt, output, count = rule, q.arrival, q.prompt, q.output, len(q.arrival)
    done = filled = admitted = come = counter = context = part = 0  # part: tokens done of the prompt that is under way
    now = 0.0
    while done < count:
        if done == come:  # it stands idle
            now = arrival[come]
            come += 1
            if come == count:
                q.pending = count - filled
        admitted = min(come, done + places)
        batch, to_fill = filled - done, (admitted - filled) * prompt - part
        if to_fill:
            taken = min(max(chunk - (0 if alone else batch), 1), to_fill)
            steps, each = 1, seconds(0 if alone else batch, 0.0 if alone else float(context), taken)
        else:
            taken, steps = 0, q.ends[done] - counter
            each = seconds(batch, context + batch * (steps - 1) / 2.0, 0)
        end = now + steps * each
        if come < count and arrival[come] < end:
            if steps > 1 and come == admitted and come - done < places:  # the next one is taken in after this step
                run = max(int(np.ceil((arrival[come] - now) / each)), 1)
                if run < steps:
                    steps, end = run, now + run * each
            come = bisect_left(arrival, end, come + 1)
            if come == count:
                q.pending = count - filled
        now = end
        q.busy += steps * each
        if not (taken and alone):
            counter += steps
            context += steps * batch
            gone = done
            while done < filled and q.ends[done] <= counter:
                done += 1
            q.last += [now] * (done - gone)
            context -= (done - gone) * (prompt + output)
        ready, part = divmod(part + taken, prompt)
        filled += ready
        q.first += [now] * ready
        q.ends += [counter + output - 1] * ready
        if output == 1:
            q.last += [now] * ready
            done += ready
        else:
            context += ready * (prompt + 1)
    q.now = now


def _result(requests: Requests, farm: Farm, q: _Line) -> Result:
    count, start = len(requests), float(requests.arrival[0]) if len(requests) else 0.0
    first, done = (
        (np.array(t) if len(t) else np.full(count, np.nan)) + farm.delay for t in (q.first, q.last)
    )  # where nothing fits, all were turned away
    served = np.isfinite(done)
    made = {"prompt_tokens_computed": q.prompt * len(q.first), "tokens_made": q.output * len(q.last)}
    none = ("preempted", "requeued", "failures", "starts", "prompt_tokens_reused")
    end = q.now if len(q.last) else float(requests.arrival[-1]) if count else start
    area = float(np.sum((done - requests.arrival)[served]))
    machines = Machines(
        np.array([q.busy]), np.array([end - start]), area, end + farm.delay, q.pending,
        {**dict.fromkeys(none, 0), **made}, np.zeros((5, 0)),
    )  # fmt: skip
    part = Part(
        np.arange(count), requests.arrival, requests.input, requests.output, first, done,
        np.where(served, 0, -1), machines, True,
    )  # fmt: skip
    return Result(
        requests, first, done, q.busy, area, end + farm.delay, 1, 0, machines.watch, part,
    )  # fmt: skip
