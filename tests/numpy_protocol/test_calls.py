"""Every NumPy function that an operation answers for: NumPy's value, and the right gradient."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy_protocol.calls import CALLS, C

import chainrule as cr
from chainrule.dispatch.functions import answer, plan_of
from chainrule.graph.node import Variable
from chainrule.ops.table import TABLE

SPACES = {"": np, "linalg.": np.linalg, "fft.": np.fft, "emath.": np.emath}


OLD = np.lib.NumpyVersion(np.__version__) < "2.4.0"
"""Calls are written for the newest NumPy; what an older one does not know is passed over."""


def functions() -> Iterator[tuple[str, Any]]:
    """Name and function of all that NumPy sends to a Tensor's `__array_function__`."""
    for prefix, space in SPACES.items():
        for name in sorted(dir(space)):
            thing = getattr(space, name)
            if not name.startswith("_") and hasattr(thing, "_implementation"):
                yield prefix + name, thing


def find(name: str) -> Any:
    """The function of a name in the table of calls (None where NumPy is too old for it)."""
    space, _, own = name.rpartition(".")
    return getattr(SPACES[space + "." if space else ""], own, None)


def draw(call: C) -> list[Any]:
    """Operands, different and of no particular order."""
    rng = np.random.default_rng(7)
    return [
        rng.uniform(0.3, 1.7, x)[()] if isinstance(x, tuple) else x.copy() for x in call.operands
    ]


def parts(x: Any) -> list[Any]:
    """The results of a call, in a list."""
    if isinstance(x, (tuple, list)):
        return [p for e in x for p in parts(e)]
    return [x]


def plain(x: Any) -> Any:
    return np.asarray(x._value if isinstance(x, Variable) else x)


KNOWN = sorted(name for name in CALLS if find(name) is not None)
CASES = [(name, i) for name in KNOWN for i in range(len(CALLS[name]))]


@pytest.mark.parametrize(("name", "which"), CASES, ids=[f"{n}-{i}" for n, i in CASES])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_call(name: str, which: int) -> None:
    """NumPy's value, of Tensors with and without a gradient; and the gradient, by differences."""
    call = CALLS[name][which]
    operands = draw(call)
    try:
        expected = parts(call.call(*operands))
    except (TypeError, FutureWarning):
        if not OLD:
            raise
        pytest.skip("NumPy is too old for this signature")
    for wanted in (False, True):
        tensors = [cr.tensor(x, requires_grad=wanted) for x in operands]
        found = parts(call.call(*tensors))
        assert len(found) == len(expected)
        assert any(isinstance(f, Variable) for f in found)
        for f, e in zip(found, expected, strict=True):
            assert plain(f).shape == np.shape(e)
            assert plain(f).dtype.kind == np.asarray(e).dtype.kind
            np.testing.assert_allclose(plain(f), e, rtol=1e-11, atol=1e-12)
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=np.shape(e)) for e in expected]
    total: Any = 0.0
    for f, w in zip(found, weights, strict=True):
        if isinstance(f, Variable) and f.dtype.kind in "fc":
            total = total + (cr.real(f) * w).sum()
    if not call.differentiable:
        assert (
            not isinstance(total, Variable) or total._node is None or not _reaches(total, tensors)
        )
        return
    total.backward()
    directions = [rng.normal(size=np.shape(x)) for x in operands]
    slope = sum(
        float(np.sum(np.where(np.isnan(g := plain(t.grad)), 0, g) * d).real)
        for t, d in zip(tensors, directions, strict=True)
        if t.grad is not None
    )
    h = 1e-6
    values = [
        sum(
            float(np.sum(np.real(e) * w))
            for e, w in zip(
                parts(call.call(*[x + s * d for x, d in zip(operands, directions, strict=True)])),
                weights,
                strict=True,
            )
            if np.asarray(e).dtype.kind in "fc"
        )
        for s in (h, -h)
    ]
    assert slope == pytest.approx((values[0] - values[1]) / (2 * h), rel=2e-5, abs=2e-6)


def _integers(rng: np.random.Generator, shape: Any) -> Any:
    return rng.integers(-3, 5, shape)[()]


def _signed(rng: np.random.Generator, shape: Any) -> Any:
    return rng.uniform(-1.7, 1.7, shape)[()]


NOT_OF_INTEGERS = {"piecewise"}
"""It writes its pieces, which may be fractions, into an array of integers: an error here."""


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("make", [_integers, _signed])
@pytest.mark.filterwarnings("ignore")
def test_other_numbers(name: str, make: Any) -> None:
    """NumPy's value and dtype, or an error where it has one, also of integers and both signs."""
    if make is _integers and name in NOT_OF_INTEGERS:
        return
    for call in CALLS[name]:
        rng = np.random.default_rng(1)
        operands = [make(rng, x) if isinstance(x, tuple) else x.copy() for x in call.operands]
        try:
            expected = parts(call.call(*operands))
        except Exception:
            with pytest.raises(Exception, match=r"\w"):
                call.call(*map(cr.tensor, operands))
            continue
        for f, e in zip(parts(call.call(*map(cr.tensor, operands))), expected, strict=True):
            np.testing.assert_allclose(plain(f), e, rtol=1e-9, atol=1e-9)
            assert plain(f).dtype == np.asarray(e).dtype


def _reaches(total: Any, tensors: list[Any]) -> bool:
    """Whether some gradient is not zero."""
    total.backward()
    return any(t.grad is not None and np.any(plain(t.grad)) for t in tensors)


def test_every_answered_function_is_called() -> None:
    """The table of calls has every function that an operation answers for, and no other."""
    answered = {f for _, f in functions() if answer(f) is not None}
    called = {find(name) for name in KNOWN}
    assert OLD or sorted(CALLS) == KNOWN

    assert len(answered) > 170
    assert {f.__name__ for f in answered - called} <= ({"trapz"} if OLD else set())
    assert {f.__name__ for f in called - answered} == set()


@pytest.mark.parametrize("name", KNOWN)
def test_defaults_are_those_of_numpy(name: str) -> None:
    """An argument that is left out means the same to an operation as to NumPy's function."""
    plan = plan_of(find(name))
    row = getattr(plan.function, "operation", None)
    own = _defaults(plan.function) | (row.defaults if row is not None else {})
    for key, mine in plan.names.items():
        if key not in plan.parameters:
            continue
        default = plan.parameters[key].default
        if default is plan.parameters[key].empty or mine not in own:
            continue
        either = default is np._NoValue or own[mine] in (None, False)
        assert either or own[mine] == default or key == "stable", (key, default, own)


def test_only_operands_have_other_names() -> None:
    """Arguments that NumPy calls otherwise are operands, or mean the same."""
    renamed = {
        (key, own) for name in KNOWN for key, own in plan_of(find(name)).names.items() if key != own
    }
    operands = {"x", "x1", "x2", "a", "b", "arrays", "y", "elements", "subscripts"}
    same = {("new_shape", "shape"), ("tol", "rtol"), ("newshape", "shape")}

    assert {pair for pair in renamed if pair[1] not in operands} <= same


def _defaults(function: Any) -> dict[str, Any]:
    return {
        k: p.default
        for k, p in inspect.signature(function).parameters.items()
        if p.default is not p.empty
    }


# --- ufuncs --------------------------------------------------------------------------------------

UFUNCS = sorted(
    {n for n in dir(np) if isinstance(getattr(np, n), np.ufunc) and n == getattr(np, n).__name__}
)


def _operands(name: str) -> list[Any]:
    row = TABLE[cr.dispatch.ufuncs.NUMPY[getattr(np, name)].__name__]
    rng = np.random.default_rng(3)
    if name in ("matmul", "vecdot", "matvec", "vecmat"):
        a, b = rng.normal(size=(3, 3)), rng.normal(size=3)
        return {"matvec": [a, b], "vecmat": [b, a]}.get(name, [a, a.T])
    out: list[Any] = []
    domains = row.domain or ((0.3, 1.7),) * getattr(np, name).nin
    for d in domains:
        if isinstance(d, str):
            out.append(rng.integers(1, 5, 4) if "int" in d else rng.random(4) < 0.5)
        else:
            out.append(rng.uniform(*d, 4))
    return out


ANSWERED = [n for n in UFUNCS if getattr(np, n) in cr.dispatch.ufuncs.NUMPY]


@pytest.mark.parametrize("name", ANSWERED)
def test_ufunc(name: str) -> None:
    """Value, `out=`, `where=` with `out=`, and gradients through them."""
    ufunc = getattr(np, name)
    operands = _operands(name)
    expected = parts(ufunc(*operands))
    differentiable = [x.dtype.kind == "f" and e.dtype.kind == "f" and name != "ldexp"
                      for x in operands for e in expected[:1]]  # fmt: skip
    tensors = [
        cr.tensor(x, requires_grad=bool(d)) for x, d in zip(operands, differentiable, strict=False)
    ]
    for f, e in zip(parts(ufunc(*tensors)), expected, strict=True):
        np.testing.assert_allclose(plain(f), e, rtol=1e-12)
    targets = tuple(cr.tensor(np.zeros(np.shape(e), np.asarray(e).dtype)) for e in expected)
    given = ufunc(*tensors, out=targets)
    assert all(g is t for g, t in zip(parts(given), targets, strict=True))
    for t, e in zip(targets, expected, strict=True):
        np.testing.assert_allclose(plain(t), e, rtol=1e-12)
        if any(differentiable) and t.dtype.kind == "f" and name != "spacing":
            assert t.requires_grad
    if ufunc.signature is None and len(targets) == 1:
        mask = np.array([True, False, True, False])
        target = cr.tensor(np.zeros(4, expected[0].dtype))
        ufunc(*tensors, out=target, where=mask)
        np.testing.assert_allclose(plain(target), np.where(mask, expected[0], 0), rtol=1e-12)


@pytest.mark.parametrize("name", ANSWERED)
def test_ufunc_writes_into_an_array_what_needs_no_gradient(name: str) -> None:
    """`np.exp(t, out=array)` as in NumPy; with a gradient it is an error, and nothing written."""
    ufunc = getattr(np, name)
    operands = _operands(name)
    expected = parts(ufunc(*operands))
    arrays = tuple(np.zeros(np.shape(e), np.asarray(e).dtype) for e in expected)
    given = parts(ufunc(*[cr.tensor(x) for x in operands], out=arrays))
    for g, a, e in zip(given, arrays, expected, strict=True):
        assert g is a
        np.testing.assert_array_equal(a, e)
