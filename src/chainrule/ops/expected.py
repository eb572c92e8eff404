"""A value that is right only where something holds, which it nearly always does.

`rewrite.hopeful` makes programs that are faster where an extreme is unique, for example. Machine
code notes where that does not hold, and the program is run again as it was written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.table import ZERO, operation


@operation(
    reverse=(lambda ct, _y, _x, _holds: ct, ZERO),
    arity=2,
    untested="only machine code takes note of the condition; tests/test_hopeful.py",
)
def expected(x: Any, holds: Any) -> Any:
    """x, expecting that `holds` does: an AssertionError where it does not."""
    assert np.all(holds)
    return x
