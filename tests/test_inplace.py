"""In-place changes: what is allowed, what is recorded, and what is noticed too late to be right."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GraphError


def leaf(value: object) -> cr.Tensor:
    return cr.tensor(value, requires_grad=True)


def test_a_leaf_is_updated_under_no_grad_only() -> None:
    """`x -= ...` on a leaf: an update under no_grad, an error that says so outside."""
    x = leaf(2.0)
    with cr.no_grad():
        x -= 0.5
    assert x.item() == 1.5
    assert x.requires_grad
    assert x.is_leaf
    with pytest.raises(GraphError, match=r"leaf.*in place.*no_grad"):
        x -= 0.5
    with pytest.raises(GraphError, match=r"leaf.*in place.*no_grad"):
        leaf([1.0, 2.0])[0] = 1.0
    assert x.item() == 1.5


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_in_place_operators_are_recorded(shape: tuple[int, ...]) -> None:
    """y += x, y *= x and the rest have the derivative of the out-of-place form."""
    x = leaf(np.full(shape, 3.0))
    y = x * 2
    y += x
    y *= x
    y -= 1.0
    y /= x
    y **= 2
    y.sum().backward()

    v = 3.0  # y = ((3 x^2 - 1) / x)^2
    inner = (3 * v * v - 1) / v
    np.testing.assert_allclose(x.grad.numpy(), np.full(shape, 2 * inner * (3 + 1 / v**2)))


def test_assignment_is_recorded() -> None:
    """Filling a constant array from a variable: the array becomes a result."""
    x = leaf([1.0, 2.0, 3.0])
    y = cr.zeros(4)
    y[0] = x[0] ** 2
    y[1:3] = x[1:] * 2
    y[3] = 7.0
    y[1] += x[2]

    assert y.tolist() == [1.0, 7.0, 6.0, 7.0]
    (y * cr.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert x.grad.tolist() == [2.0, 20.0, 210.0]


def test_overwritten_entries_get_no_gradient() -> None:
    """What an assignment replaces contributes nothing any more."""
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1
    y[1] = 0.0
    (y * y).sum().backward()

    assert x.grad.tolist() == [2.0, 0.0, 6.0]


def test_writing_through_a_view() -> None:
    """v = y[1:]; v *= 2 changes y, in value and in derivative."""
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1
    v = y[1:]
    v *= 10
    (y * y).sum().backward()

    assert y.tolist() == [1.0, 20.0, 30.0]
    assert x.grad.tolist() == [2.0, 400.0, 600.0]


def test_saved_value_changed_in_place_is_named() -> None:
    """The error names the operation that needed the value, its shape, the write and its line."""
    x = leaf(np.ones(20))
    y = cr.exp(x)
    z = (y * y).sum()
    with cr.no_grad():
        y += 1

    with pytest.raises(
        GraphError, match=r"multiply.*\[20\].*__iadd__.*clone[\s\S]*test_inplace.py"
    ):
        z.backward()
    assert x.grad is None


def test_leaf_changed_between_forward_and_backward_is_noticed() -> None:
    """Updating a parameter before backward has used its value is an error, not a wrong number."""
    w, x = leaf(np.ones((3, 30))), cr.tensor(np.ones(30))
    loss = ((w @ x) ** 2).sum() + (w * w).sum()
    with cr.no_grad():
        w -= 0.1 * w
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_views_outdated_by_a_write_to_their_base() -> None:
    """A view made before its base was changed has a history that is no longer true: an error."""
    x = leaf(np.ones(40))
    y = x * 1
    v = y[:20]
    y *= 2
    with pytest.raises(GraphError, match="changed in place"):
        v.sum().backward()


def test_values_not_needed_may_be_changed() -> None:
    """A sum keeps no values, so its operand may change before backward."""
    x = leaf(np.ones(50))
    y = x + 1
    total = (y + y).sum()
    with cr.no_grad():
        y *= 0
    total.backward()

    assert x.grad.tolist() == [2.0] * 50


def test_gradient_descent_does_not_trip_the_check() -> None:
    """The usual loop: backward, update in place, zero the gradient, again."""
    w = leaf(np.ones(30))
    for _ in range(5):
        (w * w).sum().backward()
        with cr.no_grad():
            w -= 0.1 * w.grad
        w.grad.zero_()

    np.testing.assert_allclose(w.numpy(force=True), 0.8**5)


def test_detached_memory_is_shared() -> None:
    """detach() and numpy() show the tensor's memory, for scalars too."""
    for value in (1.0, [1.0, 2.0]):
        x = leaf(value)
        d, a = x.detach(), x.numpy(force=True)
        with cr.no_grad():
            x += 1
        np.testing.assert_array_equal(d.numpy(), np.asarray(value) + 1)
        np.testing.assert_array_equal(a, np.asarray(value) + 1)


def test_shape_and_dtype_cannot_change_in_place() -> None:
    """An in-place operator keeps shape and dtype, or is refused with both named."""
    x, n = cr.tensor([1.0, 2.0, 3.0]), cr.tensor([1, 2])
    with pytest.raises(cr.errors.ShapeError, match=r"\[2, 3\].*\[3\]"):
        x += cr.ones((2, 3))
    with pytest.raises(cr.errors.DtypeError, match=r"float64.*int64"):
        n += 0.5


def test_read_only_memory_is_refused() -> None:
    """A broadcast view cannot be written."""
    y = cr.broadcast_to(cr.tensor([1.0]), (3,))
    with pytest.raises(GraphError, match="clone"):
        y[0] = 2.0


def test_an_element_does_not_follow_its_tensor() -> None:
    """t[0] keeps its value when t changes, as in NumPy."""
    t = cr.tensor([1.0, 2.0])
    element = t[0]
    t[0] = 5

    assert element.item() == 1.0


@pytest.mark.parametrize("recorded", [False, True])
def test_changing_an_element_changes_its_tensor(recorded: bool) -> None:
    """t[0] += 1, and every in-place method of t[0], writes through to t."""
    x = leaf([1.0, 2.0, 3.0, 4.0])
    t = x * 1 if recorded else x.detach().clone()
    t[0] += 1
    element = t[1]
    element *= 10
    t[2].fill_(7.0)
    t[3].zero_()

    assert t.tolist() == [2.0, 20.0, 7.0, 0.0]
    if recorded:
        (t * t).sum().backward()
        assert x.grad.tolist() == [4.0, 400.0, 0.0, 0.0]


def test_other_views_are_not_changed_in_place_while_recording() -> None:
    """A transpose of a result that requires grad must be cloned first."""
    x = leaf(np.ones((2, 3)))
    y = x * 1
    v = y.T
    with pytest.raises(GraphError, match="clone"):
        v *= 2
