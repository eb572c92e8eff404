"""What all optimizers share: groups of parameters with their settings, and a state for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.errors import at, user_line
from chainrule.graph.node import Leaf, Variable
from chainrule.record.inplace import store
from chainrule.record.mode import enable_grad

Closure = Callable[[], Any]


class Optimizer:
    """Base of optimizers. `params` are tensors, or dicts {"params": ..., "lr": ...}."""

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, Variable):
            raise TypeError(
                "params must be an iterable of tensors: write [x] for one" + at(user_line())
            )
        self.defaults = defaults
        self.state: dict[Any, dict[str, Any]] = {}
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("an optimizer needs at least one parameter" + at(user_line()))
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with settings that differ from the defaults where they are given."""
        group = {**param_group}
        given = group["params"]
        group["params"] = [given] if isinstance(given, Variable) else _tensors(given)
        for key, value in self.defaults.items():
            group.setdefault(key, value)
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for p in group["params"]:
            if not isinstance(p, Variable):
                raise TypeError(
                    f"an optimizer takes tensors, not {type(p).__name__}" + at(user_line())
                )
            if p._node is not None and type(p._node) is not Leaf:
                raise ValueError(
                    "an optimizer takes leaf tensors; this one was computed" + at(user_line())
                )
            if id(p) in known:
                raise ValueError("a parameter is in two groups" + at(user_line()))
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with set_to_none=False set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                node = p._node
                if node is None:
                    continue
                if set_to_none:
                    node.grad = None
                elif node.grad is not None:
                    node.grad.detach_().zero_()

    def step(self, closure: Closure | None = None) -> Any:
        """Change the parameters by one step; `closure` computes the loss anew and returns it."""
        loss = _computed(closure)
        for group in self.param_groups:
            for p in group["params"]:
                node = p._node
                grad = None if node is None else node.grad
                if grad is None:
                    continue
                g = grad._value
                if group.get("maximize"):
                    g = -g
                self._update(p, g, self.state.setdefault(p, {}), group)
        return loss

    def _update(self, p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change one parameter, given its gradient as an array."""
        raise NotImplementedError

    # --- saving -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and settings, parameters being numbered in their order."""
        numbers = {id(p): i for i, p in enumerate(self._all())}
        groups = [
            {
                **{k: v for k, v in group.items() if k != "params"},
                "params": [numbers[id(p)] for p in group["params"]],
            }
            for group in self.param_groups
        ]
        state = {numbers[id(p)]: _copied(s) for p, s in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` of an optimizer of like groups gave."""
        saved = state_dict["param_groups"]
        if [len(g["params"]) for g in saved] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError("the saved groups have other numbers of parameters" + at(user_line()))
        for mine, theirs in zip(self.param_groups, saved, strict=True):
            mine.update({k: v for k, v in theirs.items() if k != "params"})
        every = self._all()
        self.state = {every[i]: _copied(s) for i, s in state_dict["state"].items()}

    def _all(self) -> list[Any]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def _tensors(given: Iterable[Any]) -> list[Any]:
    if isinstance(given, set):
        raise TypeError("parameters need an order: give a list, not a set" + at(user_line()))
    return list(given)


def _computed(closure: Closure | None) -> Any:
    if closure is None:
        return None
    with enable_grad():
        return closure()


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in state.items()}


def moved(p: Any, new: Any) -> None:
    """Put a new value into a parameter."""
    store(p, new, "step")


def decayed(p: Any, g: Any, group: dict[str, Any]) -> Any:
    """The gradient, with that of the penalty weight_decay / 2 * |p|^2."""
    decay = group["weight_decay"]
    return g + decay * p._value if decay else g


def positive(**settings: float) -> None:
    """Raise for a setting that is negative."""
    for name, value in settings.items():
        if value < 0:
            raise ValueError(f"{name} cannot be negative, and is {value}" + at(user_line()))


def fractions(**settings: float) -> None:
    """Raise for a setting outside [0, 1)."""
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} is in [0, 1), not {value}" + at(user_line()))
