"""The dtypes an elementwise operation computes in, which are those of NumPy's loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.codegen import blas
from chainrule.codegen.scalars import EMIT, SPECIAL
from chainrule.codegen.values import CODES, Value, code_of
from chainrule.ops.complaints import NUMBERS

_LOGICAL = frozenset({"logical_and", "logical_or", "logical_xor", "logical_not"})


def loop_dtypes(v: Value) -> tuple[str, ...] | None:
    """The dtype of each operand in the loop of an elementwise value, and of its result; or None
    where there is no machine code for it.
    """
    if v.op not in EMIT or not v.native or not all(a.native for a in v.args):
        return None
    given = [_given(a) for a in v.args]
    key = (v.op, v.code, *given)
    if key not in _known:
        _known[key] = _found(v, given)
    return _known[key]


_known: dict[Any, tuple[str, ...] | None] = {}


def _found(v: Value, given: list[Any]) -> tuple[str, ...] | None:
    evaluate = v.row.evaluate
    if isinstance(evaluate, np.ufunc):
        try:
            found = evaluate.resolve_dtypes((*given, None))
        except TypeError:
            return None
        codes: tuple[str, ...] | None = tuple(code_of(d) for d in found)
    else:
        codes = _by_name(v, given)
    if codes is None:
        return None
    if v.op in _LOGICAL:
        codes = ("b1",) * len(codes)
    if not CODES.issuperset(codes):
        return None
    return None if v.op in _FLOATING and codes[0][0] != "f" else codes


_FLOATING = frozenset({"power", "isnan", "isinf", "isfinite", "sqrt", "divide", "reciprocal"})


def _given(a: Value) -> Any:
    """What `resolve_dtypes` takes for an operand: a dtype, or the type of Python's own number."""
    kind = type(a.const)
    if a.op == "const" and kind in NUMBERS:
        return np.dtype(bool) if kind is bool else kind
    if a.weak:
        return float if a.code == "f8" else int
    return a.dtype


def _by_name(v: Value, given: list[Any]) -> tuple[str, ...] | None:
    code = v.code
    if v.op in SPECIAL:
        if blas.special(SPECIAL[v.op], len(v.args)) is None:
            return None
        return ("f8",) * (len(v.args) + 1)
    if v.op == "where":
        return ("b1", code, code, code)
    if v.op in ("strong_multiply", "real"):
        return (code,) * (len(v.args) + 1)
    if code[0] != "f":
        code = "f8"
    return (code,) * (len(v.args) + 1)
