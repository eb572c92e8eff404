"""The array API standard where the rest of the suite does not reach: the namespace, the protocols
between libraries, and what differs from NumPy. `make test-array-api` runs the standard's own tests.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.ops.table import NUMPY

INFO = cr.__array_namespace_info__()

# --- the namespace -------------------------------------------------------------------------------


def test_a_tensor_leads_to_its_namespace() -> None:
    x = cr.tensor([1.0])

    assert x.__array_namespace__() is cr
    assert x.__array_namespace__(api_version=cr.__array_api_version__) is cr
    with pytest.raises(ValueError, match="1999"):
        x.__array_namespace__(api_version="1999.12")


def test_what_the_namespace_says_of_itself_is_so() -> None:
    sizes = (1,) * INFO.capabilities()["max dimensions"]

    assert cr.ones(sizes).ndim == 64
    with pytest.raises(ShapeError):
        cr.ones((*sizes, 1))
    assert INFO.devices() == [INFO.default_device()] == [cr.ones(1).device]
    assert all(getattr(cr, name) == dtype for name, dtype in INFO.dtypes().items())


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("bool", {"bool"}),
        ("signed integer", {"int8", "int16", "int32", "int64"}),
        ("real floating", {"float32", "float64"}),
        (("bool", "complex floating"), {"bool", "complex64", "complex128"}),
        ("numeric", set(INFO.dtypes()) - {"bool"}),
    ],
)
def test_dtypes_of_a_kind(kind: Any, names: set[str]) -> None:
    assert set(INFO.dtypes(kind=kind)) == names


def test_default_dtypes_are_those_that_numbers_get() -> None:
    for default in ("float32", "float64"):
        cr.set_default_dtype(default)
        try:
            dtypes = INFO.default_dtypes(device="cpu")
            assert dtypes["real floating"] == cr.asarray(1.0).dtype == default
            assert dtypes["complex floating"] == cr.asarray(1j).dtype
            assert dtypes["integral"] == cr.asarray(1).dtype
            assert dtypes["indexing"] == cr.argmax(cr.ones(2)).dtype
        finally:
            cr.set_default_dtype("float64")


@pytest.mark.parametrize("name", ["default_dtypes", "dtypes"])
def test_other_devices_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cpu"):
        getattr(INFO, name)(device="gpu")


@pytest.mark.parametrize("dtype", [cr.float32, cr.float64, cr.complex64, "f4", np.dtype("c16")])
def test_limits_of_a_dtype_are_python_numbers(dtype: Any) -> None:
    ours, theirs = cr.finfo(dtype), np.finfo(dtype)

    for name in cr.finfo.__slots__:
        value = getattr(ours, name)
        assert value == getattr(theirs, name), name
        assert type(value) in (int, float) or name == "dtype", name
    assert cr.finfo(cr.ones(2, dtype=dtype)).eps == ours.eps


def test_limits_of_an_integer_dtype_are_elsewhere() -> None:
    with pytest.raises(DtypeError, match="iinfo"):
        cr.finfo(cr.int64)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (cr.where, ["x", "y", "z"]),
        (cr.concat, ["arrays", "axis"]),
        (cr.stack, ["arrays", "axis"]),
        (cr.sum, ["x", "axis", "dtype", "keepdims"]),
    ],
)
def test_signatures_can_be_read(function: Any, names: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == names


# --- other libraries, other devices --------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32", "complex128"])
def test_memory_is_shared_through_dlpack(shape: tuple[int, ...], dtype: str) -> None:
    x = cr.ones(shape, dtype=dtype)
    other = np.from_dlpack(x)
    again = cr.from_dlpack(x)
    x.zero_()

    assert other.dtype == dtype
    assert other.shape == shape
    assert not other.any()
    assert not again.numpy().any()
    assert x.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_arrays_are_shared(shape: tuple[int, ...]) -> None:
    a = np.ones(shape)
    shared, copied = cr.asarray(a, copy=False), cr.asarray(a, copy=True)
    a[...] = 5.0

    assert (shared == 5.0).all()
    assert (copied == 1.0).all()
    x = cr.asarray(a, requires_grad=True)
    (x * x).sum().backward()
    assert (x.grad == 10.0).all()


def test_a_derivative_is_not_lost_through_dlpack() -> None:
    x = cr.ones(2, requires_grad=True)

    with pytest.raises(GraphError, match="detach"):
        np.from_dlpack(x)
    np.testing.assert_array_equal(np.from_dlpack(x.detach()), [1, 1])


def test_there_is_one_device() -> None:
    x = cr.ones(2)

    assert x.to_device(x.device) is x
    assert cr.astype(x, cr.float32, device="cpu").dtype == cr.float32
    for refused in (
        lambda: x.to_device("gpu"),
        lambda: x.to_device("cpu", stream=1),
        lambda: cr.astype(x, cr.float32, device="gpu"),
        lambda: cr.fft.fftfreq(3, device="gpu"),
    ):
        with pytest.raises(ValueError, match="cpu"):
            refused()


# --- creation ------------------------------------------------------------------------------------


def test_lists_of_tensors_become_one_with_its_history() -> None:
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    y = cr.asarray([[x[0], 1.0], [x[1], x[0] * x[1]]])
    (y * cr.tensor([[1.0, 10.0], [100.0, 1000.0]])).sum().backward()

    assert y.tolist() == [[2.0, 1.0], [3.0, 6.0]]
    assert x.grad.tolist() == [3001.0, 2100.0]
    assert cr.asarray([cr.tensor(1.0), cr.tensor(2.0)], dtype=cr.float32).dtype == cr.float32
    with pytest.raises(ValueError, match="copy=False"):
        cr.asarray([x], copy=False)


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies_are_tensors(name: str) -> None:
    ours, theirs = getattr(cr.fft, name), getattr(np.fft, name)
    d = cr.tensor(0.5, requires_grad=True)
    y = ours(6, d)
    y.sum().backward()

    assert type(y) is type(ours(6)) is cr.Tensor
    np.testing.assert_array_equal(ours(6, 0.5).numpy(), theirs(6, 0.5))
    np.testing.assert_allclose(d.grad.item(), -theirs(6, 1.0).sum() / 0.5**2)
    assert ours(6).dtype == cr.float64
    assert ours(6, dtype=cr.float32).dtype == cr.float32
    assert ours(6, d, dtype=cr.float32).dtype == cr.float32


def test_grids_and_broadcast_arrays_are_lists() -> None:
    assert type(cr.meshgrid(cr.ones(2), cr.ones(3))) is list
    assert type(cr.meshgrid(cr.ones(2), cr.ones(3), sparse=True)) is list
    assert type(cr.broadcast_arrays(cr.ones(2), cr.ones((3, 1)))) is list


def test_reshape_copies_when_asked_to() -> None:
    x = cr.zeros((2, 3))
    same, copied, flat = (cr.reshape(x, 6, copy=c) for c in (False, True, None))
    x.fill_(1.0)

    assert same.tolist() == flat.tolist() == [1.0] * 6
    assert copied.tolist() == [0.0] * 6
    with pytest.raises(ShapeError, match="without a copy"):
        cr.reshape(x.T, 6, copy=False)
    y = cr.ones((2, 2), requires_grad=True)
    cr.reshape(y, 4, copy=True).sum().backward()
    assert y.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


# --- operators -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x.__iand__(6), [4, 2]),
        (lambda x: x.__ior__(8), [13, 11]),
        (lambda x: x.__ixor__(1), [4, 2]),
        (lambda x: x.__ilshift__(2), [20, 12]),
        (lambda x: x.__irshift__(1), [2, 1]),
    ],
)
def test_bits_change_in_place(change: Any, expected: list[int]) -> None:
    whole = cr.tensor([[5, 3], [0, 0]])
    row = whole[0]

    assert change(row) is row
    assert whole[0].tolist() == expected


def test_matrix_product_in_place() -> None:
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 1
    memory = y.detach()
    y @= cr.tensor([[0.0, 1.0], [2.0, 0.0]])
    y.sum().backward()

    assert memory.tolist() == y.tolist() == [[4.0, 1.0], [8.0, 3.0]]
    assert x.grad.tolist() == [[1.0, 2.0], [1.0, 2.0]]
    with pytest.raises(ShapeError):
        y @= cr.ones((3, 3))


def test_shifts_of_a_number() -> None:
    assert (1 << cr.tensor([1, 3])).tolist() == [2, 8]
    assert (64 >> cr.tensor([1, 3])).tolist() == [32, 8]


# --- linear algebra ------------------------------------------------------------------------------


def test_matrices_are_in_the_last_two_axes() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    x = cr.tensor(a, requires_grad=True)

    for offset in (-1, 0, 2):
        for name in ("diagonal", "trace"):
            expected = getattr(np.linalg, name)(a, offset=offset)
            for namespace in (cr.linalg, np.linalg):
                found = getattr(namespace, name)(x, offset=offset)
                np.testing.assert_array_equal(found.detach().numpy(), expected)
    cr.linalg.trace(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.broadcast_to(np.eye(3, 4), a.shape))
    assert cr.linalg.trace(cr.ones((2, 2), dtype="float32"), dtype=cr.float64).dtype == cr.float64


def test_every_function_of_numpy_linalg_is_answered() -> None:
    functions = [n for n in np.linalg.__all__ if n != "LinAlgError"]
    answered = [n for n in functions if getattr(np.linalg, n) in NUMPY]

    assert answered == functions
    assert len(functions) > 25


# --- special values of complex numbers -----------------------------------------------------------

inf, nan = np.inf, np.nan


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (cr.expm1, complex(-0.0, 0.0), complex(0.0, 0.0)),
        (cr.expm1, complex(inf, 0.0), complex(inf, 0.0)),
        (cr.expm1, complex(800.0, 0.0), complex(inf, 0.0)),
        (cr.expm1, complex(-inf, inf), complex(-1.0, 0.0)),
        (cr.expm1, complex(-inf, nan), complex(-1.0, 0.0)),
        (cr.expm1, complex(inf, inf), complex(inf, nan)),
        (cr.expm1, complex(nan, 0.0), complex(nan, 0.0)),
        (cr.sign, complex(-0.0, -0.0), complex(0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_special_values(function: Any, x: complex, expected: complex, dtype: str) -> None:
    for y in (function(cr.tensor(x, dtype=dtype)), function(cr.tensor([x], dtype=dtype))[0]):
        assert y.dtype == dtype
        for ours, theirs in zip((y.real, y.imag), (expected.real, expected.imag), strict=True):
            np.testing.assert_equal(ours.item(), theirs)


def test_expm1_is_accurate_near_zero() -> None:
    z = 1e-12 * (1 + 1j)

    np.testing.assert_allclose(cr.expm1(cr.tensor(z)).item(), z + z * z / 2, rtol=1e-15)


def test_derivatives_that_are_written_for_real_numbers_only() -> None:
    """Where a function takes complex numbers but its derivative would be wrong, it says so."""
    z = cr.tensor([2.0 + 1.0j], requires_grad=True)

    with pytest.raises(DtypeError, match="real arguments"):
        cr.special.zeta(z).real.sum().backward()
    with pytest.raises(cr.MissingDerivative, match="holomorphic"):
        cr.special.ive(1, z).real.sum().backward()


# --- a library written for the standard ----------------------------------------------------------

SCIPY = """
import numpy as np, chainrule as cr
from scipy import fft, integrate, optimize, special, stats
from scipy.spatial.transform import Rotation

FUNCTIONS = {
    "logsumexp": lambda x: special.logsumexp(x),
    "skew": lambda x: stats.skew(x),
    "entropy": lambda x: stats.entropy(x),
    "trapezoid": lambda x: integrate.trapezoid(x),
    "rosen": lambda x: optimize.rosen(x),
    "fft": lambda x: abs(fft.fft(x)),
    "rotation": lambda x: Rotation.from_rotvec(x).as_matrix(),
}
at, h = np.array([0.5, 1.3, 0.9]), 1e-6
for name, f in FUNCTIONS.items():
    def total(x):
        y = cr.asarray(f(x))
        return cr.sum(y * cr.reshape(cr.arange(1.0, 1.0 + y.size), y.shape))
    x = cr.tensor(at, requires_grad=True)
    total(x).backward()
    steps = [(total(at + h * e).item() - total(at - h * e).item()) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(x.grad.numpy(), steps, rtol=1e-6, atol=1e-8, err_msg=name)
    print(name)
"""


def test_scipy_functions_written_for_the_standard_are_differentiated() -> None:
    """SciPy takes the namespace from the Tensor, where SCIPY_ARRAY_API=1 is set before its import;
    the values it is compared with are those of NumPy arrays.
    """
    run = subprocess.run(
        [sys.executable, "-c", SCIPY],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert not run.returncode, run.stderr
    assert run.stdout.count("\n") == 7
