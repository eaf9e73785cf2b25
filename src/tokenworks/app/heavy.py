"""The gate of heavy optional dependencies: imported by the command that needs them, with a clear error."""

from __future__ import annotations

import importlib
from typing import Any

from tokenworks.errors import BadRequest


def pyplot() -> Any:
    """matplotlib's pyplot, drawing to files only. Raises BadRequest where the extra `plots` is not installed."""
    try:
        importlib.import_module("matplotlib").use("svg")
        found = importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise BadRequest("needs the extra 'plots' (pip install 'tokenworks[plots]')", field="-o") from error
    found.rcParams["svg.hashsalt"] = "tokenworks"  # same report, same bytes
    found.rcParams["svg.fonttype"] = "none"  # letters as text, not as outlines: small files
    return found
