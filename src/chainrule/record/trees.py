"""Nested containers of arrays, taken apart into a list of leaves and put together again.

Containers are tuples, lists, dicts, named tuples, dataclasses and None (which holds nothing);
everything else is a leaf. A `Structure` is what is left when the leaves are taken out: two
containers have the same one exactly if they are nested alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.errors import StructureError, at, user_line
from chainrule.graph.node import Variable


@dataclasses.dataclass(frozen=True, slots=True)
class Structure:
    """How a container is nested: its type, its keys or fields, and its parts."""

    kind: Any
    """Type of the container; None for a leaf."""
    keys: tuple[Any, ...] = ()
    """Keys of a dict, names of a dataclass's fields."""
    parts: tuple[Structure, ...] = ()
    count: int = 1
    """Number of leaves."""

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        if self.kind is type(None):
            return "None"
        inside = [repr(p) for p in self.parts]
        if self.kind is tuple:
            return "(" + ", ".join(inside) + ("," if len(inside) == 1 else "") + ")"
        if self.kind is list:
            return "[" + ", ".join(inside) + "]"
        if self.keys and issubclass(self.kind, dict):
            return (
                "{" + ", ".join(f"{k!r}: {v}" for k, v in zip(self.keys, inside, strict=True)) + "}"
            )
        names = self.keys or getattr(self.kind, "_fields", ())
        named = [f"{k}={v}" for k, v in zip(names, inside, strict=True)]
        return f"{self.kind.__name__}({', '.join(named)})"


LEAF: Final = Structure(None)
_NOTHING: Final = Structure(type(None), count=0)
_ATOMS: Final = frozenset({float, int, bool, complex, str, np.ndarray, np.float64, np.float32})
"""Types that are leaves at first sight."""


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a container, left to right, and its structure.

    >>> flatten({"a": 1.0, "b": (2.0, None)})
    ([1.0, 2.0], {'a': *, 'b': (*, None)})
    """
    leaves: list[Any] = []
    return leaves, _take_apart(tree, leaves)


def _take_apart(tree: Any, leaves: list[Any]) -> Structure:
    kind = type(tree)
    if kind in _ATOMS or isinstance(tree, Variable):
        leaves.append(tree)
        return LEAF
    if tree is None:
        return _NOTHING
    keys: tuple[Any, ...] = ()
    if kind is tuple or kind is list:
        inside: Any = tree
    elif isinstance(tree, dict):
        keys = tuple(tree)
        inside = tree.values()
    elif isinstance(tree, tuple | list):  # a named tuple, or a subclass made like its base
        inside = tree
    elif dataclasses.is_dataclass(tree):
        keys = tuple(f.name for f in dataclasses.fields(tree) if f.init)
        inside = [getattr(tree, k) for k in keys]
    else:
        leaves.append(tree)
        return LEAF
    parts = tuple([_take_apart(part, leaves) for part in inside])
    return Structure(kind, keys, parts, sum([p.count for p in parts]))


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The container of this structure with these leaves.

    >>> unflatten(flatten({"a": 1.0, "b": (2.0, None)})[1], [3.0, 4.0])
    {'a': 3.0, 'b': (4.0, None)}
    """
    if structure is LEAF:
        return leaves[0]
    return _put_together(structure, iter(leaves))


def _put_together(structure: Structure, leaves: Any) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    if kind is type(None):
        return None
    parts = [_put_together(p, leaves) for p in structure.parts]
    if kind is list:
        return parts
    if kind is tuple:
        return tuple(parts)
    if issubclass(kind, dict):
        return _dict(kind, zip(structure.keys, parts, strict=True))
    if issubclass(kind, tuple | list):
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
    return _dataclass(kind, dict(zip(structure.keys, parts, strict=True)))


def _dict(kind: Any, items: Any) -> Any:
    if kind is dict:
        return dict(items)
    made = kind.__new__(kind)  # a defaultdict's first argument is no mapping
    made.update(items)
    return made


def _dataclass(kind: Any, fields: dict[str, Any]) -> Any:
    """An instance with these fields; `__post_init__` is not run, as it may check numbers."""
    made = object.__new__(kind)
    for f in dataclasses.fields(kind):
        if f.name in fields:
            object.__setattr__(made, f.name, fields[f.name])
        elif f.default is not dataclasses.MISSING:
            object.__setattr__(made, f.name, f.default)
        elif f.default_factory is not dataclasses.MISSING:
            object.__setattr__(made, f.name, f.default_factory())
    return made


def leaf_names(structure: Structure, parts: Sequence[str] | str) -> list[str]:
    """How to write each leaf, given how to write the container or each of its parts.

    >>> leaf_names(flatten({"a": 1.0, "b": (2.0, None)})[1], "x")
    ["x['a']", "x['b'][0]"]
    """
    if structure.kind is None:
        return [parts] if isinstance(parts, str) else list(parts)
    if isinstance(parts, str):
        if structure.keys and issubclass(structure.kind, dict):
            parts = [f"{parts}[{k!r}]" for k in structure.keys]
        elif names := structure.keys or getattr(structure.kind, "_fields", ()):
            parts = [f"{parts}.{k}" for k in names]
        else:
            parts = [f"{parts}[{i}]" for i in range(len(structure.parts))]
    return [n for name, p in zip(parts, structure.parts, strict=True) for n in leaf_names(p, name)]


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The container with `function` applied to every leaf (and the leaves of others nested alike).

    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": [2]}, {"a": 10, "b": [20]})
    {'a': 11, 'b': [22]}
    """
    leaves, structure = flatten(tree)
    columns = [flatten_like(other, structure, "tree_map", "a container") for other in others]
    return unflatten(structure, [function(*row) for row in zip(leaves, *columns, strict=True)])


def flatten_like(tree: Any, structure: Structure, name: str, what: str) -> list[Any]:
    """The leaves of a container that must have a certain structure."""
    leaves, found = flatten(tree)
    if found == structure:
        return leaves
    if _same_but_for_order(found, structure):
        return _in_order(tree, structure)
    raise StructureError(
        f"{name}: {what} is nested as {found}, and should be nested as {structure}; its "
        "containers and keys must be the same" + at(user_line())
    )


def _same_but_for_order(a: Structure, b: Structure) -> bool:
    if a.kind is not b.kind or len(a.parts) != len(b.parts):
        return False
    if a.keys == b.keys:
        return all(_same_but_for_order(p, q) for p, q in zip(a.parts, b.parts, strict=True))
    if set(a.keys) != set(b.keys):
        return False
    part = dict(zip(a.keys, a.parts, strict=True))
    return all(_same_but_for_order(part[k], q) for k, q in zip(b.keys, b.parts, strict=True))


def _in_order(tree: Any, structure: Structure) -> list[Any]:
    """Leaves of a container whose dicts have the keys in another order."""
    if structure.kind is None:
        return [tree]
    if structure.keys and isinstance(tree, dict):
        parts = [tree[k] for k in structure.keys]
    elif structure.keys:
        parts = [getattr(tree, k) for k in structure.keys]
    else:
        parts = list(tree or ())
    return [x for p, s in zip(parts, structure.parts, strict=True) for x in _in_order(p, s)]
