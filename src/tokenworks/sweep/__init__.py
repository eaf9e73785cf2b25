"""Sweep: grids of requests x worlds x dates x draws, in shards that survive a kill, on processes or a cluster."""

from tokenworks.sweep.plan import Plan, cells, read_plan
from tokenworks.sweep.run import Progress, cluster, local, query, sweep

__all__ = ["Plan", "Progress", "cells", "cluster", "local", "query", "read_plan", "sweep"]
