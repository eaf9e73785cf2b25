"""Compiles the search's scoring functions, once a machine: sources and compiled code stay in the user's cache."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba

from tokenworks import files

# Sums may be taken in another order and divisions become products; what is not a number stays not a number.
LOOSE = frozenset({"arcp", "contract", "reassoc", "nsz"})


def folder() -> Path:
    """Where compiled functions stay: $XDG_CACHE_HOME or ~/.cache, tokenworks/kernels."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tokenworks" / "kernels"


def compiler(where: Path | None = None) -> Callable[[str], Callable[..., None]]:
    """A compiler of `def score(P, X, I, out, ...)` that remembers what it has compiled, also on disk."""
    place = where or folder()
    known: dict[str, Callable[..., None]] = {}

    def compiled(source: str) -> Callable[..., None]:
        if source not in known:
            name = f"score_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
            path = place / f"{name}.py"
            if not path.exists():
                files.write(path, source)
            spec = importlib.util.spec_from_file_location(name, path)
            assert spec is not None  # a contract of importlib for a path that ends in .py
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module  # numba finds cached code again by its module's name
            spec.loader.exec_module(module)
            known[source] = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=set(LOOSE))(module.score)
        return known[source]

    return compiled


def side_by_side(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Work on items in as many threads as there are processors; answers in the order of the items."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, items))
