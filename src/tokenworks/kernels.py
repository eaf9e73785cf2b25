"""Compiled functions, once a machine: sources and compiled code stay in the user's cache."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tokenworks import files
from tokenworks.deferred import Deferred
from tokenworks.errors import BadRequest

# Sums may be taken in another order and divisions become products; what is not a number stays not a number.
LOOSE = frozenset({"arcp", "contract", "reassoc", "nsz"})
_NUMBA = Deferred("numba")  # half a second to load


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
            known[source] = _NUMBA.njit(cache=True, nogil=True, error_model="numpy", fastmath=set(LOOSE))(
                _kept(source, name, place).score
            )
        return known[source]

    return compiled


def _kept(source: str, name: str, place: Path) -> Any:
    """A source as a module that stands in a folder. Raises BadRequest where it cannot be written there."""
    path = place / f"{name}.py"
    if not path.exists():
        files.write(path, source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # a contract of importlib for a path that ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # numba finds cached code again by its module's name
    spec.loader.exec_module(module)
    return module


def exact(source: str, modules: Sequence[str]) -> Callable[..., Any]:
    """`def entry(...)` of a source, compiled so that it gives the bytes that Python gives. It stays on disk until a
    file of the `modules` that it is made from changes; where it cannot be written, it is compiled for this process."""
    try:
        function = _kept(source, _sealed(source, modules), folder()).entry
    except (BadRequest, OSError):
        scope: dict[str, Any] = {}
        exec(compile(source, "entry", "exec"), scope)
        return _NUMBA.njit(nogil=True, error_model="numpy")(scope["entry"])  # type: ignore[no-any-return]
    return _NUMBA.njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def stands(source: str, modules: Sequence[str]) -> bool:
    """Whether `exact` has compiled this before on this machine (a look at names of files)."""
    try:
        return any((folder() / "__pycache__").glob(f"{_sealed(source, modules)}.entry-*.nbc"))
    except OSError:
        return False


def _sealed(source: str, modules: Sequence[str]) -> str:
    """A module's name, by what it is made from and by whom."""
    made = hashlib.sha256(f"{sys.version_info[:2]} {version('numba')} {source}".encode())
    for name in modules:
        spec = importlib.util.find_spec(name)
        assert spec is not None  # they are this program's own
        assert spec.origin is not None
        made.update(Path(spec.origin).read_bytes())
    return f"entry_{made.hexdigest()[:16]}"


def side_by_side(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Work on items in as many threads as there are processors; answers in the order of the items."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, items))
