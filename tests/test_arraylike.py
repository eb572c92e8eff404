"""ndarray's attributes on a Tensor: each does what ndarray's does, or says what to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.arraylike import ABSENT
from chainrule.graph.node import Variable

PUBLIC = sorted(n for n in dir(np.ndarray) if not n.startswith("_"))
A = np.random.default_rng(2).uniform(0.3, 1.7, (3, 4))
MASK = np.random.default_rng(3).random((3, 4)) < 0.7


def value(x: Any) -> Any:
    return np.asarray(x._value if isinstance(x, Variable) else x)


def _changed(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The array after a change in place of a copy of it."""

    def f(x: Any) -> Any:
        y = x * 1.0
        change(y)
        return y

    return f


CALLS: dict[str, list[Callable[[Any], Any]]] = {
    "T": [lambda x: x.T],
    "all": [lambda x: (x > 0.5).all(), lambda x: (x > 0.5).all(axis=0, where=MASK)],
    "any": [lambda x: (x > 1.5).any(axis=1, keepdims=True)],
    "argmax": [lambda x: x.argmax(), lambda x: x.argmax(1)],
    "argmin": [lambda x: x.argmin(axis=0, keepdims=True)],
    "argpartition": [lambda x: np.sort(x.argpartition(1, 0)[:2], 0)],
    "argsort": [lambda x: x.argsort(), lambda x: x.argsort(axis=0)],
    "astype": [lambda x: x.astype(np.float32), lambda x: x.astype(float, copy=False)],
    "choose": [lambda x: np.array([0, 1, 1]).choose([x[0, :3], x[1, :3]])
               if isinstance(x, np.ndarray) else cr.tensor([0, 1, 1]).choose([x[0, :3], x[1, :3]])],
    "clip": [lambda x: x.clip(0.5, 1.2), lambda x: x.clip(max=1.0)],
    "compress": [lambda x: x.compress([True, False, True], axis=0), lambda x: x.compress([0, 1])],
    "conj": [lambda x: x.conj()],
    "conjugate": [lambda x: x.conjugate()],
    "copy": [lambda x: x.copy()],
    "cumprod": [lambda x: x.cumprod(), lambda x: x.cumprod(0)],
    "cumsum": [lambda x: x.cumsum(1), lambda x: x.cumsum(axis=0, dtype=np.float64)],
    "diagonal": [lambda x: x.diagonal(1)],
    "dot": [lambda x: x.dot(A.T)],
    "fill": [_changed(lambda y: y.fill(2.0))],
    "flat": [
        lambda x: x.flat[3],
        lambda x: x.flat[[1, 5, 5]],
        lambda x: np.stack(list(x.flat)),
        lambda x: np.array(len(x.flat)),
        _changed(lambda y: y.flat.__setitem__(slice(1, 9, 3), [1.0, 2.0, 3.0])),
        _changed(lambda y: y.flat.__setitem__(0, 5.0)),
    ],
    "flatten": [lambda x: x.flatten()],
    "imag": [lambda x: x.imag],
    "item": [lambda x: np.array(x[0, 0].item()), lambda x: np.array(x.item(2)),
             lambda x: np.array(x.item(1, 2))],
    "itemsize": [lambda x: np.array(x.itemsize)],
    "mT": [lambda x: x.mT],
    "max": [lambda x: x.max(), lambda x: x.max(axis=0, initial=1.0, where=MASK)],
    "mean": [lambda x: x.mean(0), lambda x: x.mean(axis=1, where=MASK, keepdims=True)],
    "min": [lambda x: x.min(1), lambda x: x.min(axis=0, initial=1.0)],
    "nbytes": [lambda x: np.array(x.nbytes)],
    "ndim": [lambda x: np.array(x.ndim)],
    "nonzero": [lambda x: (x > 1).nonzero()[0]],
    "prod": [lambda x: x.prod(), lambda x: x.prod(axis=1, where=MASK)],
    "put": [_changed(lambda y: y.put([0, -1], [5.0, 6.0]))],
    "ravel": [lambda x: x.ravel(), lambda x: x.ravel("F"), lambda x: x.ravel(order="C")],
    "real": [lambda x: x.real],
    "repeat": [lambda x: x.repeat(2), lambda x: x.repeat([1, 0, 2], axis=0)],
    "reshape": [lambda x: x.reshape(4, 3), lambda x: x.reshape((2, -1), order="F")],
    "round": [lambda x: x.round(), lambda x: x.round(decimals=1)],
    "searchsorted": [lambda x: x.ravel().cumsum().searchsorted([1.0, 2.5], side="right")],
    "shape": [lambda x: np.array(x.shape)],
    "size": [lambda x: np.array(x.size)],
    "squeeze": [lambda x: x[:1].squeeze(), lambda x: x[:1].squeeze(axis=0)],
    "std": [lambda x: x.std(), lambda x: x.std(axis=0, ddof=1, where=MASK[:, :1] | True)],
    "strides": [lambda x: np.array(x.strides)],
    "sum": [lambda x: x.sum(), lambda x: x.sum(axis=1, initial=2.0), lambda x: x.sum(where=MASK)],
    "swapaxes": [lambda x: x.swapaxes(0, 1)],
    "take": [lambda x: x.take([1, 1]), lambda x: x.take([5], axis=1, mode="clip")],
    "tobytes": [lambda x: np.frombuffer(x.tobytes()) if isinstance(x, np.ndarray)
                else cr.tensor(np.frombuffer(x.tobytes()))],
    "tolist": [lambda x: np.array(x.tolist())],
    "trace": [lambda x: x.trace(), lambda x: x.trace(offset=1, dtype=float)],
    "transpose": [lambda x: x.transpose(), lambda x: x.transpose(1, 0),
                  lambda x: x.transpose((1, 0))],
    "var": [lambda x: x.var(0), lambda x: x.var(axis=1, ddof=1, keepdims=True)],
}  # fmt: skip
OTHER_MEANING = {"sort", "dtype", "device", "to_device"}
"""`sort` makes a new tensor (ndarray's sorts in place); dtype and device are no computations."""

REMOVED = {"itemset", "newbyteorder", "ptp", "tostring"}
"""Attributes of which NumPy 2 only tells that they are gone."""

CASES = [(name, i) for name, calls in CALLS.items() for i in range(len(calls))]


def test_every_attribute_of_ndarray_is_there_or_names_another() -> None:
    """No attribute of ndarray is forgotten."""
    missing = set(PUBLIC) - set(CALLS) - set(ABSENT) - OTHER_MEANING - REMOVED

    assert len(PUBLIC) > 60
    assert missing == set(), f"write {sorted(missing)} in arraylike.py, or why not in its ABSENT"


@pytest.mark.parametrize(("name", "which"), CASES, ids=[f"{n}-{i}" for n, i in CASES])
def test_attribute(name: str, which: int) -> None:
    """NumPy's value; and where floats come out of floats, the gradient by differences."""
    f = CALLS[name][which]
    expected = np.asarray(f(A.copy()))
    x = cr.tensor(A, requires_grad=True)
    y = f(x)
    assert value(y).dtype == expected.dtype
    np.testing.assert_allclose(value(y), expected, rtol=1e-12)
    np.testing.assert_allclose(value(f(cr.tensor(A))), expected, rtol=1e-12)
    if not isinstance(y, cr.Tensor) or not y.requires_grad:
        return
    weight = np.random.default_rng(0).normal(size=expected.shape)
    (y * weight).sum().backward()
    d, h = np.random.default_rng(1).normal(size=A.shape), 1e-6
    plus, minus = (float(np.sum(f(A + s * d) * weight)) for s in (h, -h))
    rough = 1e-2 if expected.dtype == np.float32 else 1e-5
    if expected.dtype != np.float32:
        assert float(np.sum(value(x.grad) * d)) == pytest.approx(
            (plus - minus) / (2 * h), rel=rough
        )


@pytest.mark.parametrize("name", ABSENT)
def test_absent(name: str) -> None:
    """An attribute that has no meaning for a Tensor is none, and the error says what to use."""
    x = cr.tensor([1.0])

    assert not hasattr(x, name)
    with pytest.raises(AttributeError, match=rf"{name}.*use|{name}.*`"):
        getattr(x, name)


def test_writing_through_flat_is_recorded() -> None:
    v = cr.tensor([1.0, 2.0], requires_grad=True)
    x = cr.zeros((2, 2))
    x.flat[1:3] = v
    (x * x).sum().backward()

    assert v.grad.tolist() == [2.0, 4.0]
    s = cr.tensor(1.0)
    s.flat[0] = 2.0
    assert s.item() == 2.0


def test_out_of_methods() -> None:
    """Reductions as methods take what NumPy's functions take."""
    x, out = cr.tensor(A, requires_grad=True), cr.zeros(4)

    assert x.sum(axis=0, out=out) is out
    assert out.requires_grad


def test_bitwise_changes_in_place() -> None:
    """`&=` and its like change the array, so that views see it."""
    x = cr.tensor([1, 2, 3, 12])
    view = x[1:]
    x &= 6
    x |= cr.tensor([8, 0, 0, 0])
    x ^= 1
    x <<= 2
    x >>= 1
    expected = np.array([1, 2, 3, 12])
    expected &= 6
    expected |= np.array([8, 0, 0, 0])
    expected ^= 1
    expected <<= 2
    expected >>= 1

    assert x.tolist() == expected.tolist()
    assert view.tolist() == expected[1:].tolist()
    mask = cr.tensor([True, False])
    mask &= cr.tensor([True, True])
    assert mask.tolist() == [True, False]
    assert (1 << cr.tensor([1, 2])).tolist() == [2, 4]
    assert (8 >> cr.tensor([1, 2])).tolist() == [4, 2]


def test_matrix_product_in_place() -> None:
    w = cr.tensor(A[:, :3], requires_grad=True)
    x = w * 1.0
    x @= cr.tensor(A[:, 1:])
    x.sum().backward()

    np.testing.assert_allclose(value(x), A[:, :3] @ A[:, 1:])
    np.testing.assert_allclose(value(w.grad), np.ones((3, 3)) @ A[:, 1:].T)
