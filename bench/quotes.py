"""Prints how fast quotes are, as ratios within one run: times depend on the machine, ratios less so.

python bench/quotes.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tokenworks import catalog, files
from tokenworks.quote import inline_files, quote, read_request

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def seconds(command: list[str]) -> float:
    """Wall time of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Time the catalog, the import and every example."""
    start = time.perf_counter()
    facts = catalog.load()
    loading = time.perf_counter() - start
    bare = min(seconds([sys.executable, "-c", "pass"]) for _ in range(3))
    imported = min(seconds([sys.executable, "-c", "import tokenworks"]) for _ in range(3))
    print(f"import: {imported:.2f} s, {imported / bare:.1f} x a bare interpreter; catalog: {loading:.2f} s")
    slowest = 0.0
    for path in sorted(EXAMPLES.glob("*.yaml")):
        request = read_request(inline_files(files.load(path), path.parent))
        world = catalog.world(facts, request.when)
        start = time.perf_counter()
        answer = quote(request, world).content
        took = time.perf_counter() - start
        slowest = max(slowest, took)
        spanned, scored = answer["search"]["spanned"], answer["search"]["scored"]
        print(
            f"{path.stem}: {took:.2f} s, {took / loading:.1f} x loading the catalog; "
            f"{spanned / took:,.0f} designs spanned and {scored / took:,.0f} scored a second"
        )
    print(f"slowest example: {slowest / imported:.1f} x importing the program")


if __name__ == "__main__":
    main()
