"""What is compared: each case returns contestants by name, functions that do the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import chainrule as cr
from benchmarks.compiler import peers
from benchmarks.compiler.contestants import CASES, FUNCTION, Steps, case, ready, rng, value_of
from benchmarks.compiler.peers import by_casadi, by_torch, in_c
from benchmarks.compiler.routines import routines
from benchmarks.compiler.small import SMALL

torch.set_num_threads(1)

# --- scalars --------------------------------------------------------------------------------------


@case("gradient of 3 x1^2 + x2 + exp(x1 x2)")
def two_variables() -> Steps:
    """The text's function of two variables."""

    def f(x: Any, y: Any, exp: Any) -> Any:
        return 3 * x**2 + y + exp(x * y)

    ours = cr.jit(cr.grad(lambda x, y: f(x, y, cr.exp), argnums=(0, 1)))
    theirs = jax.jit(jax.grad(lambda x, y: f(x, y, jnp.exp), argnums=(0, 1)))

    def eager() -> Any:
        x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        y = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
        f(x, y, torch.exp).backward()
        return x.grad, y.grad

    return {
        "chainrule": lambda: ours(1.0, 2.0),
        "jax": ready(theirs, 1.0, 2.0),
        "torch eager": eager,
        FUNCTION: value_of(lambda x, y: f(x, y, cr.exp), 1.0, 2.0),
    }


def chain(count: int) -> Steps:
    """A long program of scalar operations, four to a step."""

    def f(x: Any, sin: Any) -> Any:
        y = x
        for _ in range(count // 4):
            y = sin(y) * x + y - 0.1
        return y

    ours, theirs = cr.jit(lambda x: f(x, cr.sin)), jax.jit(lambda x: f(x, jnp.sin))
    return {"chainrule": lambda: ours(0.3), "jax": ready(theirs, 0.3)}


CASES["1,000 scalar operations"] = lambda: chain(1000)
CASES["10,000 scalar operations"] = lambda: chain(10000)


def rosenbrock(x: Any, total: Any) -> Any:
    """The function of 100 variables."""
    return total(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@case("gradient of Rosenbrock, 100 variables")
def rosenbrock_gradient() -> Steps:
    """Slices and a sum."""
    x = rng.random(100)
    ours = cr.jit(cr.grad(lambda x: rosenbrock(x, cr.sum)))
    theirs = jax.jit(jax.grad(lambda x: rosenbrock(x, jnp.sum)))
    return {
        "chainrule": lambda: ours(x),
        "jax": ready(theirs, jnp.asarray(x)),
        **by_casadi(lambda x: rosenbrock(x, peers.casadi.sum1), x, peers.gradient),
        FUNCTION: value_of(lambda x: rosenbrock(x, cr.sum), x),
    }


@case("dense Hessian of Rosenbrock, 100 variables")
def rosenbrock_hessian() -> Steps:
    """Forward over reverse."""
    x = rng.random(100)
    ours = cr.jit(cr.hessian(lambda x: rosenbrock(x, cr.sum)))
    theirs = jax.jit(jax.hessian(lambda x: rosenbrock(x, jnp.sum)))
    return {
        "chainrule": lambda: ours(x),
        "jax": ready(theirs, jnp.asarray(x)),
        **by_casadi(lambda x: rosenbrock(x, peers.casadi.sum1), x, peers.hessian),
    }


# --- arrays ---------------------------------------------------------------------------------------


def fused(n: int) -> Steps:
    """3 a^2 + b + exp(a b)."""
    a, b = rng.random(n), rng.random(n)

    def f(a: Any, b: Any, exp: Any) -> Any:
        return 3 * a * a + b + exp(a * b)

    ours, theirs = cr.jit(lambda a, b: f(a, b, cr.exp)), jax.jit(lambda a, b: f(a, b, jnp.exp))
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    return {
        "chainrule": lambda: ours(a, b),
        "jax": ready(theirs, jnp.asarray(a), jnp.asarray(b)),
        "numpy": lambda: f(a, b, np.exp),
        "torch": lambda: f(ta, tb, torch.exp),
        **by_torch(lambda a, b: f(a, b, torch.exp), ta, tb),
        "numba": lambda: peers.fused(a, b),
        "c": in_c("fused", [a, b], [(n,)], n),
    }


for size in (10**3, 10**4, 10**5, 10**6, 10**7):
    CASES[f"fused elementwise, {size:,} elements"] = lambda n=size: fused(n)


def fused_gradient() -> Steps:
    """Of the sum of all elements, by both arrays."""
    a, b = rng.random(100_000), rng.random(100_000)

    def f(a: Any, b: Any, np: Any) -> Any:
        return np.sum(3 * a * a + b + np.exp(a * b))

    ours = cr.jit(cr.grad(lambda a, b: f(a, b, cr), argnums=(0, 1)))
    theirs = jax.jit(jax.grad(lambda a, b: f(a, b, jnp), argnums=(0, 1)))
    return {
        "chainrule": lambda: ours(a, b),
        "jax": ready(theirs, jnp.asarray(a), jnp.asarray(b)),
        FUNCTION: value_of(lambda a, b: f(a, b, cr), a, b),
    }


CASES["gradient of a sum of fused elementwise, 100,000 elements"] = fused_gradient


def reducing(n: int, m: int, name: str) -> Steps:
    """A reduction of the rows of a matrix."""
    x = rng.random((n, m))
    functions = {
        "sum": (lambda x: cr.sum(x, axis=1), lambda x: jnp.sum(x, 1), lambda x: x.sum(1)),
        "logsumexp": (
            lambda x: cr.special.logsumexp(x, axis=1),
            lambda x: jax.scipy.special.logsumexp(x, 1),
            lambda x: torch.logsumexp(x, 1),
        ),
        "softmax": (
            lambda x: cr.special.softmax(x, axis=1),
            lambda x: jax.nn.softmax(x, 1),
            lambda x: torch.softmax(x, 1),
        ),
    }[name]
    ours, theirs, tx = cr.jit(functions[0]), jax.jit(functions[1]), torch.from_numpy(x)
    return {
        "chainrule": lambda: ours(x),
        "jax": ready(theirs, jnp.asarray(x)),
        "torch": lambda: functions[2](tx),
        **by_torch(functions[2], tx),
        "numba": lambda: peers.ROWS[name](x),
        "c": in_c(name, [x], [(n, m) if name == "softmax" else (n,)], n, m),
    }


def reduction_gradient(name: str) -> Steps:
    """The gradient of something of the rows' reductions in all elements."""
    x, weights = rng.random((1000, 1000)), rng.random((1000, 1))
    f = {
        "sum": lambda x, np, special: np.sum(np.sum(x, axis=1) ** 2),
        "logsumexp": lambda x, np, special: np.sum(special.logsumexp(x, axis=1) * weights[:, 0]),
        "softmax": lambda x, np, special: np.sum(special.softmax(x, axis=1) ** 2 * weights),
    }[name]
    ours = cr.jit(cr.grad(lambda x: f(x, cr, cr.special)))
    theirs = jax.jit(jax.grad(lambda x: f(x, jnp, JaxSpecial)))
    return {
        "chainrule": lambda: ours(x),
        "jax": ready(theirs, jnp.asarray(x)),
        FUNCTION: value_of(lambda x: f(x, cr, cr.special), x),
    }


class JaxSpecial:
    """JAX's functions by SciPy's names."""

    logsumexp = staticmethod(jax.scipy.special.logsumexp)
    softmax = staticmethod(jax.nn.softmax)


for kind in ("sum", "logsumexp", "softmax"):
    CASES[f"{kind} of the rows, 1000 x 1000"] = lambda k=kind: reducing(1000, 1000, k)
    CASES[f"gradient by {kind} of the rows, 1000 x 1000"] = lambda k=kind: reduction_gradient(k)


# --- layers ---------------------------------------------------------------------------------------


def layers(sizes: list[int], batch: int, dtype: Any) -> Steps:
    """Gradient of a loss of dense layers in all their weights."""
    weights = [
        (rng.standard_normal((m, n)).astype(dtype) / m**0.5, np.zeros(n, dtype))
        for m, n in pairwise(sizes)
    ]
    x = rng.standard_normal((batch, sizes[0])).astype(dtype)
    labels = np.eye(sizes[-1], dtype=dtype)[rng.integers(0, sizes[-1], batch)]

    def loss(weights: Any, x: Any, labels: Any, tanh: Any, total: Any) -> Any:
        for k, (w, b) in enumerate(weights):
            x = x @ w + b
            if k < len(weights) - 1:
                x = tanh(x)
        return total((x - labels) ** 2)

    ours = cr.jit(cr.grad(lambda w, x, y: loss(w, x, y, cr.tanh, cr.sum)))
    theirs = jax.jit(jax.grad(lambda w, x, y: loss(w, x, y, jnp.tanh, jnp.sum)))
    tw = [tuple(torch.tensor(p, requires_grad=True) for p in pair) for pair in weights]
    tx, ty = torch.from_numpy(x), torch.from_numpy(labels)
    flat = [p for pair in tw for p in pair]
    jw = jax.tree_util.tree_map(jnp.asarray, weights)
    return {
        "chainrule": lambda: ours(weights, x, labels),
        "jax": ready(theirs, jw, jnp.asarray(x), jnp.asarray(labels)),
        "torch": lambda: torch.autograd.grad(loss(tw, tx, ty, torch.tanh, torch.sum), flat),
        FUNCTION: value_of(lambda w, x, y: loss(w, x, y, cr.tanh, cr.sum), weights, x, labels),
    }


CASES["layers 784-256-10, batch 128, float32"] = lambda: layers([784, 256, 10], 128, np.float32)
CASES["three layers of 1024, batch 128, float32"] = lambda: layers([1024] * 4, 128, np.float32)


@case("Gaussian mixture, value and gradient (n=1000, d=32, k=50)")
def mixture() -> Steps:
    """Log-likelihood with lower triangular precision factors."""
    n, d, k = 1000, 32, 50
    x = rng.standard_normal((n, d))
    alpha, mu = rng.standard_normal(k), rng.standard_normal((k, d))
    factor = np.tril(rng.standard_normal((k, d, d)) * 0.1, -1) + np.eye(d)

    def f(alpha: Any, mu: Any, factor: Any, xp: Any, lse: Any, x: Any = x) -> Any:
        centered = x[:, None, :] - mu
        z = xp.einsum("kij,nkj->nki", factor, centered)
        logs = alpha + xp.log(xp.diagonal(factor, 0, 1, 2) ** 2).sum(1) / 2
        return xp.sum(lse(logs - 0.5 * xp.sum(z * z, axis=-1), axis=1)) - n * lse(alpha, axis=0)

    ours = cr.jit(
        cr.value_and_grad(lambda a, m, q: f(a, m, q, cr, cr.special.logsumexp), argnums=(0, 1, 2))
    )
    theirs = jax.jit(
        jax.value_and_grad(
            lambda a, m, q: f(a, m, q, jnp, jax.scipy.special.logsumexp), argnums=(0, 1, 2)
        )
    )
    tensors = [torch.tensor(v, requires_grad=True) for v in (alpha, mu, factor)]
    tx = torch.from_numpy(x)

    def by_autograd() -> Any:
        y = f(*tensors, torch, lambda v, axis: torch.logsumexp(v, dim=axis), tx)
        return y, torch.autograd.grad(y, tensors)

    return {
        "chainrule": lambda: ours(alpha, mu, factor),
        "jax": ready(theirs, jnp.asarray(alpha), jnp.asarray(mu), jnp.asarray(factor)),
        "torch": by_autograd,
        FUNCTION: value_of(lambda a, m, q: f(a, m, q, cr, cr.special.logsumexp), alpha, mu, factor),
    }


# --- memory ---------------------------------------------------------------------------------------


@case("gradient of distances to the nearest of 200 points, 5000 by 8")
def nearest() -> Steps:
    """An extreme along an axis, and what is read again for every point."""
    points, others = rng.random((5000, 8)), rng.random((200, 8))

    def f(x: Any, np: Any) -> Any:
        return np.sum(np.sqrt(np.min(np.sum((points[:, None, :] - x) ** 2, axis=-1), axis=1)))

    ours, theirs = cr.jit(cr.grad(lambda x: f(x, np))), jax.jit(jax.grad(lambda x: f(x, jnp)))
    return {
        "chainrule": lambda: ours(others),
        "jax": ready(theirs, others),
        FUNCTION: value_of(lambda x: f(x, np), others),
    }


@case("gradient through 60 turns of Clenshaw's recurrence, 20000 places")
def clenshaw() -> Steps:
    """A loop over a long array whose elements go their own way."""
    t = np.linspace(-0.99, 0.99, 20000)
    coefficients = rng.standard_normal(60)

    def f(c: Any) -> Any:
        b1, b2 = np.zeros(len(t)), np.zeros(len(t))
        for k in range(60):
            b1, b2 = c[k] + 2 * t * b1 - b2, b1
        return np.sum((b1 - t * b2 - np.abs(t)) ** 2)

    def g(c: Any) -> Any:
        def turn(state: Any, x: Any) -> Any:
            b1, b2 = state
            return (x + 2 * t * b1 - b2, b1), None

        (b1, b2), _ = jax.lax.scan(turn, (jnp.zeros(len(t)), jnp.zeros(len(t))), c)
        return jnp.sum((b1 - t * b2 - jnp.abs(t)) ** 2)

    ours, theirs = cr.jit(cr.grad(f)), jax.jit(jax.grad(g))
    return {
        "chainrule": lambda: ours(coefficients),
        "jax": ready(theirs, coefficients),
        FUNCTION: value_of(f, coefficients),
    }


@case("matrix and its transpose in one vector, 500 by 400")
def joined() -> Steps:
    """A concatenation of what is computed."""
    x = rng.random((500, 400))

    def f(x: Any, np: Any) -> Any:
        m = np.exp(x)
        return np.concatenate([m.T.reshape(-1), (m * x).reshape(-1)])

    ours, theirs = cr.jit(lambda x: f(x, np)), jax.jit(lambda x: f(x, jnp))
    return {"chainrule": lambda: ours(x), "jax": ready(theirs, x)}


@case("gradient of the logarithm of a normalized vector, 100000")
def normalized() -> Steps:
    """An array, its sum, and the sum of its multiples."""
    x = rng.random(100_000)

    def f(x: Any, np: Any) -> Any:
        e = np.exp(x)
        return np.sum(e * e) / np.sum(e) ** 2

    ours, theirs = cr.jit(cr.grad(lambda x: f(x, np))), jax.jit(jax.grad(lambda x: f(x, jnp)))
    return {
        "chainrule": lambda: ours(x),
        "jax": ready(theirs, x),
        FUNCTION: value_of(lambda x: f(x, np), x),
    }


@case("standardized vector, cubed, 100000")
def standardized() -> Steps:
    """What is stored on the way to the result lies where the result will."""
    x = rng.random(100_000)

    def f(x: Any, np: Any) -> Any:
        y = np.tanh(x) - np.mean(np.tanh(x))
        return (y * (1 / np.sqrt(np.mean(y * y)))) ** 3

    ours, theirs = cr.jit(lambda x: f(x, np)), jax.jit(lambda x: f(x, jnp))
    return {"chainrule": lambda: ours(x), "jax": ready(theirs, x)}


@case("a root by Newton's method, and how it moves")
def rooted() -> Steps:
    """A loop and its derivative forwards, of unknown length; each step is taken or halved."""

    def root(a: Any, while_loop: Any, cond: Any) -> Any:
        def turn(state: Any) -> Any:
            x, step, k = state
            ahead = x - step * (x**3 - a) / (3 * x * x)
            closer = abs(ahead**3 - a) < abs(x**3 - a)
            return cond(closer, lambda x: (ahead, step, k + 1), lambda x: (x, step / 2, k + 1), x)

        return while_loop(lambda s: s[2] < 1000, turn, (a, 1.0, 0))[0]

    ours = cr.jit(lambda a: cr.jvp(lambda a: root(a, cr.while_loop, cr.cond), a, 1.0))
    theirs = jax.jit(
        lambda a: jax.jvp(lambda a: root(a, jax.lax.while_loop, jax.lax.cond), (a,), (1.0,))
    )
    return {"chainrule": lambda: ours(5.0), "jax": ready(theirs, 5.0)}


CASES.update(SMALL)
CASES.update(routines(rng))
