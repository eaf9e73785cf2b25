"""Column formulas -> one scalar function: the formulas are run once on symbols, and what they did is written down.

The formulas of perf, site and cost are written on columns and read by anyone. Run on numpy arrays they pass over
memory once an operation; compiled as one function they pass once in all. There is no second version: the function is
made from the formulas as they are each time, and a property test holds the two against each other.

Every thing that is done is written in the outermost loop that knows all it needs: what hangs on the size and the
pipeline alone is worked out once for all micro-batches below. That is the factoring, and it follows from the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def _operator(name: str) -> Any:
    """An operator of symbols that does not take the way through numpy."""
    return lambda self, other: self.trace.apply(name, (self, other))


def _reflected(name: str) -> Any:
    return lambda self, other: self.trace.apply(name, (other, self))


class Symbol(NDArrayOperatorsMixin):
    """A column that is not there yet: it remembers what is done to it."""

    __slots__ = ("place", "trace")
    __add__, __radd__ = _operator("add"), _reflected("add")
    __sub__, __rsub__ = _operator("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _operator("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _operator("divide"), _reflected("divide")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")

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
    """What was done, in order, each thing once. axes: the loops, outermost first. levels: of every line, the number
    of loops that must be open for it. tables: name -> the axes it is gathered by. parameters: the numbers, lifted out
    so that other numbers make the same function."""

    axes: tuple[str, ...]
    lines: list[str] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    known: dict[tuple[Any, ...], int] = field(default_factory=dict)
    tables: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    parameters: list[float] = field(default_factory=list)

    def axis(self, name: str) -> Symbol:
        """A symbol for the value of an axis."""
        at = self.axes.index(name)
        return self._new(("axis", name), f"A{at}[i{at}]", level=at + 1)

    def gathered(self, name: str, axes: tuple[str, ...]) -> Symbol:
        """A symbol for a small table, gathered by the places on some axes."""
        if (name, axes) not in self.tables:
            self.tables.append((name, axes))
        at = [self.axes.index(axis) for axis in axes]
        text = f"T{self.tables.index((name, axes))}[{', '.join(f'i{k}' for k in at)}]"
        return self._new(("table", name), text, level=max(at) + 1)

    def apply(self, name: str, inputs: tuple[Any, ...]) -> Symbol:
        """A symbol for the result of an operation."""
        if name == "power" and not isinstance(inputs[1], Symbol) and float(inputs[1]) in _POWERS:
            value = float(inputs[1])
            return self._new(("power", self._place(inputs[0]), value), _POWERS[value], inputs[:1])
        key = (name, *[self._place(x) for x in inputs])
        return self._new(key, _WRITTEN[name], inputs)

    def _place(self, value: Any) -> Any:
        """What tells an operand apart: the line of a symbol, a plain number's value, or that it is a number."""
        if isinstance(value, Symbol):
            return value.place
        number = float(value)
        return f"{number}" if number in _PLAIN else ("number", len(self.parameters))

    def _new(self, key: tuple[Any, ...], template: str, inputs: tuple[Any, ...] = (), level: int = 0) -> Symbol:
        place = self.known.get(key)
        if place is None:
            names = []
            for x in inputs:
                if isinstance(x, Symbol):
                    names.append(f"v{x.place}")
                    level = max(level, self.levels[x.place])
                else:
                    names.append(self._number(x))
            place = self.known[key] = len(self.lines)
            self.lines.append(template.format(*names))
            self.levels.append(level)
        return Symbol(self, place)

    def _number(self, value: Any) -> str:
        number = float(value)
        if number in _PLAIN:
            return f"{number}"
        self.parameters.append(number)
        return f"P[{len(self.parameters) - 1}]"

    def written(self, value: Any) -> str:
        """How a result is called in the source."""
        return f"v{value.place}" if isinstance(value, Symbol) else self._number(value)

    def loops(self, inside: Mapping[int, Sequence[str]]) -> list[str]:
        """The lines of all loops, nested. inside: further lines by the number of loops that are open; they stand before
        what is worked out there, in the innermost loop after it."""
        here: list[list[str]] = [[] for _ in range(len(self.axes) + 1)]
        for k, (line, level) in enumerate(zip(self.lines, self.levels, strict=True)):
            here[level].append(f"v{k} = {line}")
        found = []
        for level, lines in enumerate(here):
            if level:
                found.append("    " * level + f"for i{level - 1} in range(len(A{level - 1})):")
            pad, more = "    " * (level + 1), inside.get(level, ())
            found += [pad + line for line in ((*more, *lines) if level < len(self.axes) else (*lines, *more))]
        return found
