"""How a Tensor shows itself in a notebook: a small one as mathematics, a large one as a table.

Each of the two functions returns None where the other one speaks, or neither does (a tensor that is
being traced): the notebook then goes on to `repr`. Numbers have the format of `repr`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from chainrule.graph.node import Abstract
from chainrule.printing import OPTIONS, column, complex_text, suffixes

ROWS, COLUMNS = 10, 8
"""Matrices up to this size are shown as mathematics."""


def _is_small(value: Any) -> bool:
    return bool(
        value.ndim <= 2
        and value.size
        and (value.ndim < 2 or value.shape[0] <= ROWS)
        and (value.ndim == 0 or value.shape[-1] <= COLUMNS)
    )


def texts(value: Any) -> list[str]:
    """The elements as `repr` writes them, in one row."""
    if value.dtype.kind == "c":
        real, imaginary = column(value.real.ravel())[0], column(value.imag.ravel())[0]
        found = [complex_text(a, b) for a, b in zip(real, imaginary, strict=True)]
    else:
        found = column(value.ravel())[0]
    return [text.strip() for text in found]


# --- mathematics -----------------------------------------------------------------------------


def latex(t: Any) -> str | None:
    r"""A number, a vector (in parentheses) or a small matrix (in brackets) as LaTeX.

    >>> latex(cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    '$\\displaystyle \\begin{bmatrix}1. & 2. \\\\ 3. & 4.\\end{bmatrix}$'
    """
    if type(t._value) is Abstract:
        return None
    value = np.asarray(t._value)
    if not _is_small(value):
        return None
    entries = [_mathematics(text) for text in texts(value)]
    if value.ndim == 0:
        body = entries[0]
    elif value.ndim == 1:
        body = r"\left(" + r",\; ".join(entries) + r"\right)"
    else:
        n = value.shape[1]
        rows = [" & ".join(entries[i : i + n]) for i in range(0, len(entries), n)]
        body = r"\begin{bmatrix}" + r" \\ ".join(rows) + r"\end{bmatrix}"
    for suffix in suffixes(t, value):
        body += r"\quad\texttt{" + suffix.replace("_", r"\_") + "}"
    return rf"$\displaystyle {body}$"


def _mathematics(text: str) -> str:
    """A number as it prints, in LaTeX."""
    text = re.sub(r"e([+-])0*(\d+)", lambda m: rf" \times 10^{{{m[1].strip('+')}{m[2]}}}", text)
    text = text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    text = re.sub(r"j$", r"\\,i", text)
    return rf"\mathrm{{{text}}}" if text in ("True", "False") else text


# --- tables ----------------------------------------------------------------------------------


def html(t: Any) -> str | None:
    """A tensor that is no small matrix as a table, with its shape and dtype.

    Of a long axis the elements at its ends are shown, of more than two axes the first matrix.
    """
    if type(t._value) is Abstract:
        return None
    value = np.asarray(t._value)
    if _is_small(value):
        return None
    shape = " &times; ".join(map(str, value.shape))
    notes = [s for s in suffixes(t, value) if not s.startswith(("dtype", "size"))]
    caption = ", ".join([f"{shape} {value.dtype}", *map(_escaped, notes)])
    if value.ndim > 2 and value.size:
        leading = value.shape[:-2]
        caption += (
            f"; [{', '.join('0' for _ in leading)}, :, :] of {int(np.prod(leading))} matrices"
        )
        value = value[(0,) * len(leading)]
    return f"<table><caption>{caption}</caption>{_rows(np.atleast_2d(value))}</table>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ends(n: int, limit: int) -> tuple[list[int], int]:
    """The positions to show of n, and before which of them others are left out (n: of none)."""
    edge = OPTIONS.edgeitems
    if n <= max(limit, 2 * edge):
        return list(range(n)), n
    return [*range(edge), *range(n - edge, n)], edge


def _rows(matrix: Any) -> str:
    if not matrix.size:
        return ""
    down, gap = _ends(matrix.shape[0], ROWS)
    across, hole = _ends(matrix.shape[1], COLUMNS)
    shown = texts(matrix[np.ix_(down, across)])
    lines = []
    for i in range(len(down)):
        cells = shown[i * len(across) : (i + 1) * len(across)]
        if hole < matrix.shape[1]:
            cells.insert(hole, "…")
        if i == gap and gap < matrix.shape[0]:
            lines.append("<tr>" + "<td>⋮</td>" * len(cells) + "</tr>")
        lines.append("<tr>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    return "".join(lines)
