"""Linear algebra, batched over leading dimensions: `cr.linalg.solve`, `cr.linalg.cholesky` ..."""

from chainrule.ops.linalg import *  # noqa: F403 - the list of names is there
from chainrule.ops.linalg import __all__ as __all__
