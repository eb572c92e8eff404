"""Python's own syntax on values that are recorded or traced, by rewriting the user's functions.

Two modes, which may be combined:

- *arrays*: arrays that NumPy makes inside the function become Tensors, so that `y[0] = x` keeps
  the derivative; and functions of `math` answer for Tensors;
- *control flow*: `for`, `while`, `if`, `break`, `and` ... on traced values are recorded as `cond`,
  `while_loop`, `fori_loop` and `scan`. On ordinary values they mean what they always do.

The way of a function, in the order of the files:

1. `rewriting`: the entrance, and what is kept; `users`: whether there is anything to rewrite;
2. `source`: finds the function's syntax tree;
3. `canonical`: jumps become flags; `scopes`: what every branch and loop changes; `lower`: branches,
   loops and conditions become calls of helpers; `nodes`: small trees;
4. `source` again: compiles it under the user's own file name and lines, over its own closure.

While it runs, it calls `helpers`: `calls` (functions of the user's are rewritten when they are
called), `arrays`, `rows` and `values` (in place of NumPy's and Python's own functions), and, where
a value is traced, `branches` and `loops` over `construct`, with `aliases`, `variables`, `tracing`,
`state` and `snapshot`. The operations are those of `registry`.
"""

from chainrule.record.syntax.rewriting import rewrite as rewrite
