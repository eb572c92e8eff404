"""NumPy's protocols: a NumPy function given a Tensor is answered by the operation of that name.

`ufuncs` and `functions` are the two hooks, for ufuncs and for NumPy's other functions. Both put
arguments in NumPy's order under the operation's names; `output` has what they share about `out=`
and `where=`, `masked` the reductions with `where=` and `initial=`, `writing` the functions that
write into their argument, `answers` those that only NumPy has, and `kinds` says of functions
without an operation what is done about them.
"""

from chainrule.dispatch.functions import array_function as array_function
from chainrule.dispatch.ufuncs import array_ufunc as array_ufunc
