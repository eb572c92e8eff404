"""Functions exported to C: through ctypes, through SciPy, and compiled into a program in C."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import LowLevelCallable, integrate, ndimage

import chainrule as cr
from chainrule.record.trees import flatten, tree_map

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_cc = pytest.mark.skipif(CC is None, reason="there is no C compiler")
rng = np.random.default_rng(0)

DERIVATIVES = (
    "value", "grad", "value_and_grad", "jacobian", "hessian", "hvp", "jvp", "vjp",
)  # fmt: skip


def rosenbrock(x: Any) -> Any:
    return cr.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def product(a: Any, x: Any) -> Any:
    return cr.sum(cr.tanh(a @ x) ** 2)


def integers(n: Any, x: Any, use: Any) -> Any:
    return cr.where(use, cr.sum(x) * x[n], x[0]) * cr.astype(n, cr.float32)


@dataclass
class Layer:
    """A layer of a network."""

    w: Any
    b: Any


def network(x: Any, layers: Any) -> Any:
    for layer in layers["hidden"]:
        x = cr.tanh(layer.w @ x + layer.b)
    return cr.sum(x * layers["out"])


def power(x: Any, n: int = 50) -> Any:
    y = x
    for _ in range(n):
        y = cr.sin(y) + x
    return cr.sum(y)


def newton(a: Any) -> Any:
    s = a
    while cr.abs(s * s - a) > 1e-12:
        s = 0.5 * (s + a / s)
    return s


def growing(x: Any) -> Any:
    total, k = x * 0.0, 0
    while total < 10.0:
        if total > 5.0:
            total = total + 2 * x
        else:
            total = total + x * x
        k = k + 1
    return total * k


def recurrent(x: Any, w: Any) -> Any:
    def step(h: Any, row: Any) -> Any:
        return cr.tanh(w @ h + row), cr.sum(h)

    h, sums = cr.scan(step, cr.zeros(w.shape[0]), x)
    return cr.sum(h) + cr.sum(sums * sums)


def masked(x: Any) -> Any:
    return cr.sum(cr.where(x > 0, cr.sqrt(x), 0.0))


def masked_product(a: Any, x: Any) -> Any:
    return cr.sum(cr.sqrt(cr.abs(a @ x)))


TABLE = rng.standard_normal((3, 7))


def with_constants(x: Any) -> Any:
    return cr.sum((x * TABLE) ** 2) + TABLE[0, 1]


def several(x: Any, y: Any) -> Any:
    return {"sum": x + y, "more": (cr.sum(x * y), cr.exp(y))}


ZERO_ROW = rng.standard_normal((40, 40))
ZERO_ROW[3], ZERO_ROW[:, 5] = 0, 0
LAYERS = {
    "hidden": [Layer(rng.standard_normal((4, 3)), np.ones(4)), Layer(np.eye(4) / 2, np.zeros(4))],
    "out": rng.standard_normal(4),
}

PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any, tuple[str, ...]]] = {
    "rosenbrock": (rosenbrock, (rng.standard_normal(5),), 0, DERIVATIVES),
    "number": (lambda x: cr.exp(-x * x), (0.7,), 0, DERIVATIVES),
    "numbers": (lambda x, y, z: x * y**z, (0.7, 1.5, 2.5), (0, 2), DERIVATIVES),
    "one_product": (product, (rng.standard_normal((3, 4)), np.ones(4)), (0, 1), DERIVATIVES),
    "large_product": (
        product, (rng.standard_normal((40, 50)), rng.standard_normal((50, 30))), (0, 1),
        ("value", "grad", "hvp", "jvp"),
    ),
    "float32": (lambda x: cr.sum(x**3), (np.float32([1, 2, 3]),), 0, DERIVATIVES),
    "integers": (integers, (1, np.float32([1, 2, 3]), True), 1, DERIVATIVES),
    "containers": (network, (np.ones(3), LAYERS), (0, 1), DERIVATIVES),
    "constants": (with_constants, (rng.standard_normal((3, 7)),), 0, DERIVATIVES),
    "for": (power, (rng.standard_normal(20),), 0, DERIVATIVES),
    "while": (newton, (2.0,), 0, ("value", "grad", "hessian", "jvp", "vjp")),
    "if": (growing, (1.3,), 0, ("value", "grad", "jvp", "vjp")),
    "scan": (recurrent, (rng.standard_normal((6, 4)), np.eye(4) / 3), (0, 1), DERIVATIVES),
    "masked": (masked, (np.array([1.0, 0.0, 2.0]),), 0, ("value", "grad", "vjp")),
    "masked_product": (
        masked_product, (ZERO_ROW, rng.standard_normal((40, 30))), (0, 1), ("value", "grad"),
    ),
    "several": (several, (np.ones(2), np.arange(2.0)), (0, 1), ("value", "jacobian", "jvp", "vjp")),
    "large": (
        lambda x: cr.sum(cr.softmax(x) * cr.flip(x)), (rng.standard_normal(5000),), 0,
        ("value", "grad"),
    ),
}  # fmt: skip
"""Name -> function, arguments, argnums, derivatives."""


def chosen(argnums: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(args[k] for k in ([argnums] if isinstance(argnums, int) else argnums))


def of_chosen(f: Any, argnums: Any, args: tuple[Any, ...]) -> Any:
    numbers = [argnums] if isinstance(argnums, int) else argnums

    def call(*parts: Any) -> Any:
        places = dict(zip(numbers, parts, strict=True))
        return f(*[places.get(k, a) for k, a in enumerate(args)])

    return call


def _ones(tree: Any) -> Any:
    return tree_map(lambda x: np.ones(np.shape(x), getattr(x, "dtype", float))[()], tree)


def expected(kind: str, f: Any, args: tuple[Any, ...], argnums: Any) -> tuple[list[Any], list[Any]]:
    """What is passed besides the arguments, and the results, computed without machine code."""
    parts, g = chosen(argnums, args), of_chosen(f, argnums, args)
    if kind == "value":
        return [], flatten(f(*args))[0]
    if kind in ("jvp", "hvp"):
        tangents = _ones(parts)
        return flatten(tangents)[0], flatten(getattr(cr, kind)(g, parts, tangents))[0]
    if kind == "vjp":
        value, pullback = cr.vjp(g, *parts)
        cotangents = _ones(value)
        return flatten(cotangents)[0], flatten((value, pullback(cotangents)))[0]
    return [], flatten(getattr(cr, kind)(f, argnums=argnums)(*args))[0]


def call(library: Any, name: str, given: list[Any], results: list[Any], more: list[Any]) -> Any:
    """Call a function; the results that it writes."""
    out = [np.full(np.shape(r), 7, np.asarray(r).dtype) for r in results]
    arrays = [np.ascontiguousarray(x) if np.ndim(x) else x for x in given]
    assert getattr(library, name)(*arrays, *out, *more) == 0
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_exported_equals_eager(name: str, tmp_path: Path) -> None:
    f, args, argnums, derivatives = PROGRAMS[name]
    made = cr.export(f, args, tmp_path / "f", derivatives=derivatives, argnums=argnums)
    library, header = made.load(), made.header.read_text()
    for kind in derivatives:
        besides, results = expected(kind, f, args, argnums)
        entry = "f" if kind == "value" else f"f_{kind}"
        more = [None] if f"{entry.upper()}_WORKSPACE" in header else []
        got = call(library, entry, [*flatten(args)[0], *besides], results, more)
        for a, b in zip(got, results, strict=True):
            assert a.dtype == np.asarray(b).dtype
            tolerance = 1e-5 if a.dtype == np.float32 else 1e-9
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=kind)


def test_programs_need_both_ways_of_keeping_temporaries(tmp_path: Path) -> None:
    """The test above would not see the other otherwise. Memory that is given is used."""
    f, args, argnums, derivatives = PROGRAMS["large"]
    made = cr.export(f, args, tmp_path / "f", derivatives=derivatives, argnums=argnums)
    text = made.header.read_text()
    size = int(text.split("F_GRAD_WORKSPACE ")[-1].split()[0])
    assert size > 16384
    assert "void *workspace" in made.prototypes[1]
    memory = np.zeros(size, np.uint8)
    (got,) = call(made.load(), "f_grad", list(args), list(args), [memory.ctypes.data])
    np.testing.assert_allclose(got, cr.grad(f)(*args), rtol=1e-9)
    assert memory.any()


def test_names_come_from_paths(tmp_path: Path) -> None:
    made = cr.export(
        network, (np.ones(3), LAYERS), tmp_path / "net", derivatives=["value", "grad"], argnums=1
    )
    leaves = ["hidden_0_w", "hidden_0_b", "hidden_1_w", "hidden_1_b", "out"]
    given = ", ".join(f"const double *layers_{leaf}" for leaf in leaves)
    wanted = ", ".join(f"double *grad_layers_{leaf}" for leaf in leaves)
    assert made.prototypes == (
        f"int net(const double *x, {given}, double *out)",
        f"int net_grad(const double *x, {given}, {wanted})",
    )
    assert "#define NET_SIZE_layers_hidden_0_w 12\n" in made.header.read_text()
    assert "in  layers_hidden_0_w: double[4][3]\n" in made.header.read_text()
    assert repr(made).splitlines() == [
        ", ".join(str(p) for p in (made.header, made.object, made.library) if p),
        *[f"  {p};" for p in made.prototypes],
    ]


def test_names_that_c_does_not_have(tmp_path: Path) -> None:
    def f(double: Any, x: Any, out: Any) -> Any:
        return {"x y": double * x, "x_y": out + x, 3: x}

    made = cr.export(f, (1.0, np.float32(2), 3), tmp_path / "f")
    results = "float *out_x_y, float *out_x_y_, float *out_3"
    assert made.prototypes == (f"int f(double double_, float x, int64_t out, {results})",)


def test_codes(tmp_path: Path) -> None:
    """What goes wrong is told by the result."""
    x, out = np.arange(4.0), np.empty(())
    made = cr.export(lambda x, i: x[i], (x, 1), tmp_path / "pick")
    library = made.load()
    assert library.pick(x, 2, out) == 0
    assert out == 2.0
    assert library.pick(x, 9, out) == 1
    assert "#define PICK_OUT_OF_RANGE 1 " in made.header.read_text()

    def forever(x: Any) -> Any:
        return cr.while_loop(lambda s: s > 0, lambda s: s + 1, x, max_iterations=10)

    made = cr.export(forever, 1.0, tmp_path / "loop", derivatives=["value", "grad"])
    library = made.load()
    assert library.loop(-1.0, out) == 0
    assert library.loop(1.0, out) == 8
    assert library.loop_grad(1.0, out) == 8
    assert "#define LOOP_TOO_LONG 8 " in made.header.read_text()


# --- in C ----------------------------------------------------------------------------------------

MAIN = r"""
#include <stdio.h>
#include <stdlib.h>
#include "f.h"

int main(void) {
    double x[F_SIZE_x], value, gradient[F_SIZE_grad_x], hessian[F_SIZE_hessian_x];
    for (int i = 0; i < F_SIZE_x; i++) x[i] = 0.25 * i - 0.5;
    if (f(x, &value) != F_OK) return 1;
    if (f_grad(x, gradient) != F_OK) return 1;
    if (f_hessian(x, hessian) != F_OK) return 1;
    printf("%.17g\n", value);
    for (int i = 0; i < F_SIZE_grad_x; i++) printf("%.17g\n", gradient[i]);
    for (int i = 0; i < F_SIZE_hessian_x; i++) printf("%.17g\n", hessian[i]);
    return 0;
}
"""


def compiled(folder: Path, source: str, name: str = "f", language: str = "c") -> str:
    """What a program in C prints. Warnings of the compiler are errors."""
    assert CC is not None
    (folder / "main.c").write_text(source)
    command = [CC, "-x", language, "-Wall", "-Wextra", "-Werror", "-pedantic", "main.c"]
    command += ["-x", "none", "-o", "main", f"{name}.o", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    run = subprocess.run([folder / "main"], capture_output=True, text=True, check=True)
    return run.stdout


def numbers(printed: str) -> list[float]:
    return [float(word) for word in printed.split()]


@needs_cc
@pytest.mark.parametrize("cpu", ["native", "generic"])
@pytest.mark.parametrize("language", ["c", "c++"])
def test_a_program_in_c(tmp_path: Path, cpu: str, language: str) -> None:
    x = 0.25 * np.arange(6) - 0.5
    cr.export(rosenbrock, x, tmp_path / "f", derivatives=["value", "grad", "hessian"], cpu=cpu)
    got = numbers(compiled(tmp_path, MAIN, language=language))
    want = [rosenbrock(x), *cr.grad(rosenbrock)(x), *cr.hessian(rosenbrock)(x).ravel()]
    np.testing.assert_allclose(got, want, rtol=1e-13)


@needs_cc
def test_the_program_of_the_documentation(tmp_path: Path) -> None:
    """It prints what the page says."""
    page = (Path(__file__).parents[1] / "docs" / "export.md").read_text(encoding="utf-8")
    source = re.findall(r"^```c\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    printed = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    kinds = ["value", "grad", "hessian"]
    cr.export(rosenbrock, np.ones(2), tmp_path / "banana", derivatives=kinds)
    assert compiled(tmp_path, source, "banana") == printed


def test_a_generic_processor_is_not_asked_for_more(tmp_path: Path) -> None:
    """Without FMA in hardware, C's slow function is not called for it; nor are wide vectors."""
    f = lambda x: cr.sum(cr.exp(x) * cr.sin(x))  # noqa: E731
    x = rng.standard_normal(100)
    made = cr.export(f, x, tmp_path / "f", cpu="generic")
    assert b"fma" not in made.object.read_bytes()
    (got,) = call(made.load(), "f", [x], [0.0], [])
    np.testing.assert_allclose(got, f(x), rtol=1e-13)


BLAS = r"""
#include <stdio.h>
#include "f.h"

static int calls = 0;

void dgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k,
            const double *alpha, const double *a, const int *la, const double *b, const int *lb,
            const double *beta, double *c, const int *lc) {
    calls++;
    for (int i = 0; i < *m; i++)
        for (int j = 0; j < *n; j++) {
            double total = 0;
            for (int l = 0; l < *k; l++)
                total += (*ta == 'N' ? a[i + l * *la] : a[l + i * *la]) *
                         (*tb == 'N' ? b[l + j * *lb] : b[j + l * *lb]);
            c[i + j * *lc] = *alpha * total + (*beta == 0 ? 0 : *beta * c[i + j * *lc]);
        }
}

int main(void) {
    static double a[F_SIZE_a], x[F_SIZE_x], grad_a[F_SIZE_grad_a], grad_x[F_SIZE_grad_x];
    for (int i = 0; i < F_SIZE_a; i++) a[i] = (i % 7) * 0.01;
    for (int i = 0; i < F_SIZE_x; i++) x[i] = (i % 5) * 0.02 - 0.03;
    if (f_grad(a, x, grad_a, grad_x, 0) != F_OK) return 1;
    printf("%d\n", calls);
    for (int i = 0; i < F_SIZE_grad_a; i++) printf("%.17g\n", grad_a[i]);
    for (int i = 0; i < F_SIZE_grad_x; i++) printf("%.17g\n", grad_x[i]);
    return 0;
}
"""


@needs_cc
def test_products_by_a_blas_that_is_linked(tmp_path: Path) -> None:
    a = (np.arange(2000) % 7 * 0.01).reshape(40, 50)
    x = (np.arange(1500) % 5 * 0.02 - 0.03).reshape(50, 30)
    made = cr.export(
        product, (a, x), tmp_path / "f", derivatives="grad", argnums=(0, 1), blas="symbols"
    )
    assert made.library is None
    with pytest.raises(cr.ArgumentError, match="no shared library"):
        made.load()
    assert "Link with -lm and a BLAS library." in made.header.read_text()
    calls, *got = numbers(compiled(tmp_path, BLAS))
    want = cr.grad(product, argnums=(0, 1))(a, x)
    assert calls == 3
    np.testing.assert_allclose(got, [*want[0].ravel(), *want[1].ravel()], rtol=1e-9)


# --- SciPy ---------------------------------------------------------------------------------------


def bell(x: Any, mean: Any, scale: Any) -> Any:
    return cr.exp(-(((x - mean) / scale) ** 2))


def test_quad_and_nquad(tmp_path: Path) -> None:
    made = cr.export(
        bell, (0.0, 0.0, 1.0), tmp_path / "bell",
        derivatives=["value", "grad"], argnums=2, low_level="integrand",
    )  # fmt: skip
    library = made.load()
    value = integrate.quad(LowLevelCallable(library.bell_integrand), -np.inf, np.inf, (1.0, 2.0))
    np.testing.assert_allclose(value[0], 2 * np.sqrt(np.pi))
    slope = integrate.quad(
        LowLevelCallable(library.bell_grad_integrand), -np.inf, np.inf, (1.0, 2.0)
    )
    np.testing.assert_allclose(slope[0], np.sqrt(np.pi))

    made = cr.export(lambda x: x[0] * x[1] ** 2, np.ones(2), tmp_path / "g", low_level="integrand")
    area = integrate.nquad(LowLevelCallable(made.load().g_integrand), [(0, 1), (0, 2)])
    np.testing.assert_allclose(area[0], 4 / 3)
    wrong = made.load().g_integrand
    assert np.isnan(wrong(3, (wrong.argtypes[1]._type_ * 3)(), None))


def test_a_function_of_one_number(tmp_path: Path) -> None:
    made = cr.export(
        newton, 1.0, tmp_path / "root", derivatives=["value", "grad"], low_level="scalar"
    )
    library = made.load()
    np.testing.assert_allclose(library.root_scalar(9.0), 3.0)
    np.testing.assert_allclose(library.root_grad_scalar(9.0), 1 / 6)
    integral = integrate.quad(LowLevelCallable(library.root_scalar), 1.0, 4.0)
    np.testing.assert_allclose(integral[0], 14 / 3)


def test_ndimage(tmp_path: Path) -> None:
    image = rng.standard_normal((7, 8))
    spread = lambda x: cr.max(x) - cr.min(x)  # noqa: E731
    made = cr.export(spread, np.ones(9), tmp_path / "spread", low_level="filter")
    got = ndimage.generic_filter(image, LowLevelCallable(made.load().spread_filter), size=3)
    want = ndimage.generic_filter(image, lambda x: x.max() - x.min(), size=3)
    np.testing.assert_array_equal(got, want)

    made = cr.export(
        lambda x: x[2:] - x[:-2], np.ones(10), tmp_path / "central", low_level="line_filter"
    )
    line = LowLevelCallable(made.load().central_line_filter)
    got = ndimage.generic_filter1d(image, line, 3)
    want = ndimage.correlate1d(image, [-1, 0, 1])
    np.testing.assert_allclose(got, want)

    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    made = cr.export(lambda p: turn @ p + 1.5, np.ones(2), tmp_path / "turn", low_level="mapping")
    got = ndimage.geometric_transform(image, LowLevelCallable(made.load().turn_mapping))
    want = ndimage.affine_transform(image, turn, 1.5)
    np.testing.assert_allclose(got, want)


# --- what cannot be ------------------------------------------------------------------------------


def test_rows_that_numpy_runs_are_named(tmp_path: Path) -> None:
    with pytest.raises(cr.MissingMachineCode, match=r"no machine code for solve.*Compute it"):
        cr.export(lambda a, b: np.linalg.solve(a, b), (np.eye(30), np.ones(30)), tmp_path / "f")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "arguments", "options", "error", "words"),
    [
        ("none/f", 1.0, {}, cr.ArgumentError, "there is no folder .*none"),
        ("f.o", 1.0, {}, cr.ArgumentError, "'f.o' .* no identifier in C"),
        ("double", 1.0, {}, cr.ArgumentError, "no identifier in C"),
        ("malloc", 1.0, {"low_level": "scalar"}, None, ""),
        ("f", "text", {}, cr.DtypeError, "an argument is a str, which is no array; give it"),
        ("f", 1j, {}, cr.DtypeError, "x is complex128, for which there is no type in C"),
        ("f", np.float16(1), {}, cr.DtypeError, "float16"),
        ("f", 1.0, {"derivatives": "slope"}, cr.ArgumentError, "derivatives='slope' is none of"),
        ("f", 1.0, {"low_level": "slow"}, cr.ArgumentError, "low_level='slow' is none of"),
        ("f", 1.0, {"low_level": "filter"}, cr.ArgumentError, "wants one array of doubles"),
        ("f", 1.0, {"blas": "mine"}, cr.ArgumentError, "blas='mine'"),
        ("f", 1.0, {"cpu": "z80"}, cr.ArgumentError, "cpu='z80' is none of 'native', 'generic'"),
        ("f", 1, {"derivatives": "grad"}, cr.DtypeError, "grad"),
        ("f", 1.0, {"derivatives": "grad", "argnums": 3}, cr.ArgumentError, "grad"),
        ("f", np.ones(2), {"derivatives": "grad"}, cr.ShapeError, "grad"),
    ],
)
def test_errors(
    name: str, arguments: Any, options: Any, error: Any, words: str, tmp_path: Path
) -> None:
    def f(x: Any) -> Any:
        return x * 2

    if error is None:
        assert cr.export(f, arguments, tmp_path / name, **options).name == name
        return
    with pytest.raises(error, match=words) as caught:
        cr.export(f, arguments, tmp_path / name, **options)
    assert Path(__file__).name in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_names_of_c_that_the_code_needs(tmp_path: Path) -> None:
    with pytest.raises(cr.ArgumentError, match="'free' is the name of another function"):
        cr.export(lambda x: cr.sum(cr.softmax(x) * x), np.ones(5000), tmp_path / "free")


def test_a_value_of_an_enclosing_trace(tmp_path: Path) -> None:
    with pytest.raises(cr.TracedValueError, match="a traced value from outside"):
        cr.jit(lambda y: cr.export(lambda x: x * y, 1.0, tmp_path / "f"))(2.0)


def test_tensors_from_outside_are_constants(tmp_path: Path) -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    made = cr.export(lambda x: cr.sum(w * x), np.ones(2), tmp_path / "f", derivatives="grad")
    (got,) = call(made.load(), "f_grad", [np.ones(2)], [np.ones(2)], [])
    np.testing.assert_array_equal(got, [1.0, 2.0])


def test_partial_and_methods(tmp_path: Path) -> None:
    made = cr.export(functools.partial(power, n=3), np.ones(2), tmp_path / "f")
    (got,) = call(made.load(), "f", [np.ones(2)], [0.0], [])
    np.testing.assert_allclose(got, power(np.ones(2), 3))


def test_exported_again(tmp_path: Path) -> None:
    """A library that is loaded is not overwritten but replaced."""
    libraries = []
    for k in (2.0, 3.0):
        made = cr.export(lambda x, k=k: k * x, 1.0, tmp_path / "f")
        libraries.append(made.load())
    for k, library in zip((2.0, 3.0), libraries, strict=True):
        assert call(library, "f", [1.0], [1.0], [])[0] == k


def test_without_a_linker(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    made = cr.export(lambda x: x, 1.0, tmp_path / "f")
    assert made.library is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.h", "f.o"]


def test_no_python_is_in_it(tmp_path: Path) -> None:
    """Object files name no function of Python's."""
    f, args, argnums, derivatives = PROGRAMS["while"]
    made = cr.export(f, args, tmp_path / "f", derivatives=derivatives, argnums=argnums)
    assert b"Py" not in made.object.read_bytes()
