"""Cases of rows that are loops of their own, or LAPACK's (`chainrule.ops.native`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import chainrule as cr

Steps = dict[str, Callable[[], Any]]


def routines(rng: np.random.Generator) -> dict[str, Callable[[], Steps]]:
    """The cases by name."""
    systems, right = rng.standard_normal((100_000, 3, 3)), rng.standard_normal((100_000, 3))
    larger = rng.standard_normal((200, 200))
    definite = larger @ larger.T + np.eye(200)
    numbers = rng.standard_normal(100_000)

    def steps(ours: Any, theirs: Any, plain: Any, *args: Any) -> Callable[[], Steps]:
        def made() -> Steps:
            compiled, peer = cr.jit(ours), jax.jit(theirs)
            return {
                "chainrule": lambda: compiled(*args),
                "jax": lambda: jax.block_until_ready(peer(*args)),
                **({"numpy": lambda: plain(*args)} if plain is not None else {}),
            }

        return made

    def log_determinant(a: Any, np: Any) -> Any:
        return np.linalg.slogdet(a)[1]

    return {
        "systems of 3 equations, 100000": steps(
            cr.vmap(cr.linalg.solve), jax.vmap(jnp.linalg.solve),
            lambda a, b: np.linalg.solve(a, b[..., None]), systems, right,
        ),
        "gradients of log det, 3 by 3, 100000": steps(
            cr.vmap(cr.grad(lambda a: log_determinant(a, np))),
            jax.vmap(jax.grad(lambda a: log_determinant(a, jnp))), None, systems,
        ),
        "Cholesky factor, 200 by 200": steps(
            cr.linalg.cholesky, jnp.linalg.cholesky, np.linalg.cholesky, definite
        ),
        "eigenvalues and vectors, 200 by 200": steps(
            cr.linalg.eigh, jnp.linalg.eigh, np.linalg.eigh, definite
        ),
        "sort, 100000": steps(cr.sort, jnp.sort, np.sort, numbers),
        "running sum, 100000": steps(cr.cumulative_sum, jnp.cumsum, np.cumsum, numbers),
        "log of the gamma function, 100000": steps(
            lambda x: cr.special.gammaln(np.abs(x)),
            lambda x: jax.scipy.special.gammaln(jnp.abs(x)), None, numbers,
        ),
    }  # fmt: skip
