"""A real server on a free port of this machine, one for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from web_server import start, stop


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running server."""
    process, found = start(tmp_path_factory.mktemp("web"))
    yield found
    stop(process)


@pytest.fixture(scope="session")
def http(address: str) -> Iterator[httpx.Client]:
    """A client of the running server."""
    with httpx.Client(base_url=address, timeout=300.0, trust_env=False) as client:
        yield client
