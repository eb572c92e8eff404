"""Peers that are compiled: C by gcc, NumPy code by Numba, torch.compile, expressions by CasADi."""

from __future__ import annotations

import ctypes
import functools
import math
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import casadi
import numba
import numpy as np
import torch


@functools.cache
def library() -> ctypes.CDLL:
    """`reference.c`, compiled: `-O3 -march=native`."""
    source = Path(__file__).with_name("reference.c")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "reference.so"
        flags = ["-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC"]
        subprocess.run(["gcc", *flags, str(source), "-o", str(out), "-lm"], check=True)
        return ctypes.CDLL(str(out))


def in_c(
    name: str, arrays: Sequence[Any], shapes: Sequence[tuple[int, ...]], *sizes: int
) -> Callable[[], Any]:
    """A call of a function of C on arrays, which makes its results as `jit` does."""
    function = getattr(library(), name)
    pointer = ctypes.c_void_p
    given = [pointer(a.ctypes.data) for a in arrays]
    counts = [ctypes.c_long(n) for n in sizes]

    def step() -> Any:
        results = [np.empty(s) for s in shapes]
        function(*given, *[pointer(r.ctypes.data) for r in results], *counts)
        return results

    return step


def by_torch(function: Callable[..., Any], *args: Any) -> dict[str, Callable[[], Any]]:
    """torch.compile's version of a function, where it works."""
    compiled = torch.compile(function)
    try:
        compiled(*args)
    except Exception as problem:  # it needs a C++ compiler, and there is no list of what it raises
        print(f"torch.compile: {type(problem).__name__}")
        return {}
    return {"torch.compile": lambda: compiled(*args)}


@numba.njit
def fused(a: Any, b: Any) -> Any:
    """Numba makes one loop of it."""
    return 3 * a * a + b + np.exp(a * b)


@numba.njit
def row_sums(x: Any) -> Any:
    """Row by row, as one writes it for Numba."""
    y = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        s = 0.0
        for j in range(x.shape[1]):
            s += x[i, j]
        y[i] = s
    return y


@numba.njit
def row_logsumexp(x: Any) -> Any:
    """The largest, a sum of exponentials."""
    y = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        most = x[i].max()
        s = 0.0
        for j in range(x.shape[1]):
            s += math.exp(x[i, j] - most)
        y[i] = math.log(s) + most
    return y


@numba.njit
def row_softmax(x: Any) -> Any:
    """The same, and quotients."""
    y = np.empty(x.shape)
    for i in range(x.shape[0]):
        most = x[i].max()
        s = 0.0
        for j in range(x.shape[1]):
            y[i, j] = math.exp(x[i, j] - most)
            s += y[i, j]
        for j in range(x.shape[1]):
            y[i, j] /= s
    return y


ROWS = {"sum": row_sums, "logsumexp": row_logsumexp, "softmax": row_softmax}


@numba.njit
def reproject(cams: Any, points: Any, i: Any, j: Any) -> Any:
    """Pixels of points, with scalars: small arrays would be made for every observation."""
    out = np.empty((i.shape[0], 2))
    for k in range(i.shape[0]):
        cam, p = cams[i[k]], points[j[k]]
        angle = math.sqrt(cam[0] ** 2 + cam[1] ** 2 + cam[2] ** 2)
        a, b, g = cam[0] / angle, cam[1] / angle, cam[2] / angle
        c, s = math.cos(angle), math.sin(angle)
        along = (a * p[0] + b * p[1] + g * p[2]) * (1 - c)
        x = p[0] * c + (b * p[2] - g * p[1]) * s + a * along + cam[3]
        y = p[1] * c + (g * p[0] - a * p[2]) * s + b * along + cam[4]
        z = p[2] * c + (a * p[1] - b * p[0]) * s + g * along + cam[5]
        x, y = x / z, y / z
        n = x * x + y * y
        d = cam[6] * (1 + cam[7] * n + cam[8] * n * n)
        out[k, 0], out[k, 1] = x * d + cam[9], y * d + cam[10]
    return out


def by_casadi(
    function: Callable[[Any], Any], x: Any, derivative: Callable[[Any, Any], Any]
) -> dict[str, Callable[[], Any]]:
    """A derivative by CasADi, dense: called on an array, and into memory that is there already."""
    symbol = casadi.SX.sym("x", len(x))
    made = casadi.densify(derivative(function(symbol), symbol))
    f = casadi.Function("f", [symbol], [made])
    buffer, evaluate = f.buffer()
    out = np.zeros(made.shape[::-1])  # it has columns one after the other
    buffer.set_arg(0, memoryview(x))
    buffer.set_res(0, memoryview(out))
    return {"casadi": lambda: f(x), "casadi, memory given": lambda: (evaluate(), out, buffer)}


def gradient(y: Any, x: Any) -> Any:
    """CasADi's gradient."""
    return casadi.gradient(y, x)


def hessian(y: Any, x: Any) -> Any:
    """CasADi's Hessian."""
    return casadi.hessian(y, x)[0]
