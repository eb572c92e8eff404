"""Eigenvalues or singular values that coincide, and what derivative is left.

The eigenvectors of eigenvalues that coincide may be turned among themselves, so their derivative
has the pole 1 / (w_j - w_i). Three cases can be told apart from what reaches a factorization:

- only the eigenvalues are used: the derivative exists if the function is symmetric in the tied
  ones; otherwise it has a kink, and they share equally (`share`), whatever basis was computed;
- only the eigenvectors are used: if the function does not depend on the choice among them, the
  pole is multiplied by an exact zero, and the term is zero (`need_no_choice` checks it);
- both are used: a matrix function V g(w) V^H has a derivative there too, but that is not determined
  by the cotangents alone, so where they meet at a tied pair that is said (`need_no_mixture`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.ops.ensured import ensured, in_batch
from chainrule.ops.matrices import greatest, largest, precision
from chainrule.ops.recording import is_traced

_VALUES = {"svd": "singular values"}
_ALONE = {"svd": "svdvals", "eigh": "eigvalsh", "eig": "eigvals"}


class Pairs:
    """Which pairs of the values w (..., n), without derivative, coincide up to rounding.

    Where there are no numbers yet, what must hold is noted, and left in the graph by `checked`.
    """

    def __init__(self, name: str, w: Any) -> None:
        self.name = name
        self.w = w
        n = w.shape[-1]
        self.traced = is_traced(w)
        self.conditions: list[tuple[Any, str]] = []
        near = np.abs(w[..., None, :] - w[..., :, None]) <= (
            8 * n * precision(w) * largest(w)[..., None]
        )
        self.diagonal = np.eye(n, dtype=bool)
        self.same = near & ~self.diagonal
        self.some = self.traced or bool(np.any(self.same))

    def inverse_gaps(self, w: Any) -> Any:
        """[i, j]: 1 / (w_j - w_i), and 0 for i = j and for pairs that coincide."""
        none = self.same | self.diagonal
        gap = w[..., None, :] - w[..., :, None]
        return np.where(none, 0, 1 / np.where(none, 1, gap))

    def inverse_sums(self, s: Any, weight: Any, scale: Any) -> Any:
        """[i, j]: 1 / (s_j + s_i); for a pair of zeros 0, which the weight must be too."""
        zero = self.w <= 4 * self.w.shape[-1] * precision(self.w) * largest(self.w)
        none = (zero[..., None, :] & zero[..., :, None]) | self.diagonal
        if self.some:
            self._need_zero(weight, scale, self.same & none, "which singular vectors are chosen")
        total = s[..., None, :] + s[..., :, None]
        return np.where(none, 0, 1 / np.where(none, 1, total))

    def note(self, bad: Any, why: str) -> None:
        """Note something traced that must hold nowhere."""
        self.conditions.append((np.logical_not(np.any(bad, axis=(-2, -1), keepdims=True)), why))

    def checked(self, x: Any) -> Any:
        """Matrices that are right only where nothing is wrong that was noted."""
        for holds, why in self.conditions:
            x = ensured(x, holds, why)
        return x

    def need_no_choice(self, weight: Any, scale: Any) -> None:
        """Raise unless the weight of the poles vanishes at the pairs that coincide."""
        if self.some:
            self._need_zero(weight, scale, self.same, "which eigenvectors are chosen for them")

    def need_no_mixture(self, weight: Any, scale: Any) -> None:
        """Raise unless the eigenvectors of pairs that coincide are unused."""
        if self.some:
            self._need_zero(weight, scale, self.same, "these eigenvalues and eigenvectors together")

    def _need_zero(self, weight: Any, scale: Any, where: Any, dependence: str) -> None:
        size = greatest(scale, (-2, -1))
        bad = where & (np.abs(weight) > precision(self.w) ** 0.5 * size)
        if is_traced(bad):
            self.note(bad, self._why("", dependence) + "; they coincide")
            return
        if not np.any(bad):
            return
        *batch, i, j = np.argwhere(bad)[0]
        which = f" {i} and {j}{in_batch(batch)}"
        value = f" ({self.w[(*batch, i)]:.6g})"
        raise MissingDerivative(self._why(which, dependence, value) + at(user_line()))

    def _why(self, which: str, dependence: str, value: str = "") -> str:
        return (
            f"{self.name}: {_VALUES.get(self.name, 'eigenvalues')}{which} coincide{value}, and the "
            f"result depends on {dependence}: its derivative does not exist, or does not follow "
            f"from the factors. Use {_ALONE[self.name]} where only the values are needed, a matrix "
            "function (expm, sqrtm, logm, matrix_power, inv), or a matrix perturbed so that they "
            "differ"
        )


def share(c: Any, pairs: Pairs) -> Any:
    """Derivatives by tied values replaced by their mean: independent of the basis computed."""
    if not pairs.some:
        return c
    group = pairs.same | pairs.diagonal
    weights = (group / np.sum(group, axis=-1, keepdims=True)).astype(c.dtype)
    return np.sum(weights * c[..., None, :], axis=-1)
