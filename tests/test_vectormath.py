"""The compiled elementary functions: errors in ulp, special values, agreement of forms."""

from __future__ import annotations

import doctest
import re
import runpy
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from vectormathpage import CASES, errors, exact, good, largest_error, lines, points

from chainrule.codegen import vectormath
from chainrule.codegen.engine import host
from chainrule.codegen.vectormath import FORMULAS, function
from chainrule.codegen.vectormath.huge import SYMBOL
from chainrule.codegen.vectormath.huge import TABLE as DIGITS
from chainrule.codegen.vectormath.kernel import Kernel, assembly, compiled
from chainrule.ops.table import TABLE

FORMS = [
    (bits, lanes, fma, avx512)
    for bits, wide in ((64, 8), (32, 16))
    for lanes, fma, avx512 in (
        (1, True, False),
        (4, False, False),
        (wide, True, False),
        *([(1, True, True), (wide, True, True)] if host().avx512 else []),
    )
]
"""(bits, lanes, fused multiply-add, instructions of AVX-512)."""
WIDE = {64: (64, 8, True, False), 32: (32, 16, True, False)}


Kernels = dict[tuple[int, int, bool, bool], dict[str, Kernel]]


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    """All functions in all forms, a module for each form."""
    return {
        form: compiled(FORMULAS, form[0], form[1], fma=form[2], avx512=form[3])[0] for form in FORMS
    }


def test_every_function_is_tested_and_is_a_row() -> None:
    """The tests below loop over the cases."""
    assert set(CASES) == set(FORMULAS)
    assert set(FORMULAS) - set(TABLE) == {"sincos", "rsqrt"}


@pytest.mark.parametrize("name", CASES)
def test_error(name: str, kernels: Kernels) -> None:
    """At most the bound, and at most what the page says, in every form."""
    for bits, allowed in zip((64, 32), lines()[name], strict=True):
        operands = points(name, f"f{bits // 8}", 150 if bits == 64 else 10_000)
        assert len(operands[0]) > 300
        expected = (exact if bits == 64 else good)(name, operands)
        for form in FORMS:
            if form[0] == bits:
                error = largest_error(name, kernels[form][name], operands, expected)
                assert error <= allowed <= CASES[name].bound, (form, error)


# --- special values -------------------------------------------------------------------------------

SPECIAL = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    np.inf,
    -np.inf,
    np.nan,
    2.0,
    -2.0,
    3.0,
    -3.0,
    1.5,
    -1.5,
)
EXTREMES = (1e-45, -1e-45, 3e38, -3e38, 2.0**24 - 1, 1 - 2.0**24, 2.0**25, -(2.0**25), 88.8, -104.5)
DOUBLES = (5e-324, -5e-324, 1.7e308, -1.7e308, 2.0**53 - 1, 1 - 2.0**53, 709.9, -746.0, 711.0, 1e22)


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_values(name: str, bits: int, kernels: Kernels) -> None:
    """Zeros with their signs, infinities and NaN are NumPy's, out of range and domain as well."""
    values = [*SPECIAL, *EXTREMES, *(DOUBLES if bits == 64 else ())]
    arity = len(function(name, bits).operands)
    columns = np.array(list(product(values, repeat=arity)), f"f{bits // 8}").T
    expected = np.atleast_2d(CASES[name].good(*columns.astype(float))).astype(columns.dtype)
    if name == "log_sigmoid":
        expected[expected == 0] = -0.0  # -log(1 + 0), where SciPy has 0 or -0 by the operand
    for form in FORMS:
        if form[0] != bits:
            continue
        found = np.atleast_2d(kernels[form][name](*columns))
        assert found.shape == expected.shape
        exactly = ~np.isfinite(expected) | (expected == 0)
        wrong = np.where(
            exactly,
            ~same(found, expected),
            ~np.isclose(found, expected, rtol=20 * np.finfo(found.dtype).eps, atol=0),
        )
        assert not wrong.any(), (form, columns[:, wrong.any(0)], found[wrong], expected[wrong])


def same(a: Any, b: Any) -> Any:
    """Equal, signs of zeros included; NaN equals NaN."""
    return ((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))


@pytest.mark.parametrize("bits", [64, 32])
def test_powers_that_are_exact(bits: int, kernels: Kernels) -> None:
    """Squares of integers, powers of two, and their logarithms come out exactly."""
    dtype = np.dtype(f"f{bits // 8}")
    f = kernels[WIDE[bits]]
    n = np.arange(-1000, 1001).astype(dtype)
    least, most = (-1074, 1023) if bits == 64 else (-149, 127)
    k = np.arange(least, most + 1).astype(dtype)
    powers = np.exp2(k.astype(np.longdouble)).astype(dtype)

    np.testing.assert_array_equal(f["power"](n, np.full_like(n, 2)), n * n)
    np.testing.assert_array_equal(f["power"](np.full_like(k, 2), k), powers)
    np.testing.assert_array_equal(f["exp2"](k), powers)
    np.testing.assert_array_equal(f["log2"](powers), k)
    np.testing.assert_array_equal(f["log10"]((10.0 ** np.arange(11)).astype(dtype)), np.arange(11))
    np.testing.assert_array_equal(f["cbrt"](n**3), n)


# --- forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_vectors_and_scalars_agree(name: str, kernels: Kernels) -> None:
    """Bit by bit, with the same arithmetic."""
    for bits in (64, 32):
        operands = points(name, f"f{bits // 8}", 200)
        for form in FORMS:
            if form[0] == bits and form[2]:
                one = kernels[bits, 1, True, form[3]][name](*operands)
                assert same(one, kernels[form][name](*operands)).all()


def test_lanes_do_not_disturb_each_other(kernels: Kernels) -> None:
    """A huge argument of sin takes the rare path for its own lane only."""
    x = np.array([0.5, 1e300, -0.0, np.inf, 1e22, np.nan, -(2.0**1000), 3.0])
    y = kernels[WIDE[64]]["sin"](x)

    finite = np.isfinite(x)
    np.testing.assert_allclose(y[finite], np.sin(x[finite]), rtol=1e-15)
    assert np.isnan(y[~finite]).all()
    assert np.signbit(y[2])


def test_an_odd_number_of_lanes() -> None:
    """Any width will do."""
    x = np.linspace(-3, 3, 30)
    names = ["exp", "sin", "erf"]
    kernels, _ = compiled(names, 64, 3)

    for name in names:
        expected = exact(name, [x])
        assert errors(np.atleast_2d(kernels[name](x)), *expected).max() < 2


def test_branches_in_the_trigonometric_functions_only() -> None:
    """The rest are straight lines, and only the rare path is called."""
    for name, bits in product(FORMULAS, (64, 32)):
        f = function(name, bits, 4)
        trigonometric = name in {"sin", "cos", "sincos", "tan"}
        needed = {s for s in f.definitions if not s.startswith("llvm.")} - {f.symbol}
        assert needed == ({SYMBOL, DIGITS} if trigonometric else set())
        assert ("  br " in f.definitions[f.symbol]) == trigonometric


@pytest.mark.parametrize(
    ("triple", "cpu", "fma", "lanes"),
    [
        ("x86_64-unknown-linux-gnu", "x86-64", False, 2),
        ("x86_64-unknown-linux-gnu", "haswell", True, 4),
        ("x86_64-pc-windows-msvc", "skylake-avx512", True, 8),
        ("aarch64-unknown-linux-gnu", "generic", True, 2),
        ("arm64-apple-macosx", "apple-m1", True, 1),
    ],
)
@pytest.mark.parametrize("bits", [64, 32])
def test_no_processor_needs_the_c_library(
    triple: str, cpu: str, fma: bool, lanes: int, bits: int
) -> None:
    """Every intrinsic used becomes instructions."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip(f"LLVM is built without {triple}")
    machine = target.create_target_machine(cpu=cpu, codemodel="small")
    code = machine.emit_assembly(llvm.parse_assembly(assembly(FORMULAS, bits, lanes, fma=fma)))
    called = set(re.findall(r"^\s+(?:callq?|bl|b|jmp)\s+\"?([A-Za-z_][\w.]*)", code, re.MULTILINE))

    assert any("chainrule" in symbol for symbol in called)
    assert {s for s in called if "chainrule." not in s and not s.startswith("LBB")} == set()


def test_coefficients_are_what_the_tool_computes() -> None:
    """The module is written by it, to the letter."""
    tool = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "minimax.py"))

    assert tool["PAGE"].read_text(encoding="utf-8") == tool["page"]()


def test_examples() -> None:
    """Those of docstrings."""
    found = doctest.testmod(vectormath)

    assert found.attempted > 0
    assert found.failed == 0


def test_importing_chainrule_does_not_import_llvmlite() -> None:
    """Nor does the package of formulas: it writes text."""
    program = (
        "import sys, chainrule, chainrule.codegen.vectormath; assert 'llvmlite' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
