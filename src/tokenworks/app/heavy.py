"""The gate of heavy optional dependencies: imported by the command that needs them, with a clear error."""

from __future__ import annotations

import importlib
from typing import Any

from tokenworks.deliver.pdf import CHINESE, CHINESE_ENCODING, Pages
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


def pdf_pages() -> Pages | None:
    """What draws the pages of a PDF; None where the extra `pdf` (reportlab) is not installed."""
    try:
        canvas = importlib.import_module("reportlab.pdfgen.canvas")
    except ImportError:
        return None
    # reportlab's own table pairs this font with the encoding of simplified characters, which no reader takes
    chinese = importlib.import_module("reportlab.pdfbase.cidfonts").UnicodeCIDFont(CHINESE)
    chinese.encodingName = CHINESE_ENCODING
    metrics = importlib.import_module("reportlab.pdfbase.pdfmetrics")
    metrics.registerFont(chinese)
    sizes = importlib.import_module("reportlab.lib.pagesizes")
    return Pages(canvas.Canvas, metrics.stringWidth, sizes.landscape(sizes.A4))


def sweep() -> Any:
    """The room of sweeps. Raises BadRequest where the extra `sweep` (pyarrow, DuckDB) is not installed."""
    try:
        return importlib.import_module("tokenworks.sweep")
    except ImportError as error:
        raise BadRequest("needs the extra 'sweep' (pip install 'tokenworks[sweep]')", field="sweep") from error


def distributed() -> Any:
    """Dask's distributed. Raises BadRequest where the extra `cluster` is not installed."""
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise BadRequest(
            "needs the extra 'cluster' (pip install 'tokenworks[cluster]')", field="--scheduler"
        ) from error


def dask_client(address: str) -> Any:
    """A client of a Dask scheduler. Raises BadRequest where none answers at the address."""
    try:
        return distributed().Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise BadRequest("no Dask scheduler answers at {value}", field="--scheduler", value=address) from error


def scorer() -> Any:
    """The exhaustive search's compiled pass: numba is imported by whoever asks for it."""
    kernels = importlib.import_module("tokenworks.kernels")
    fused = importlib.import_module("tokenworks.search.fused")
    return fused.scorer(kernels.compiler(), kernels.side_by_side)
