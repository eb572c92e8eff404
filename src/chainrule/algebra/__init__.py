"""The matrix algebra of the text: Hadamard and Kronecker products, vec, and the blocks they make.

Everything here is written in rows of the operation table, so that it takes arrays and Tensors
alike and has derivatives of every order. Products first (`products`), then vectors as matrices and
back (`blocks`).
"""

from chainrule.algebra.blocks import A, B, unvec, vec
from chainrule.algebra.products import hadamard, hadamard_div, kron, outer
from chainrule.ops.diagonal import diag

__all__ = ["A", "B", "diag", "hadamard", "hadamard_div", "kron", "outer", "unvec", "vec"]
