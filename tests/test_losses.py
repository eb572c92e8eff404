"""What the table does not say of the losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.special import softmax_cross_entropy


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "uint64"])
@pytest.mark.parametrize("wrap", [lambda f: f, cr.jit], ids=["eager", "jit"])
def test_integer_scores_count_as_float64(wrap: Any, dtype: str) -> None:
    x, labels = np.array([[1, 2, 3], [0, 100, 7]]), np.array([1, 0])
    found = wrap(lambda x, labels: softmax_cross_entropy(x, labels))(x.astype(dtype), labels)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, softmax_cross_entropy(x.astype(float), labels))
