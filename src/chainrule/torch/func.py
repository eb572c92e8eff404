"""`torch.func`: functions of functions, under PyTorch's names. They are chainrule's transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.transforms import grad as _grad
from chainrule.transforms import hessian as _hessian
from chainrule.transforms import jacobian as _jacobian
from chainrule.transforms.jvp import jvp, linearize
from chainrule.transforms.vjp import vjp
from chainrule.transforms.vmap import vmap as _vmap

__all__ = [
    "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp", "vmap",
]  # fmt: skip

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def grad(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient of `func` by the arguments numbered.

    >>> torch.func.grad(torch.sin)(torch.tensor(0.0))
    tensor(1.)
    """
    return _grad.grad(func, argnums, has_aux=has_aux)


def grad_and_value(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient, and then the value (with `has_aux` the pair with aux).

    >>> torch.func.grad_and_value(lambda x: x**2)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """
    both = _grad.value_and_grad(func, argnums, has_aux=has_aux)

    def gradient_and_value(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        value, gradient = both(*args, **kwargs)
        return gradient, value

    return gradient_and_value


def jacrev(func: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """A function that gives the Jacobian of `func`, by reverse mode.

    >>> torch.func.jacrev(lambda x: x**2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    return _jacobian.jacobian(func, argnums, has_aux=has_aux, mode="reverse")


def jacfwd(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives the Jacobian of `func`, by forward mode.

    >>> torch.func.jacfwd(lambda x: x**2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    return _jacobian.jacobian(func, argnums, has_aux=has_aux, mode="forward")


def hessian(func: Function, argnums: Argnums = 0) -> Function:
    """A function that gives the Hessian of `func`, forward over reverse.

    >>> torch.func.hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return _hessian.hessian(func, argnums)


def vmap(
    func: Function, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error"
) -> Function:
    """`func` on a batch: what it does to one example, done to all along a dimension at once.

    Random numbers drawn in `func` raise an error, or with `randomness="same"` are the same for all.

    >>> torch.func.vmap(torch.dot)(torch.ones(3, 2), torch.ones(3, 2))
    tensor([2., 2., 2.])
    """
    return _vmap(func, in_dims, out_dims, randomness=randomness)
