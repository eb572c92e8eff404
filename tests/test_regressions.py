"""Mistakes that were found once, each with a test that fails where it is made again."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph.node import hooked
from chainrule.transforms.backward import gradients

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

inf = np.inf
special = cr.special


def derivatives(function: Callable[..., Any], *at: Any) -> list[Any]:
    """The gradient of a function of numbers or arrays, and each row of its Hessian."""
    xs = [cr.tensor(np.asarray(x, float), requires_grad=True) for x in at]
    y = function(*xs)
    first = gradients([y], xs, [np.ones(np.shape(y))], allow_unused=True, create_graph=True)
    rows = [
        gradients([g], xs, [np.ones(np.shape(g))], allow_unused=True, retain_graph=True)
        if g is not None and g._node is not None
        else [None] * len(xs)
        for g in first
    ]
    return [_numbers(first), *map(_numbers, rows)]


def _numbers(tensors: Any) -> list[Any]:
    return [0.0 if t is None else np.asarray(t._value).tolist() for t in tensors]


# --- zero times infinity had lost a second derivative -------------------------------------------


def test_rel_entr_and_kl_div_have_their_mixed_second_derivative_where_a_is_zero() -> None:
    """-1 / b, which went through the infinite slope of log(a / b) at 0."""
    for function in (special.rel_entr, special.kl_div):
        _, by_a, by_b = derivatives(function, 0.0, 4.0)
        assert by_a[1] == by_b[0] == -0.25
    assert derivatives(special.rel_entr, 2.0, inf)[1][0] == 0.5


def test_gammainc_has_its_second_derivative_at_zero() -> None:
    """The density x^(a-1) e^-x / gamma(a) at 0 has slope 1 for a = 2 and -1 for a = 1."""
    for a, slope in ((1.0, -1.0), (2.0, 1.0), (3.0, 0.0)):
        assert derivatives(lambda x, a=a: special.gammainc(a, x), 0.0)[1] == [slope]
        assert derivatives(lambda x, a=a: special.gammaincc(a, x), 0.0)[1] == [-slope]


def test_betainc_has_its_second_derivative_at_both_ends() -> None:
    """I_x(2, 2) = 3 x^2 - 2 x^3, so that the second derivative is 6 - 12 x."""
    for x, slope in ((0.0, 6.0), (1.0, -6.0)):
        (second,) = derivatives(lambda x: special.betainc(2.0, 2.0, x), x)[1]
        np.testing.assert_allclose(second, slope)


# --- NaN where there is a limit -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "at", "first"),
    [
        (cr.hypot, (inf, 1.0), [1.0, 0.0]),
        (cr.hypot, (-2.0, -inf), [0.0, -1.0]),
        (cr.atan2, (inf, 1.0), [0.0, 0.0]),
        (cr.atan2, (1.0, -inf), [0.0, 0.0]),
        (special.silu, (inf,), [1.0]),
        (special.silu, (-inf,), [0.0]),
        (special.i1e, (inf,), [0.0]),
        (special.k1e, (inf,), [0.0]),
        (cr.logsumexp, ([inf, 0.0],), [[1.0, 0.0]]),
        (cr.logsumexp, ([inf, inf],), [[0.5, 0.5]]),
    ],
)
def test_derivatives_at_infinity(function: Any, at: tuple[Any, ...], first: list[Any]) -> None:
    """The limit of the first, and zero for the second."""
    found, *second = derivatives(function, *at)
    assert found == first
    assert not np.any(
        np.nan_to_num(np.concatenate([np.ravel(r) for row in second for r in row]), nan=1.0)
    )


def test_second_derivatives_at_infinity() -> None:
    """`log_ndtr` and the scaled Bessel function are flat there."""
    assert derivatives(special.log_ndtr, inf)[1] == [0.0]
    assert derivatives(special.i0e, inf)[1] == [0.0]


def test_logsumexp_with_an_infinite_row_beside_a_finite_one() -> None:
    """Only the infinite row is shared among its infinite elements."""
    x = cr.tensor([[inf, 1.0, inf], [0.0, 0.0, 0.0]], requires_grad=True)
    cr.logsumexp(x, axis=1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]])


def test_scaled_bessel_functions_vanish_at_infinity() -> None:
    """SciPy's are NaN there from order 2 on."""
    assert special.ive(2, inf) == special.ive(2, -inf) == special.kve(2, inf) == 0


# --- second derivatives at a corner -------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (cr.hypot, (0.0, 0.0)),
        (cr.atan2, (0.0, 0.0)),
        (lambda x, y: cr.std(cr.stack([x, y])), (1.0, 1.0)),
        (special.xlogy, (0.0, 0.0)),
        (special.xlog1py, (0.0, -1.0)),
    ],
)
def test_the_hessian_is_zero_where_the_gradient_is_zero_by_convention(
    function: Any, at: Any
) -> None:
    """It had entries of the formula that holds elsewhere, and was not symmetric."""
    for row in derivatives(function, *at):
        assert not np.any(np.concatenate([np.ravel(r) for r in row]))


# --- partial derivatives in the lower of two precisions -----------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        cr.divide,
        cr.power,
        special.xlogy,
        special.xlog1py,
        special.gammainc,
        special.rel_entr,
        cr.atan2,
    ],
)
@pytest.mark.parametrize("wide", [0, 1])
def test_mixed_precision(function: Any, wide: int) -> None:
    """The gradient of a float64 operand beside a float32 one has the digits of float64."""

    def gradient(*operands: Any) -> Any:
        leaves = [cr.tensor(x, requires_grad=True) for x in operands]
        function(*leaves).sum().backward()
        return leaves[wide].grad.numpy()

    narrow = [np.array([0.7, 1.3], np.float32), np.array([0.3, 1.9], np.float32)]
    narrow[wide] = narrow[wide] + np.array([1e-9, 1e-9])
    exact = gradient(*[x.astype(np.float64) for x in narrow])
    found = gradient(*narrow)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, exact, rtol=1e-13)


# --- a gradient shared memory with a value, or with another gradient -----------------------------


def variable(data: Any) -> Any:
    return cr.tensor(data, requires_grad=True)


def test_a_gradient_may_be_changed_without_changing_a_value() -> None:
    """The gradient of sum(a b) by a is b: not b's own memory."""
    a, b = variable([1.0, 2.0]), variable([3.0, 4.0])
    g, h = gradients([(a * b).sum()], [a, a])
    g += 1
    assert b.tolist() == h.tolist() == [3.0, 4.0]
    x = variable(np.ones((2, 3)))
    (g,) = gradients([x.mean(0).sum()], [x])
    g += 1  # it was a broadcast view, which cannot be written


def test_recorded_gradients_do_not_share_memory() -> None:
    a, b = variable([1.0, 2.0]), variable([3.0, 4.0])
    ones = cr.tensor([1.0, 1.0])
    (a + b).backward(ones, create_graph=True)
    a.grad.zero_()
    assert b.grad.tolist() == ones.tolist() == [1.0, 1.0]
    g, h = gradients([a + b], [a, b], [ones], create_graph=True)
    g += 1
    assert h.tolist() == ones.tolist() == [1.0, 1.0]
    a.grad = None
    (a.reshape(2, 1) ** 2).sum().backward(create_graph=True)
    a.grad *= 2  # no view, whatever the last step of the walk was
    assert a.grad.tolist() == [4.0, 8.0]


def test_accumulating_in_a_gradient_that_was_kept_is_noticed() -> None:
    x, w = variable([1.0, 2.0]), variable([1.0, 1.0])
    (x**2).sum().backward()
    kept = (w * x.grad).sum()
    (x**2).sum().backward()
    with pytest.raises(cr.GraphError, match="changed in place by `backward`"):
        kept.backward()


def test_retained_gradients_have_memory_of_their_own() -> None:
    x = variable([1.0, 2.0])
    a, b = x * 1, x * 2
    a.retain_grad()
    b.retain_grad()
    (a + b).sum().backward()
    a.grad.zero_()
    assert b.grad.tolist() == [1.0, 1.0]


# --- hooks ---------------------------------------------------------------------------------------


def test_the_retained_gradient_is_the_one_hooks_leave() -> None:
    x = variable([1.0])
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert y.grad.tolist() == [10.0]


def test_a_hook_must_return_a_gradient_of_the_same_shape_and_dtype() -> None:
    for wrong in (0.0, cr.tensor([1.0]), np.ones((2, 2))):
        x = variable([1.0, 2.0])
        x.register_hook(lambda g, wrong=wrong: wrong)
        with pytest.raises(cr.ShapeError, match="the hook returned shape"):
            (3 * x).sum().backward()
    x = variable(np.float32([1.0, 2.0]))
    x.register_hook(lambda g: g.astype(np.float64))
    (3 * x).sum().backward()
    assert x.grad.dtype == np.float32
    x = variable([1.0, 2.0])
    x.register_hook(lambda g: g * 1j)
    with pytest.raises(cr.DtypeError, match="the hook returned dtype"):
        (3 * x).sum().backward()


def test_a_hook_that_holds_its_tensor_dies_with_it() -> None:
    before = len(hooked)
    y = variable(np.zeros(3)) * 2
    alive = weakref.ref(y)
    y.register_hook(lambda g, y=y: None)
    del y
    gc.collect()
    assert alive() is None
    assert len(hooked) == before


# --- in-place changes that went unnoticed --------------------------------------------------------


def test_an_index_by_arrays_gives_no_view() -> None:
    """NumPy gives a[:, [0, 1]] a base though it is a copy."""
    x = variable(np.ones((2, 3)))
    y = x * 1
    z = y[:, [0, 1]]
    z *= 2
    (y.sum() + z.sum()).backward()
    assert y.tolist() == [[1.0] * 3] * 2
    assert x.grad.tolist() == [[3.0, 3.0, 1.0]] * 2


@pytest.mark.parametrize(
    "view", [lambda y: cr.split(y, 2)[0], lambda y: cr.unstack(y)[1], lambda y: y.squeeze()]
)
def test_views_that_several_results_are_or_the_whole_is(view: Callable[[Any], Any]) -> None:
    """np.squeeze returns its very argument where there is nothing to squeeze."""
    y = variable(np.ones((2, 2))) * 1
    v = view(y)
    with pytest.raises(cr.GraphError, match="in-place change of a view"):
        v *= 2
    assert y.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_results_of_an_operation_with_several_are_protected() -> None:
    q, r = np.linalg.qr(variable([[1.0, 2.0], [3.0, 4.0]]))
    q *= 0
    with pytest.raises(cr.GraphError, match="`qr` needs"):
        r.sum().backward()


@pytest.mark.parametrize("of_leaf", [True, False])
def test_an_index_changed_since_is_noticed(of_leaf: bool) -> None:
    x, i = variable([1.0, 2.0, 3.0]), cr.tensor([0])
    y = x * 1
    if of_leaf:
        y = x[i]
    else:
        y[i] = 0.0
    i += 1
    with pytest.raises(cr.GraphError, match="needs an index or option that was changed"):
        y.sum().backward()


def test_a_numpy_function_that_writes_is_noticed() -> None:
    for write in (
        lambda c: np.copyto(c, 5.0),
        lambda c: np.put(c, [0], 5.0),
        lambda c: np.add.at(c, [0], 5.0),
    ):
        c, x = cr.tensor([1.0, 2.0]), variable([1.0, 1.0])
        y = (x * c).sum()
        write(c)
        with pytest.raises(cr.GraphError, match="changed in place"):
            y.backward()


def test_results_that_no_wanted_rule_reads_may_be_changed() -> None:
    """The derivative of x ** b reads the power for b only, that of x / b never the quotient."""
    for function in (lambda x: x / 2.0, lambda x: x**2, lambda x: x / np.array([2.0, 2.0])):
        x = variable([1.0, 1.0])
        expected = gradients([function(x).sum()], [x])[0].tolist()
        y = function(x)
        y += 1
        y.sum().backward()
        assert x.grad.tolist() == expected
    x, b = variable([1.0, 1.0]), variable([2.0, 2.0])
    y = x**b
    y += 1
    with pytest.raises(cr.GraphError, match="`power` needs"):
        y.sum().backward()


def test_an_element_can_be_put_back() -> None:
    for x in (cr.tensor([1.0, 2.0]), variable([1.0, 2.0]) * 1):
        before = x[0]
        x[0] = 5.0
        x[0] = before
        assert x.tolist() == [1.0, 2.0]


def test_a_value_with_leading_axes_of_size_one_is_stored() -> None:
    x, v = variable(np.ones((2, 3))), variable([[2.0]])
    y = x * 1
    y[0] = v
    (y * np.arange(6.0).reshape(2, 3)).sum().backward()
    assert v.grad.tolist() == [[3.0]]


# --- requires_grad and recording -----------------------------------------------------------------


def test_freezing_keeps_the_gradient_and_the_graph() -> None:
    x = variable([1.0, 2.0])
    (x * 2).sum().backward()
    later = (x * 3).sum()
    x.requires_grad_(False)
    assert x.grad.tolist() == [2.0, 2.0]
    later.backward(retain_graph=True)  # frozen: passed by
    assert x.grad.tolist() == [2.0, 2.0]
    x.requires_grad_(True)
    later.backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_deepcopy_copies_the_gradient() -> None:
    x = variable([1.0, 2.0])
    (x * 2).sum().backward()
    y = copy.deepcopy(x)
    y.grad += 1
    assert (x.grad.tolist(), y.grad.tolist()) == ([2.0, 2.0], [3.0, 3.0])


def test_create_graph_records_under_no_grad() -> None:
    x = variable(2.0)
    y = x**3
    with cr.no_grad():
        (g,) = gradients([y], [x], create_graph=True)
        assert not cr.is_grad_enabled()
    g.backward()
    assert x.grad.item() == 12.0


def test_set_grad_enabled_is_a_decorator() -> None:
    @cr.set_grad_enabled(False)
    def double(x: Any) -> Any:
        return 2 * x

    assert cr.is_grad_enabled()
    assert not double(variable(1.0)).requires_grad
    assert cr.is_grad_enabled()


def test_a_thread_that_ends_without_recording_leaves_no_trace() -> None:
    """The next thread may get its identifier."""
    recording = []
    for _ in range(3):
        for work in (
            lambda: cr.set_grad_enabled(False),
            lambda: recording.append(cr.is_grad_enabled()),
        ):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert recording == [True] * 3


def test_an_array_does_not_swallow_a_derivative() -> None:
    array = np.ones(2)
    with pytest.raises(cr.GraphError, match="x = x \\+ t"):
        array += cr.tensor([1.0, 2.0], requires_grad=True)
    assert array.tolist() == [1.0, 1.0]

    array += cr.tensor([1.0, 2.0])
    assert array.tolist() == [2.0, 3.0]


# --- views of a tensor that was changed in place since -------------------------------------------


def test_a_view_is_changed_in_place_with_the_history_its_tensor_has_by_now() -> None:
    def twice(y: Any) -> None:
        v, w = y[0:2], y[1:3]
        y *= 3
        v *= 2
        w[0] = 1.0

    def nested(y: Any) -> None:
        v = y[0:2]
        w = v[0:1]
        y *= 3
        w *= 2

    def without_recording(y: Any) -> None:
        with cr.no_grad():
            v = y[0:1]
        v *= 6

    for change, expected in (
        (twice, [6.0, 0.0, 3.0]),
        (nested, [6.0, 3.0, 3.0]),
        (without_recording, [6.0, 1.0, 1.0]),
    ):
        x = variable([1.0, 2.0, 3.0])
        y = x * 1
        change(y)
        y.sum().backward()
        assert x.grad.tolist() == expected


def test_a_view_picked_before_its_tensor_was_recorded() -> None:
    x, y = variable(2.0), cr.tensor([0.0, 0.0, 1.0])
    v, w = y[0:1], y[1:2]
    y[0] = x
    y[1] = x
    v *= 3
    w.zero_()
    y.sum().backward()
    assert x.grad.item() == 3.0


def test_a_stale_view_is_noticed_whatever_was_written_later() -> None:
    x = variable([1.0, 2.0])
    y = x * 1
    v = y[0:1]
    y *= 2
    z = v.sum()
    y += 1
    with pytest.raises(cr.GraphError, match="the value of a view"):
        z.backward()


def test_a_quotient_may_be_changed_in_place() -> None:
    """The derivative of a division reads its operands, not its result."""
    a = cr.tensor([1.0, 2.0], requires_grad=True)
    b = cr.tensor([4.0, 5.0], requires_grad=True)
    y = a / b
    y[0] = 0.0
    y.sum().backward()
    np.testing.assert_allclose(b.grad.numpy(), [0.0, -2.0 / 25.0])
