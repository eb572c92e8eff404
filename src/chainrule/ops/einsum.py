"""Einstein sums: any pattern of indices over any number of operands.

A pattern is first brought to one explicit form (every index a letter, the output written out), so
that the reverse rule, an Einstein sum again, is a matter of moving letters.
"""

from __future__ import annotations

import functools
import math
from _thread import get_ident
from collections.abc import Sequence
from string import ascii_letters
from typing import Any, Final

import numpy as np

from chainrule.errors import ShapeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops import batched_products
from chainrule.ops.contraction import strong_contract
from chainrule.ops.hot import careful
from chainrule.ops.table import NUMPY, Seq, operation

_SMALL: Final = 4096
"""Up to this many products NumPy's plain loop is faster than the way through matrix products."""

_LETTERS: Final = sorted(ascii_letters)
"""Letters in the order in which NumPy sorts the indices of an implicit output."""

# --- patterns ----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def explicit(subscripts: str, dims: tuple[int, ...]) -> str:
    """The pattern without blanks and ellipses, its output written out, for operands of these dims.

    explicit("i...,i...", (2, 2)) == "ia,ia->a"
    """
    given, arrow, out = subscripts.replace(" ", "").partition("->")
    words = given.split(",")
    if len(words) != len(dims):
        raise _unfit(subscripts, f"it has {len(words)} operands, {len(dims)} were given")
    named = [w.replace("...", "", 1) for w in words]
    extra = [d - len(n) for d, n in zip(dims, named, strict=True)]
    for i, (word, more) in enumerate(zip(words, extra, strict=True)):
        if more < 0 or (more and "..." not in word):
            problem = f"operand {i} has {dims[i]} axes, {word!r} names {len(named[i])}"
            raise _unfit(subscripts, problem)
    width = max(extra, default=0)
    unused = [c for c in _LETTERS if c not in subscripts]
    dots = "".join(unused[len(unused) - width :])
    if not arrow:
        together = "".join(named)
        out = "..." + "".join(c for c in sorted(set(together)) if together.count(c) == 1)
    elif width and "..." not in out:
        raise _unfit(subscripts, "the output lacks the '...' of the operands")
    full = [w.replace("...", dots[width - more :]) for w, more in zip(words, extra, strict=True)]
    return ",".join(full) + "->" + out.replace("...", dots)


def _unfit(subscripts: str, problem: str) -> ShapeError:
    return ShapeError(f"einsum: {subscripts!r} does not fit: {problem}" + at(user_line()))


def _from_lists(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """NumPy's other form, operands and lists of integers in turn, as a pattern and operands."""

    def word(labels: Sequence[Any]) -> str:
        return "".join("..." if c is Ellipsis else _LETTERS[c] for c in labels)

    pairs = args[: len(args) // 2 * 2]
    pattern = ",".join(word(labels) for labels in pairs[1::2])
    if len(args) % 2:
        pattern += "->" + word(args[-1])
    return pattern, list(pairs[0::2])


# --- the row -----------------------------------------------------------------------------------


def _reverse(i: int, ct: Any, _y: Any, *operands: Any, subscripts: str, optimize: Any) -> Any:
    """Cotangent of operand i: the sum of ct and the other operands over what operand i lacks.

    An index of operand i alone was summed by itself: its cotangent is constant along it.
    An index that operand i has twice reads a diagonal: an identity matrix puts it back there.
    """
    given, _, out = subscripts.partition("->")
    words = given.split(",")
    shape = operands[i].shape
    others = [pair for k, pair in enumerate(zip(words, operands, strict=True)) if k != i]
    factors = [(out, ct), *others]
    free = iter([c for c in _LETTERS if c not in subscripts])
    target = ""
    for letter, n in zip(words[i], shape, strict=True):
        twin = letter
        if letter in target:
            twin = next(free)
            factors.append((letter + twin, np.eye(n, dtype=ct.dtype)))
        target += twin
    known = set().union(*(w for w, _ in factors))
    g = _sum(factors, "".join(c for c in target if c in known))
    sizes = iter(g.shape)
    stretched = [next(sizes) if c in known else 1 for c in target]
    full = tuple(n if k == 1 else k for n, k in zip(shape, stretched, strict=True))
    g = g.reshape(tuple(stretched))
    return g if full == g.shape else np.broadcast_to(g, full)


def _sum(factors: Sequence[tuple[str, Any]], out: str) -> Any:
    subscripts = ",".join(w for w, _ in factors) + "->" + out
    operands = [x for _, x in factors]
    if careful and get_ident() in careful:
        return strong_contract(contract, *operands, subscripts=subscripts)
    return contract(operands, subscripts=subscripts)


def _is_large(words: Sequence[str], operands: Sequence[Any]) -> bool:
    """Whether the sum has many products."""
    if math.prod([max(np.size(x), 1) for x in operands]) <= _SMALL:  # a bound, found faster
        return False
    sizes: dict[str, int] = {}
    for word, x in zip(words, operands, strict=True):
        for letter, n in zip(word, np.shape(x), strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))
    return math.prod(sizes.values()) > _SMALL


@operation(
    name="einsum",
    reverse=_reverse,
    arity=None,
    linear=tuple(range(64)),
    samples=[
        Seq((3, 4), (4, 2), subscripts="ij,jk->ik"),
        Seq((2, 3, 4), (2, 4, 2), subscripts="bij,bjk->bik"),
        Seq((3,), (4,), subscripts="i,j->ji"),
        Seq((2, 3), subscripts="ij->"),
        Seq((2, 3), subscripts="ij->j"),
        Seq((2, 3), (4,), subscripts="ij,k->k"),
        Seq((3, 3), subscripts="ii->"),
        Seq((3, 3), subscripts="ii->i"),
        Seq((3, 3, 2, 3), (3,), subscripts="iiji,i->j"),
        Seq((3, 3), (3, 3), subscripts="ii,jj->ij"),
        Seq((2, 3), (3, 4), (4, 2), subscripts="ij,jk,ki->"),
        Seq((2, 3), (2, 3), (2,), subscripts="ij,ij,i->j"),
        Seq((1, 3), (2, 3), subscripts="ij,ij->j"),
        Seq((1, 3), (2, 1), subscripts="ij,ij->ij"),
        Seq((2, 0), (0, 3), subscripts="ij,jk->ik"),
        Seq((), (2,), subscripts=",i->i"),
        Seq((20, 30), (30, 20), subscripts="ij,jk->ki"),
    ],
    batch=batched_products.einstein,
)
def contract(operands: Sequence[Any], subscripts: str, optimize: Any = None) -> Any:
    """Einstein sum of a sequence of operands, its pattern in explicit form (see `einsum`)."""
    if optimize is None:
        optimize = _is_large(subscripts.partition("->")[0].split(","), operands)
    y = np.einsum(subscripts, *operands, optimize=optimize)
    # of one operand NumPy gives a view where it can; a result of its own is what an operation gives
    return y.copy() if len(operands) == 1 and type(y) is np.ndarray else y


def einsum(subscripts: Any, *operands: Any, optimize: Any = None) -> Any:
    """Einstein sum: products of operands, summed over every index the output lacks.

    `subscripts` is NumPy's: "ij,jk->ik", with "..." for axes that broadcast; without "->" the
    output has the indices that stand once, sorted. An index twice in a word reads a diagonal.
    `optimize` is passed to `numpy.einsum`; by default large sums go through matrix products.
    Raises ShapeError where the pattern does not fit the operands.

    >>> a = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> cr.einsum("ij,kj->ik", a, a)
    tensor([[ 5., 11.],
            [11., 25.]])
    >>> cr.einsum("ii", a)
    tensor(5.)
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists((subscripts, *operands))  # type: ignore[assignment]
    dims = tuple(x._value.ndim if isinstance(x, Variable) else np.ndim(x) for x in operands)
    return contract(operands, subscripts=explicit(subscripts, dims), optimize=optimize)


einsum.operation = contract.operation  # type: ignore[attr-defined]
NUMPY[np.einsum] = einsum
