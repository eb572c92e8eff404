"""What is compared: each case returns contestants by name, functions that do the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import chainrule as cr
from benchmarks.compiler.routines import routines

torch.set_num_threads(1)

Steps = dict[str, Callable[[], Any]]
rng = np.random.default_rng(0)

CASES: dict[str, Callable[[], Steps]] = {}


def case(name: str) -> Callable[[Callable[[], Steps]], Callable[[], Steps]]:
    """Enter a case under a name."""

    def enter(function: Callable[[], Steps]) -> Callable[[], Steps]:
        CASES[name] = function
        return function

    return enter


def ready(function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """A call of a JAX function that waits for its result."""
    return lambda: jax.block_until_ready(function(*args))


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
    return {"chainrule": lambda: ours(x), "jax": ready(theirs, jnp.asarray(x))}


@case("dense Hessian of Rosenbrock, 100 variables")
def rosenbrock_hessian() -> Steps:
    """Forward over reverse."""
    x = rng.random(100)
    ours = cr.jit(cr.hessian(lambda x: rosenbrock(x, cr.sum)))
    theirs = jax.jit(jax.hessian(lambda x: rosenbrock(x, jnp.sum)))
    return {"chainrule": lambda: ours(x), "jax": ready(theirs, jnp.asarray(x))}


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
    }


for size in (10**3, 10**4, 10**5, 10**6, 10**7):
    CASES[f"fused elementwise, {size:,} elements"] = lambda n=size: fused(n)


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
    }


for kind in ("sum", "logsumexp", "softmax"):
    CASES[f"{kind} of the rows, 1000 x 1000"] = lambda k=kind: reducing(1000, 1000, k)


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

    def f(alpha: Any, mu: Any, factor: Any, xp: Any, lse: Any) -> Any:
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
    return {
        "chainrule": lambda: ours(alpha, mu, factor),
        "jax": ready(theirs, jnp.asarray(alpha), jnp.asarray(mu), jnp.asarray(factor)),
    }


# --- small arrays ---------------------------------------------------------------------------------


def project(cam: Any, point: Any, xp: Any) -> Any:
    """Pixel of a point: rotation vector, translation, focal length, distortion, center."""
    r, t, f, k1, k2, center = cam[:3], cam[3:6], cam[6], cam[7], cam[8], cam[9:11]
    angle = xp.sqrt(xp.sum(r * r))
    w = r / angle
    c, s = xp.cos(angle), xp.sin(angle)
    y = point * c + xp.cross(w, point) * s + w * (xp.sum(w * point) * (1 - c)) + t
    p = y[:2] / y[2]
    n = xp.sum(p * p)
    return p * (f * (1 + k1 * n + k2 * n * n)) + center


def cameras() -> Any:
    """Parameters of cameras, points, and who sees which: 100,000 observations."""
    cams = rng.standard_normal((100, 11)) * 0.3
    cams[:, 6] += 500
    cams[:, 5] += 5
    n = 100_000
    return (
        cams,
        rng.standard_normal((20_000, 3)),
        rng.integers(0, 100, n),
        rng.integers(0, 20_000, n),
    )


@case("reprojection of 100,000 observations")
def reprojection() -> Steps:
    """Residuals: NumPy-sized code, and vmap."""
    data = cameras()
    ours = cr.jit(lambda c, p, i, j: cr.vmap(lambda a, b: project(a, b, cr))(c[i], p[j]))
    theirs = jax.jit(lambda c, p, i, j: jax.vmap(lambda a, b: project(a, b, jnp))(c[i], p[j]))
    return {"chainrule": lambda: ours(*data), "jax": ready(theirs, *map(jnp.asarray, data))}


@case("Jacobian blocks of 100,000 observations")
def reprojection_jacobian() -> Steps:
    """The 2 x 11 and 2 x 3 blocks of each observation, by reverse mode."""
    data = cameras()
    ours = cr.jacobian(lambda a, b: project(a, b, cr), argnums=(0, 1))
    theirs = jax.jacrev(lambda a, b: project(a, b, jnp), argnums=(0, 1))
    compiled = cr.jit(lambda c, p, i, j: cr.vmap(ours)(c[i], p[j]))
    other = jax.jit(lambda c, p, i, j: jax.vmap(theirs)(c[i], p[j]))
    return {"chainrule": lambda: compiled(*data), "jax": ready(other, *map(jnp.asarray, data))}


# --- memory ---------------------------------------------------------------------------------------


@case("gradient of distances to the nearest of 200 points, 5000 by 8")
def nearest() -> Steps:
    """An extreme along an axis, and what is read again for every point."""
    points, others = rng.random((5000, 8)), rng.random((200, 8))

    def f(x: Any, np: Any) -> Any:
        return np.sum(np.sqrt(np.min(np.sum((points[:, None, :] - x) ** 2, axis=-1), axis=1)))

    ours, theirs = cr.jit(cr.grad(lambda x: f(x, np))), jax.jit(jax.grad(lambda x: f(x, jnp)))
    return {"chainrule": lambda: ours(others), "jax": ready(theirs, others)}


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
    return {"chainrule": lambda: ours(coefficients), "jax": ready(theirs, coefficients)}


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
    return {"chainrule": lambda: ours(x), "jax": ready(theirs, x)}


CASES.update(routines(rng))
