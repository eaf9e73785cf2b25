"""Columns as compiled code sees them: a bare pointer and a shape.

numba counts who refers to an array wherever one is passed on or taken out of a tuple; the scheduler passes a score of
arrays with every call, and spent most of its time counting. A bare column is owned by the caller, who keeps the array
for as long as the compiled code runs. Indices are whole numbers within the shape (nothing is checked, nothing counts
from the end). Imported only where code is compiled: numba takes half a second to load.
"""

# mypy: disable-error-code="misc, arg-type, call-arg, no-untyped-call, untyped-decorator"
# (numba and its types know little of each other)

from __future__ import annotations

import operator
from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic, make_attribute_wrapper, models, register_jitable, register_model
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from tokenworks.simulate.columns import Blocks, Farmyard, Rules, State, Steps, Work


class Bare(types.Type):
    """A column of numbers in rows of its last index."""

    def __init__(self, dtype: Any, ndim: int) -> None:
        self.dtype, self.ndim = dtype, ndim
        super().__init__(name=f"Bare({dtype}, {ndim})")


@register_model(Bare)
class _Model(models.StructModel):
    def __init__(self, manager: Any, kind: Bare) -> None:
        members = [("data", types.CPointer(kind.dtype)), ("shape", types.UniTuple(types.intp, kind.ndim))]
        super().__init__(manager, kind, members)


make_attribute_wrapper(Bare, "shape", "shape")


def _index_type(index: Any, ndim: int) -> Any:
    """The type of an index of as many whole numbers as the column has dimensions; None for any other."""
    parts: tuple[Any, ...] = tuple(index) if isinstance(index, types.BaseTuple) else (index,)
    if len(parts) != ndim or not all(isinstance(p, types.Integer) for p in parts):
        return None
    return index


@infer_global(operator.getitem)
class _Get(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        column, index = args
        if isinstance(column, Bare) and _index_type(index, column.ndim) is not None:
            return signature(column.dtype, column, index)
        return None


@infer_global(operator.setitem)
class _Set(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        column, index, _ = args
        if isinstance(column, Bare) and _index_type(index, column.ndim) is not None:
            return signature(types.none, column, index, column.dtype)
        return None


def _place(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
    """Where an element is: a pointer to data[(i n1 + j) n2 + k]."""
    kind, index = kinds[:2]
    column = cgutils.create_struct_proxy(kind)(context, builder, values[0])
    shape = cgutils.unpack_tuple(builder, column.shape)
    given: tuple[Any, ...]
    if isinstance(index, types.BaseTuple):
        given, parts = tuple(index), cgutils.unpack_tuple(builder, values[1])
    else:
        given, parts = (index,), [values[1]]
    flat = None
    for n, of, part in zip(shape, given, parts, strict=True):
        one = context.cast(builder, part, of, types.intp)
        flat = one if flat is None else builder.add(builder.mul(flat, n, flags=["nsw"]), one, flags=["nsw"])
    return builder.gep(column.data, [flat])


@lower_builtin(operator.getitem, Bare, types.Integer)
@lower_builtin(operator.getitem, Bare, types.BaseTuple)
def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return context.unpack_value(builder, sig.args[0].dtype, _place(context, builder, sig.args, args))


@lower_builtin(operator.setitem, Bare, types.Integer, types.Any)
@lower_builtin(operator.setitem, Bare, types.BaseTuple, types.Any)
def _set(context: Any, builder: Any, sig: Any, args: Any) -> None:
    context.pack_value(builder, sig.args[0].dtype, args[2], _place(context, builder, sig.args, args))


@intrinsic
def bare(typing: Any, array: Any) -> Any:
    """An array, whose rows lie one after another, as a bare column."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        given = context.make_array(sig.args[0])(context, builder, args[0])
        column = cgutils.create_struct_proxy(sig.return_type)(context, builder)
        column.data, column.shape = given.data, given.shape
        return column._getvalue()

    if array.layout != "C":
        return None
    return Bare(array.dtype, array.ndim)(array), code


@register_jitable
def bared(f: Farmyard) -> Farmyard:
    """A farmyard of bare columns."""
    w, s, b, steps = f.w, f.s, f.b, f.steps
    state = State(
        bare(s.t), bare(s.n), bare(s.heap_step), bare(s.heap_request), bare(s.fly_time), bare(s.fly_request),
        bare(s.gaps), bare(s.counts), bare(s.next),
    )  # fmt: skip
    times = Steps(bare(steps.sizes), bare(steps.batches), bare(steps.prompts), bare(steps.base), bare(steps.slope))
    work, blocks = Work(bare(w.t), bare(w.n), bare(w.blocks)), Blocks(bare(b.table), bare(b.ends))
    return Farmyard(work, state, blocks, Rules(bare(f.rules.n)), f.policy, times)


def take_in(modules: Iterable[ModuleType]) -> None:
    """Let compiled code call the functions that these modules define."""
    for module in modules:
        for function in list(vars(module).values()):
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                register_jitable(function)
