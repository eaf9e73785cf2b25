"""Column formulas -> one scalar function: the formulas are run once on symbols, and what they did is written down.

The formulas of perf, site and cost are written on columns and read by anyone. Run on numpy arrays they pass over
memory once an operation; compiled as one function they pass once in all. There is no second version: the function is
made from the formulas as they are each time, and a property test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tokenworks.errors import Defect

# numpy's name of an operation -> how it is written on scalars
_WRITTEN: Mapping[str, str] = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}",
    "power": "{0} ** {1}", "maximum": "{0} if {0} > {1} else {1}", "minimum": "{0} if {0} < {1} else {1}",
    "greater": "{0} > {1}", "greater_equal": "{0} >= {1}", "less": "{0} < {1}", "less_equal": "{0} <= {1}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "bitwise_and": "{0} and {1}", "bitwise_or": "{0} or {1}",
    "logical_and": "{0} and {1}", "logical_or": "{0} or {1}", "invert": "not {0}", "logical_not": "not {0}",
    "negative": "-{0}", "positive": "{0}", "ceil": "math.ceil({0})", "floor": "math.floor({0})",
    "sqrt": "math.sqrt({0})", "exp": "math.exp({0})", "expm1": "math.expm1({0})", "log": "math.log({0})",
    "absolute": "abs({0})", "where": "{1} if {0} else {2}",
}  # fmt: skip
_POWERS: Mapping[float, str] = {4.0: "({0} * {0}) * ({0} * {0})", 2.0: "{0} * {0}", 0.25: "math.sqrt(math.sqrt({0}))",
                                0.5: "math.sqrt({0})", 1.0: "{0}"}  # fmt: skip

_PLAIN = (0.0, 1.0, 2.0)  # numbers of the formulas themselves; all others are lifted out


class Symbol(NDArrayOperatorsMixin):
    """A column that is not there yet: it remembers what is done to it."""

    dtype = np.dtype(np.float64)

    def __init__(self, trace: Trace, place: int) -> None:
        self.trace, self.place = trace, place

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs or ufunc.__name__ not in _WRITTEN:
            raise Defect("{name} cannot be written on scalars", name=f"{ufunc.__name__}.{method}")
        return self.trace.apply(ufunc.__name__, inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if kwargs or func not in (np.where, np.clip):
            raise Defect("{name} cannot be written on scalars", name=func.__name__)
        if func is np.clip:
            return np.minimum(np.maximum(args[0], args[1]), args[2])
        condition, this, other = args
        if not isinstance(condition, Symbol):
            return this if bool(condition) else other
        return self.trace.apply("where", (condition, this, other))

    def __bool__(self) -> bool:
        raise Defect("a formula branches on a column", field="trace")


@dataclass
class Trace:
    """What was done, in order, each thing once. inputs: names of the columns. tables: name -> which index they are
    gathered by. parameters: the numbers, lifted out so that other numbers make the same function."""

    lines: list[str] = field(default_factory=list)
    known: dict[tuple[Any, ...], int] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    tables: list[tuple[str, str]] = field(default_factory=list)
    indices: list[str] = field(default_factory=list)
    parameters: list[float] = field(default_factory=list)

    def column(self, name: str) -> Symbol:
        """A symbol for a column of the rows."""
        if name not in self.inputs:
            self.inputs.append(name)
        return self._new(("column", name), f"X[{self.inputs.index(name)}, r]")

    def gathered(self, name: str, index: str) -> Symbol:
        """A symbol for a column of a small table, gathered by an index column of the rows."""
        if index not in self.indices:
            self.indices.append(index)
        if (name, index) not in self.tables:
            self.tables.append((name, index))
        return self._new(("table", name), f"T{self.tables.index((name, index))}[I[{self.indices.index(index)}, r]]")

    def apply(self, name: str, inputs: tuple[Any, ...]) -> Symbol:
        """A symbol for the result of an operation."""
        if name == "power" and not isinstance(inputs[1], Symbol) and float(inputs[1]) in _POWERS:
            value = float(inputs[1])
            return self._new(("power", self._place(inputs[0]), value), _POWERS[value], inputs[:1])
        key = (name, *(self._place(x) for x in inputs))
        return self._new(key, _WRITTEN[name], inputs)

    def _place(self, value: Any) -> Any:
        """What tells an operand apart: the line of a symbol, a plain number's value, or that it is a number."""
        if isinstance(value, Symbol):
            return value.place
        number = float(np.asarray(value)[()])
        return f"{number}" if number in _PLAIN else ("number", len(self.parameters))

    def _new(self, key: tuple[Any, ...], template: str, inputs: tuple[Any, ...] = ()) -> Symbol:
        if key not in self.known:
            names = [f"v{x.place}" if isinstance(x, Symbol) else self._number(x) for x in inputs]
            self.lines.append(template.format(*names))
            self.known[key] = len(self.lines) - 1
        return Symbol(self, self.known[key])

    def _number(self, value: Any) -> str:
        number = float(np.asarray(value)[()])
        if number in _PLAIN:
            return f"{number}"
        self.parameters.append(number)
        return f"P[{len(self.parameters) - 1}]"

    def source(self, results: Mapping[str, Any]) -> str:
        """The function over all rows: P parameters, X columns, I indices, T0.. tables, out one row a result."""
        tables = "".join(f", T{k}" for k in range(len(self.tables)))
        head = f"def score(P, X, I, out{tables}):\n    for r in range(out.shape[1]):\n"
        body = "".join(f"        v{k} = {line}\n" for k, line in enumerate(self.lines))
        given = []
        for k, value in enumerate(results.values()):
            name = f"v{value.place}" if isinstance(value, Symbol) else self._number(value)
            given.append(f"        out[{k}, r] = {name}\n")
        return "import math\n\n\n" + head + body + "".join(given)
