"""Cases of small arrays, many at a time."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

import chainrule as cr
from benchmarks.compiler import peers
from benchmarks.compiler.contestants import FUNCTION, Steps, ready, rng, value_of
from benchmarks.compiler.peers import in_c


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


def reprojection() -> Steps:
    """Residuals: NumPy-sized code, and vmap."""
    data = cameras()
    ours = cr.jit(lambda c, p, i, j: cr.vmap(lambda a, b: project(a, b, cr))(c[i], p[j]))
    theirs = jax.jit(lambda c, p, i, j: jax.vmap(lambda a, b: project(a, b, jnp))(c[i], p[j]))
    n = len(data[2])
    return {
        "chainrule": lambda: ours(*data),
        "jax": ready(theirs, *map(jnp.asarray, data)),
        "numba": lambda: peers.reproject(*data),
        "c": in_c("reproject", data, [(n, 2)], n),
    }


def reprojection_jacobian() -> Steps:
    """The 2 x 11 and 2 x 3 blocks of each observation, by reverse mode."""
    data = cameras()
    ours = cr.jacobian(lambda a, b: project(a, b, cr), argnums=(0, 1))
    theirs = jax.jacrev(lambda a, b: project(a, b, jnp), argnums=(0, 1))
    compiled = cr.jit(lambda c, p, i, j: cr.vmap(ours)(c[i], p[j]))
    other = jax.jit(lambda c, p, i, j: jax.vmap(theirs)(c[i], p[j]))
    n = len(data[2])
    return {
        "chainrule": lambda: compiled(*data),
        "jax": ready(other, *map(jnp.asarray, data)),
        "c": in_c("reproject_jacobian", data, [(n, 2, 11), (n, 2, 3)], n),
    }


def reprojection_gradient() -> Steps:
    """By all cameras and points at once."""
    cams, points, i, j = cameras()

    def f(c: Any, p: Any, vmap: Any, xp: Any) -> Any:
        return xp.sum(vmap(lambda a, b: project(a, b, xp))(c[i], p[j]) ** 2)

    ours = cr.jit(cr.grad(lambda c, p: f(c, p, cr.vmap, cr), argnums=(0, 1)))
    theirs = jax.jit(jax.grad(lambda c, p: f(c, p, jax.vmap, jnp), argnums=(0, 1)))
    return {
        "chainrule": lambda: ours(cams, points),
        "jax": ready(theirs, jnp.asarray(cams), jnp.asarray(points)),
        FUNCTION: value_of(lambda c, p: f(c, p, cr.vmap, cr), cams, points),
    }


SMALL = {
    "reprojection of 100,000 observations": reprojection,
    "Jacobian blocks of 100,000 observations": reprojection_jacobian,
    "gradient of the reprojection error of 100,000 observations": reprojection_gradient,
}
