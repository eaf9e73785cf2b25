"""What the server counts, in the text format of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counters of one server. Used from its event loop only."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._jobs: Counter[tuple[str, str]] = Counter()
        self._plain: Counter[str] = Counter()
        self._seconds: Counter[float] = Counter()
        self._sum = 0.0
        self._all = 0
        self._work = 0.0

    def count(self, name: str) -> None:
        """Count an event."""
        self._plain[name] += 1

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count an answered request and its time."""
        self._requests[method, status] += 1
        self._sum += seconds
        self._all += 1
        for most in BUCKETS:
            self._seconds[most] += seconds <= most

    def worked(self, kind: str, state: str, seconds: float) -> None:
        """Count a job that ended, and how long a worker was at it."""
        self._jobs[kind, state] += 1
        self._work += seconds

    def text(self, states: Mapping[str, int], ready: bool) -> str:
        """All of it. states: jobs by state at this moment."""
        lines = ["# TYPE tokenworks_requests_total counter"]
        for (method, status), n in sorted(self._requests.items()):
            lines.append(f'tokenworks_requests_total{{method="{method}",status="{status}"}} {n}')
        lines.append("# TYPE tokenworks_request_seconds histogram")
        lines += [f'tokenworks_request_seconds_bucket{{le="{b:g}"}} {self._seconds[b]}' for b in BUCKETS]
        lines.append(f'tokenworks_request_seconds_bucket{{le="+Inf"}} {self._all}')
        lines += [f"tokenworks_request_seconds_sum {self._sum:.6f}", f"tokenworks_request_seconds_count {self._all}"]
        lines.append("# TYPE tokenworks_jobs_total counter")
        lines += [f'tokenworks_jobs_total{{kind="{k}",state="{s}"}} {n}' for (k, s), n in sorted(self._jobs.items())]
        lines += ["# TYPE tokenworks_work_seconds_total counter", f"tokenworks_work_seconds_total {self._work:.6f}"]
        lines.append("# TYPE tokenworks_jobs gauge")
        lines += [f'tokenworks_jobs{{state="{s}"}} {n}' for s, n in sorted(states.items())]
        lines.append("# TYPE tokenworks_store_hits_total counter")
        lines.append(f"tokenworks_store_hits_total {self._plain['store_hits']}")
        lines += ["# TYPE tokenworks_ready gauge", f"tokenworks_ready {int(ready)}"]
        return "\n".join(lines) + "\n"
