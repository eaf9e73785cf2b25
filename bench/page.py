"""How soon a first visitor sees the page, in a real browser on this machine.

python bench/page.py

Prints the time to the first contentful paint and to the button that asks, of fresh visits (nothing cached).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

START = "from tokenworks.app.cli import main; main()"
CHROMIUM = os.environ.get("TOKENWORKS_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
VISITS = 5
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


def main() -> int:
    """Start a server, visit it a few times with a browser that knows nothing."""
    if not Path(CHROMIUM).exists():
        print("no browser here: apt-get install chromium (or set TOKENWORKS_CHROMIUM)")
        return 0
    store = str(Path(tempfile.mkdtemp()) / "answers.sqlite")
    command = [sys.executable, "-c", START, "web", "--port", "0", "--store", store]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        address = server.stderr.readline().split()[3].rstrip(";")
        with sync_playwright() as tools:
            browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            seen = []
            for _ in range(VISITS):
                page = browser.new_context(locale="en-US").new_page()
                started = time.perf_counter()
                page.goto(address)
                page.get_by_role("button", name="Quote", exact=True).wait_for()
                seen.append((page.evaluate(PAINT), time.perf_counter() - started))
            browser.close()
    finally:
        server.terminate()
        server.wait()
    first = ", ".join(f"{paint:.2f}" for paint, _ in seen)
    ready = ", ".join(f"{whole:.2f}" for _, whole in seen)
    print(f"first contentful paint after {first} s; the button is there after {ready} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
