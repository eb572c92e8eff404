"""How a Tensor prints: the format of PyTorch.

The elements that are shown decide one notation and one width for all of them (`column`); they are
laid out in nested brackets (`_brackets`), and what the numbers do not say, a dtype or a history,
follows as a suffix. The format was learned from what PyTorch prints, and is tested against that.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule.graph.node import Abstract
from chainrule.ops.complaints import NUMBERS

INDENT = len("tensor(")

WHOLE = "#.0f"
"""Format of whole numbers: no decimals, but the point."""


DEFAULTS = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}

PROFILES: dict[str, dict[str, Any]] = {
    "default": DEFAULTS,
    "short": {**DEFAULTS, "precision": 2, "edgeitems": 2},
    "full": {**DEFAULTS, "threshold": float("inf")},
}

OPTIONS = SimpleNamespace(**DEFAULTS)
"""What `set_printoptions` sets."""


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors print: digits after the point, the number of elements above which only
    `edgeitems` at each end of an axis are shown, the length of a line, and scientific notation
    (True, False, or None for where the numbers ask for it).

    What is not given stays, but for `sci_mode`; `profile` "default", "short" or "full" comes first.

    >>> cr.set_printoptions(precision=2)
    >>> cr.tensor([3.14159, 2.71828])
    tensor([3.14, 2.72])
    >>> cr.set_printoptions(profile="default")
    """
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    if profile is not None:
        if profile not in PROFILES:
            raise ValueError(f"profile is one of {', '.join(PROFILES)}, not {profile!r}")
        vars(OPTIONS).update(PROFILES[profile])
    vars(OPTIONS).update({k: v for k, v in given.items() if v is not None}, sci_mode=sci_mode)


def tensor_text(t: Any) -> str:
    """A Tensor as `repr` shows it; of a traced one, what is known."""
    if type(t._value) is Abstract:
        return f"tensor(traced {t._value!r})"
    value = np.asarray(t._value)
    text = "tensor(" + (_elements(value) if value.size else "[]")
    end = len(text) - text.rfind("\n") + 1
    for suffix in suffixes(t, value):
        if end + len(suffix) + 2 > OPTIONS.linewidth:
            text += ",\n" + " " * INDENT + suffix
            end = INDENT + len(suffix)
        else:
            text += ", " + suffix
            end += len(suffix) + 2
    return text + ")"


def suffixes(t: Any, value: Any) -> list[str]:
    """What follows the elements: size=, dtype=, grad_fn= or requires_grad=."""
    cls = type(t)
    default = cls._default_dtype
    silent = {default}
    if value.size:
        silent |= {np.dtype(np.int64), np.dtype(np.bool_), np.result_type(default, np.complex64)}
    found = []
    if not value.size and value.ndim != 1:
        found.append(f"size={value.shape}")
    if value.dtype not in silent:
        found.append(f"dtype={getattr(cls, '_dtype_prefix', '')}{value.dtype.name}")
    if t._node is not None:
        leaf = t._node.op is None
        name = "" if leaf else grad_fn_name(t._node, value.ndim)
        found.append("requires_grad=True" if leaf else f"grad_fn=<{name}>")
    return found


# --- elements ----------------------------------------------------------------------------------


def _elements(value: Any) -> str:
    """The elements in brackets; of a large array, those at the ends of each axis."""
    edge = OPTIONS.edgeitems
    cut = [value.size > OPTIONS.threshold and n > 2 * edge for n in value.shape]
    for axis, (short, n) in enumerate(zip(cut, value.shape, strict=True)):
        if short:
            value = value.take([*range(edge), *range(n - edge, n)], axis)
    if value.dtype.kind == "c":
        real, real_width = column(value.real.ravel())
        imaginary, imaginary_width = column(value.imag.ravel())
        texts = [complex_text(a, b) for a, b in zip(real, imaginary, strict=True)]
        width = real_width + imaginary_width + 1
    else:
        texts, width = column(value.ravel())
    if not value.ndim:
        return texts[0]
    nested = np.array(texts, object).reshape(value.shape).tolist()
    return _brackets(nested, cut, width, INDENT)


def column(values: Any) -> tuple[list[str], int]:
    """Each of the values as text, right-justified, and the width that lines are computed with.

    Zeros, infinities and NaN have no say in notation and width.
    """
    if values.dtype.kind != "f":
        texts = [str(v) for v in values.tolist()]
        width = max(map(len, texts), default=1)
    else:
        numbers = values.astype(np.float64)
        deciding = numbers[np.isfinite(numbers) & (numbers != 0)]
        form = _notation(deciding)
        texts = [format(v, form) for v in numbers.tolist()]
        width = max((len(format(v, form)) for v in deciding.tolist()), default=1)
    return [text.rjust(width) for text in texts], width


def _notation(deciding: Any) -> str:
    """The format specification: scientific, fixed decimals, or WHOLE."""
    if not deciding.size:
        return WHOLE
    magnitudes = np.abs(deciding)
    whole = bool((deciding == np.trunc(deciding)).all())
    scientific = OPTIONS.sci_mode
    if scientific is None:
        scientific = bool(
            magnitudes.max() / magnitudes.min() > 1000
            or magnitudes.max() > 1e8
            or (not whole and magnitudes.min() < 1e-4)
        )
    return f".{OPTIONS.precision}e" if scientific else WHOLE if whole else f".{OPTIONS.precision}f"


def complex_text(real: str, imaginary: str) -> str:
    """A complex number from the texts of its parts."""
    imaginary = imaginary.lstrip()
    return real + ("" if imaginary[0] in "+-" else "+") + imaginary + "j"


def _brackets(texts: list[Any], cut: list[bool], width: int, indent: int) -> str:
    """Nested lists of texts as nested brackets, axes set apart as in PyTorch."""
    if len(cut) > 1:
        items = [_brackets(t, cut[1:], width, indent + 1) for t in texts]
        between = "," + "\n" * (len(cut) - 1) + " " * (indent + 1)
    else:
        items, between = list(texts), ", "
    if cut[0]:
        items.insert(OPTIONS.edgeitems, "..." if len(cut) > 1 else " ...")
    if len(cut) == 1:
        count = max(1, (OPTIONS.linewidth - indent) // (width + 2))
        lines = [items[i : i + count] for i in range(0, len(items), count)]
        items, between = [", ".join(line) for line in lines], ",\n" + " " * (indent + 1)
    return "[" + between.join(items) + "]"


# --- names of operations -----------------------------------------------------------------------

TORCH_NAMES = {
    "astype": "ToCopy", "broadcast_to": "Expand", "cholesky": "LinalgCholeskyEx",
    "clip_above": "Clamp", "clip_below": "Clamp", "concat": "Cat", "copy": "Clone",
    "cross": "LinalgCross", "cumulative_prod": "Cumprod", "cumulative_sum": "Cumsum",
    "degrees": "Rad2Deg", "det": "LinalgDet", "divide": "Div", "eig": "LinalgEig",
    "eigh": "LinalgEigh", "expand_dims": "Unsqueeze", "expit": "Sigmoid",
    "expm": "LinalgMatrixExp", "gammaln": "Lgamma", "inv": "LinalgInvEx", "log1p": "Log1P",
    "matrix_transpose": "Transpose", "moveaxis": "Permute", "multiply": "Mul", "negative": "Neg",
    "norm": "LinalgVectorNorm", "outer": "Mul", "pad": "ConstantPadNd", "permute_dims": "Permute",
    "pinv": "LinalgPinv", "power": "Pow", "qr": "LinalgQr", "radians": "Deg2Rad",
    "reshape": "View", "rint": "Round", "slogdet": "LinalgSlogdet", "solve": "LinalgSolveEx",
    "square": "Pow", "subtract": "Sub", "svd": "LinalgSvd", "swapaxes": "Transpose",
    "take": "IndexSelect", "take_along_axis": "Gather", "tile": "Repeat", "unstack": "Unbind",
    "vector_norm": "LinalgVectorNorm",
}  # fmt: skip
"""What PyTorch calls an operation, where that is not our name in camel case."""


def grad_fn_name(node: Any, ndim: int) -> str:
    """PyTorch's name for the operation of a node whose value has `ndim` axes: `MulBackward0`."""
    if node.op.name == "select":  # one of several results
        node = node.inputs[0]
    name = node.op.name
    if name == "set_item":
        return "CopySlices"
    camel = "".join(part.capitalize() for part in name.split("_"))
    stem, variant = TORCH_NAMES.get(name, camel), 0
    if name in ("sum", "prod", "mean"):
        variant = int(node.params.get("axis") is not None)
    elif name in ("max", "min"):
        stem, variant = (stem, 1) if node.params.get("axis") is None else ("A" + name, 0)
    elif stem == "Clamp":
        variant = 1
    elif name == "power":
        variant = 0 if _is_number(node, 1) else 2 if _is_number(node, 0) else 1
    elif name == "subtract" and _is_number(node, 0):
        stem, variant = "Rsub", 1
    elif name == "divide" and _is_number(node, 0):
        stem = "Mul"  # by the reciprocal
    elif name in ("matmul", "dot", "vecdot"):
        stem = ("Dot", "Mv", "Mm")[ndim] if ndim < 3 else "UnsafeView"
    elif name == "getitem":
        stem = _index_name(node.params.get("index"))
    return f"{stem}Backward{variant}"


def _is_number(node: Any, operand: int) -> bool:
    """Whether an operand was a Python number (as far as known, once the graph is freed)."""
    if node.inputs[operand] is not None:
        return False
    return node.saved is None or type(node.saved[1 + operand]) in NUMBERS


def _index_name(index: Any) -> str:
    """PyTorch indexes axis by axis, and names the last step; all arrays are one step at the end."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(p, (list, np.ndarray)) for p in parts):
        return "Index"
    steps = [p for p in parts if p is not Ellipsis and p != slice(None)]
    if not steps:
        return "Alias" if Ellipsis in parts else "Slice"
    last = steps[-1]
    return "Unsqueeze" if last is None else "Slice" if isinstance(last, slice) else "Select"
