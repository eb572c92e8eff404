"""Sorting and searching as loops of compiled code (`ops.native`).

Few elements are sorted by insertion, many by the digits of their bits, least significant first
(radix sort), which keeps the order of equal ones. NaN comes last, as NumPy has it.
"""

from __future__ import annotations

from typing import Any

from chainrule.ops.native import bits, empty, give_up, number

FEW = 48
"""So many elements are sorted by insertion."""

MANY = 4096
"""From so many on, digits have 11 bits instead of 8."""


def _less(a: Any, b: Any, like: Any) -> Any:
    """Whether a comes before b."""
    return (a < b) | ((b != b) & (a == a)) if like.dtype.kind == "f" else a < b


def _before(a: Any, b: Any, like: Any, descending: bool) -> Any:
    return _less(b, a, like) if descending else _less(a, b, like)


def _size(like: Any) -> int:
    return 8 * like.dtype.itemsize


def _word(like: Any) -> str:
    """The unsigned integers of the size of an array's elements."""
    return "u" + str(like.dtype.itemsize)


def _key(x: Any, like: Any) -> Any:
    """An unsigned integer that orders as x does: all ones for NaN; negative zero is kept apart."""
    top = 1 << (_size(like) - 1)
    word = bits(x)
    if like.dtype.kind == "f":
        word = word ^ (2 * top - 1) if word >= top else word ^ top
        word = word if x == x else 2 * top - 1
    elif like.dtype.kind == "i":
        word = word ^ top
    return word


def _value(word: Any, like: Any) -> Any:
    """What a key was made of."""
    top = 1 << (_size(like) - 1)
    if like.dtype.kind == "f":
        word = word ^ top if word >= top else word ^ (2 * top - 1)
    elif like.dtype.kind == "i":
        word = word ^ top
    return number(word, like)


def _digits(n: int, like: Any) -> Any:
    """Bits of a digit, and the places of the first bit of each."""
    digit = 11 if n >= MANY and like.dtype.itemsize > 1 else 8
    return digit, tuple(range(0, _size(like), digit))


def _counted(counts: Any, keys: Any, shift: int) -> None:
    """Where the elements with each digit begin."""
    for d in range(len(counts)):
        counts[d] = 0
    for i in range(len(keys)):
        d = int((keys[i] >> shift) & (len(counts) - 1))
        counts[d] += 1
    total = 0
    for d in range(len(counts)):
        here = counts[d]
        counts[d] = total
        total += here


def sort(y: Any, x: Any, descending: bool) -> None:
    """The elements in order."""
    n = len(x)
    if n <= FEW:
        for i in range(n):
            key = x[i]
            j = i - 1
            while j >= 0 and _before(key, y[j], x, descending):
                y[j + 1] = y[j]
                j -= 1
            y[j + 1] = key
        return
    digit, shifts = _digits(n, x)
    keys, other = empty(n, _word(x)), empty(n, _word(x))
    counts = empty(1 << digit, "i8")
    for i in range(n):
        keys[i] = _key(x[i], x)
    for shift in shifts:
        _counted(counts, keys, shift)
        for i in range(n):
            word = keys[i]
            d = int((word >> shift) & (len(counts) - 1))
            other[counts[d]] = word
            counts[d] += 1
        keys, other = other, keys
    for i in range(n):
        y[n - 1 - i if descending else i] = _value(keys[i], x)


def argsort(order: Any, x: Any, descending: bool) -> None:
    """The positions of the elements in order; of equal ones the first comes first."""
    n = len(x)
    if n <= FEW:
        keys = empty(n, x)
        for i in range(n):
            key = x[i]
            j = i - 1
            while j >= 0 and _before(key, keys[j], x, descending):
                keys[j + 1] = keys[j]
                order[j + 1] = order[j]
                j -= 1
            keys[j + 1] = key
            order[j + 1] = i
        return
    digit, shifts = _digits(n, x)
    words, other = empty(n, _word(x)), empty(n, _word(x))
    places, elsewhere = empty(n, "i8"), empty(n, "i8")
    counts = empty(1 << digit, "i8")
    for i in range(n):
        word = _key(x[i] + 0.0 if x.dtype.kind == "f" else x[i], x)  # -0.0 + 0.0 is 0.0
        words[i] = ~word if descending else word
        places[i] = i
    for shift in shifts:
        _counted(counts, words, shift)
        for i in range(n):
            word = words[i]
            d = int((word >> shift) & (len(counts) - 1))
            at = counts[d]
            other[at] = word
            elsewhere[at] = places[i]
            counts[d] += 1
        words, other = other, words
        places, elsewhere = elsewhere, places
    for i in range(n):
        order[i] = places[i]


def place(line: Any, wanted: Any, left: bool, rising: bool) -> Any:
    """How many elements of a line in order come before a number, by halving, without branches."""
    n = len(line)
    low, rest = 0, n
    while rest > 0:
        half = rest // 2
        at = low + half
        element = line[at] if rising else line[n - 1 - at]
        if left:
            after = _less(element, wanted, line)
        else:
            after = not _less(wanted, element, line)
        low = at + 1 if after else low
        rest = rest - half - 1 if after else half
    return low


def searchsorted(y: Any, line: Any, x: Any, side: str) -> None:
    """Each in its turn."""
    for k in range(len(x)):
        y[k] = place(line, x[k], side == "left", True)


def digitize(y: Any, x: Any, bins: Any, right: bool) -> None:
    """Bins that rise are searched; those that fall are counted from their end."""
    n = len(bins)
    rising, falling = True, True
    for i in range(1, n):
        if bins[i] < bins[i - 1]:
            rising = False
        if bins[i] > bins[i - 1]:
            falling = False
    if not (rising or falling):
        give_up()
    if rising:
        for k in range(len(x)):
            y[k] = place(bins, x[k], right, True)
    else:
        for k in range(len(x)):
            y[k] = n - place(bins, x[k], right, False)


def isin(y: Any, x: Any, among: Any, invert: bool) -> None:
    """One after the other; NaN is in nothing."""
    for k in range(len(x)):
        found = False
        for j in range(len(among)):
            if x[k] == among[j]:
                found = True
                break
        y[k] = not found if invert else found


def nanargmax(y: Any, x: Any) -> None:
    """The first of the largest; there must be a number."""
    best = -1
    for i in range(len(x)):
        if x[i] == x[i] and (best < 0 or x[i] > x[max(best, 0)]):
            best = i
    if best < 0:
        give_up()
    y[()] = best


def nanargmin(y: Any, x: Any) -> None:
    """The first of the smallest; there must be a number."""
    best = -1
    for i in range(len(x)):
        if x[i] == x[i] and (best < 0 or x[i] < x[max(best, 0)]):
            best = i
    if best < 0:
        give_up()
    y[()] = best
