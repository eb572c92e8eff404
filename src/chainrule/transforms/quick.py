"""A quick way to compiled code: a check written out for the arguments of one signature.

Where the machine code does that itself (`codegen.direct`), it is quicker still.

Most calls have arguments like those of the call before. Comparing the shapes and dtypes that those
had takes half the time of looking the signature up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import PACKAGE
from chainrule.run.ready import MISSED


def quick(
    arguments: Sequence[Any], call: Callable[..., Any], finish: Callable[[Any], Any]
) -> Callable[..., Any] | None:
    """`finish(call(*args))` as a function of the arguments, which gives MISSED where they are not
    of the types, shapes and dtypes of these; None where the arguments are others than numbers and
    arrays with axes.

    >>> from operator import itemgetter
    >>> f = quick([np.ones(3)], lambda x: (2 * x,), itemgetter(0))
    >>> f(np.arange(3.0))
    array([0., 2., 4.])
    >>> f(np.arange(4.0)) is MISSED, f(1.0) is MISSED
    (True, True)
    """
    tests, names = [f"len(args) == {len(arguments)}"], []
    known: dict[str, Any] = {"call": call, "finish": finish, "MISSED": MISSED}
    for k, x in enumerate(arguments):
        names.append(f"a{k}")
        tests.append(f"type(a{k} := args[{k}]) is type{k}")
        known[f"type{k}"] = type(x)
        if type(x) is np.ndarray and x.shape:
            tests.append(f"a{k}.shape == shape{k} and a{k}.dtype is dtype{k}")
            known[f"shape{k}"], known[f"dtype{k}"] = x.shape, x.dtype
        elif type(x) not in (float, np.float64, np.float32):
            return None
    lines = [
        "def quick(*args):",
        f"    if {' and '.join(tests)}:",
        f"        return finish(call({', '.join(names)}))",
        "    return MISSED",
    ]
    # under a name in this package, so that it is no line of the user's
    exec(compile("\n".join(lines), f"{PACKAGE}<quick>", "exec"), known)
    made: Callable[..., Any] = known["quick"]
    return made
