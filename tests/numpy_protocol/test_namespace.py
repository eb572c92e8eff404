"""Every public callable of NumPy stands in exactly one class, of which this file has the list.

A name that is new in NumPy fails the test: see its message for what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy_protocol.calls import CALLS

import chainrule as cr
from chainrule.dispatch.functions import answer
from chainrule.dispatch.kinds import ASKS, REFUSED
from chainrule.dispatch.writing import WRITES
from chainrule.ops.table import NUMPY

SPACES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft, "numpy.emath": np.emath}

MAKES = {
    "arange", "array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray",
    "asfortranarray", "asmatrix", "bartlett", "blackman", "bmat", "diag_indices", "empty",
    "eye", "frombuffer", "from_dlpack", "fromfile", "fromfunction", "fromiter", "frompyfunc",
    "fromregex", "fromstring", "full", "genfromtxt", "hamming", "hanning", "identity",
    "indices", "kaiser", "load", "loadtxt", "mask_indices", "ones", "require", "tri",
    "tril_indices", "triu_indices", "zeros", "fft.fftfreq", "fft.rfftfreq",
}  # fmt: skip
"""Make arrays of what is no array, or turn into an array (`__array__`): NumPy asks no Tensor."""

NOT_NUMERICAL = {
    "base_repr", "binary_repr", "broadcast_shapes", "busday_count", "busday_offset",
    "datetime_as_string", "datetime_data", "format_float_positional", "format_float_scientific",
    "get_include", "get_printoptions", "getbufsize", "geterr", "geterrcall", "info",
    "is_busday", "isdtype", "isfortran", "isnat", "isscalar", "issubdtype", "iterable",
    "mintypecode", "nested_iters", "printoptions", "promote_types", "set_printoptions",
    "setbufsize", "seterr", "seterrcall", "show_config", "show_runtime", "test", "typename",
    "linalg.test", "fft.test",
}  # fmt: skip
"""About dates, text, dtypes, settings; or asking what a Tensor answers by itself."""

ALIASES = {"row_stack"}
"""Deprecated names, Python functions over one that is answered."""


def public() -> Iterator[tuple[str, Any]]:
    for space_name, space in SPACES.items():
        for name in sorted(dir(space)):
            thing = getattr(space, name)
            if name.startswith("_") or not callable(thing) or isinstance(thing, type):
                continue
            yield f"{space_name}.{name}".removeprefix("numpy."), thing


def classes(name: str, thing: Any) -> list[str]:
    """The classes that a function stands in."""
    if isinstance(thing, np.ufunc):
        answered = thing in NUMPY
    else:
        answered = hasattr(thing, "__name__") and answer(thing) is not None
    found = {
        "answered": answered,
        "asks about a value": thing in ASKS,
        "writes into its argument": thing in WRITES,
        "refused": thing in REFUSED,
        "makes arrays": name in MAKES,
        "not numerical": name in NOT_NUMERICAL,
        "alias": name in ALIASES,
    }
    return [k for k, v in found.items() if v]


NAMES = dict(public())


@pytest.mark.parametrize("name", NAMES)
def test_every_function_stands_in_one_class(name: str) -> None:
    """A function of NumPy is answered, or it is said why not."""
    found = classes(name, NAMES[name])

    assert len(found) == 1, (
        f"numpy.{name} stands in {found or 'no class'}. Write a row or composite with "
        "`numpy=(np.<name>,)` and calls of it in tests/numpy_protocol/calls.py; or enter it in "
        "chainrule/dispatch (kinds.ASKS, kinds.REFUSED, writing), or in MAKES or NOT_NUMERICAL here"
    )


def test_the_lists_name_what_there_is() -> None:
    """No class has a name that NumPy does not have (but for what older ones had)."""
    older = {"fromstring", "row_stack"}

    assert len(NAMES) > 380
    assert (MAKES | NOT_NUMERICAL | ALIASES) - set(NAMES) <= older


@pytest.mark.parametrize("name", sorted(n for n in NAMES if NAMES[n] in ASKS))
def test_asking_gives_what_numpy_gives(name: str) -> None:
    """Questions are answered about the numbers, also of a tensor that requires grad."""
    x = np.array([[3.0, 1.0], [2.0, 4.0]])
    k = np.array([[1, 0], [1, 1]])
    arguments: dict[str, tuple[Any, ...]] = {
        "allclose": (x, x), "array_equal": (x, x), "array_equiv": (x, x), "isclose": (x, x[::-1]),
        "argpartition": (x, 1), "can_cast": ("f4", "f8"), "common_type": (x,), "ix_": (k[0], k[1]),
        "may_share_memory": (x, x), "shares_memory": (x, x), "result_type": (x, "f4"),
        "einsum_path": ("ij,jk", x, x), "packbits": (k,), "unpackbits": (k.astype(np.uint8),),
        "ravel_multi_index": ((k[0], k[1]), (2, 2)), "unravel_index": (k, (2, 2)),
    }  # fmt: skip
    if name.startswith("save") or "share" in name:  # below
        return
    given = arguments.get(name, (x,))
    f = NAMES[name]
    tensors = tuple(
        cr.tensor(a, requires_grad=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a
        if not isinstance(a, tuple) or isinstance(a[0], int) else tuple(map(cr.tensor, a))
        for a in given
    )  # fmt: skip
    found, expected = f(*tensors), f(*given)
    if isinstance(expected, tuple):
        assert str(found[0]) == str(expected[0]) or np.array_equal(found[0], expected[0])
    elif isinstance(expected, (str, type, np.dtype)):
        assert found == expected
    else:
        np.testing.assert_array_equal(np.asarray(found), expected)


def test_sharing_memory() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)

    assert np.shares_memory(x, x[1:])
    assert np.may_share_memory(x, x.detach())
    assert not np.shares_memory(x, x.clone())


def test_saving(tmp_path: Any) -> None:
    """The numbers of a tensor are written to a file as those of an array."""
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    np.savez_compressed(tmp_path / "y.npz", x=x)
    np.savetxt(tmp_path / "x.txt", x)

    assert np.load(tmp_path / "x.npy").tolist() == [1.0, 2.0]
    assert np.load(tmp_path / "x.npz")["x"].tolist() == [1.0, 2.0]
    assert np.load(tmp_path / "y.npz")["x"].tolist() == [1.0, 2.0]
    assert np.loadtxt(tmp_path / "x.txt").tolist() == [1.0, 2.0]


@pytest.mark.parametrize("func", REFUSED)
def test_refused(func: Any) -> None:
    """An error that says why; without a gradient, NumPy's result."""
    x = cr.tensor([[0.1, 0.9], [0.5, 0.3]], requires_grad=True)
    arguments = (x[0], x[1]) if func is np.histogram2d else (x,)
    with pytest.raises(cr.MissingDerivative, match=r"counts[\s\S]*detach"):
        func(*arguments)
    counts = func(*[a.detach() for a in arguments])[0]

    assert isinstance(counts, cr.Tensor)
    assert float(counts.sum()) == 2


UNSUPPORTED = [
    (lambda x: np.pad(x, 1, "reflect", reflect_type="odd"), "reflect_type"),
    (lambda x: np.pad(x, 1, "linear_ramp", end_values=2.0), "end_values"),
    (lambda x: np.unique(x, axis=0), "axis"),
    (lambda x: np.intersect1d(x, x, return_indices=True), "return_indices"),
    (lambda x: np.quantile(x, 0.5, weights=[1.0, 2.0], method="inverted_cdf"), "weights"),
    (lambda x: np.logspace(x, x[1], 3, axis=1), "axis"),
    (lambda x: np.cov(x, fweights=[1, 2]), "fweights"),
    (lambda x: np.nanquantile(x, 0.5, method="lower"), "method"),
]


@pytest.mark.parametrize(("call", "argument"), UNSUPPORTED)
def test_arguments_that_an_operation_does_not_take(call: Any, argument: str) -> None:
    """They are refused where a derivative would be lost; NumPy takes them where none would."""
    with pytest.raises(cr.MissingDerivative, match=f"{argument}="):
        call(cr.tensor([1.0, 2.0], requires_grad=True))
    expected = call(np.array([1.0, 2.0]))
    found = call(cr.tensor([1.0, 2.0]))
    if isinstance(expected, tuple):
        expected, found = expected[0], found[0]

    assert isinstance(found, cr.Tensor)
    np.testing.assert_array_equal(np.asarray(found), expected)


def test_scipy_ufuncs_with_a_row_are_answered() -> None:
    """`scipy.special.erf(t)` records as `cr.special.erf(t)`."""
    from scipy import special

    names = [k.removeprefix("scipy.special.") for k in NUMPY if str(k).startswith("scipy.special.")]
    answered = 0
    for name in names:
        ufunc = getattr(special, name, None)
        if not isinstance(ufunc, np.ufunc) or name.startswith("_"):
            continue
        xs = [
            cr.tensor(np.full(2, 0.4), requires_grad=i == ufunc.nin - 1) for i in range(ufunc.nin)
        ]
        y = ufunc(*xs)
        np.testing.assert_allclose(y.numpy(force=True), ufunc(*[x.numpy(force=True) for x in xs]))
        assert y.requires_grad, name
        answered += 1
    assert answered > 40


def test_scipy_ufuncs_without_a_row_are_refused() -> None:
    """Rather than losing the derivative; without one the value is SciPy's."""
    from scipy import special

    with pytest.raises(cr.MissingDerivative, match=r"dawsn[\s\S]*detach"):
        special.dawsn(cr.tensor(0.5, requires_grad=True))
    assert isinstance(special.dawsn(cr.tensor(0.5)), cr.Tensor)


def test_there_are_several_signatures_of_most_functions() -> None:
    """A function with options is called with some of them."""
    assert sum(map(len, CALLS.values())) > 1.4 * len(CALLS)
