"""Modules that are slow to load and seldom needed: imported when something of them is first asked for."""

from __future__ import annotations

import importlib
from typing import Any


class Deferred:
    """Stands for a module; its first use imports it (and Python keeps it from then on).

    >>> Deferred("json").dumps([1])
    '[1]'
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)
