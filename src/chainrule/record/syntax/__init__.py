"""Python's own syntax on values that are recorded or traced, by rewriting the user's functions.

Two modes, which may be combined:

- *arrays*: arrays that NumPy makes inside the function become Tensors, so that `y[0] = x` keeps
  the derivative (`arrays`);
- *control flow*: `for`, `while`, `if`, `break`, `and` ... on traced values become `cond`,
  `while_loop` and `fori_loop` (`lower`, which writes calls into `branches` and `loops`).

The way of a function: `source` finds its tree, `calls` and `lower` change it, `source` compiles it
under the user's own file name and lines, and puts it over the original's closure.
"""

from chainrule.record.syntax.rewriting import rewrite as rewrite
