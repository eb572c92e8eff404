"""L-BFGS, with the line search of M. Schmidt's minFunc, as PyTorch's optimizer of that name.

References: Nocedal and Wright, Numerical Optimization (2006), algorithm 7.4 for the direction and
algorithms 3.5 and 3.6 for the line search. The safeguards of the line search and the conditions to
stop follow PyTorch's (BSD license), so that both take the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.record.mode import enable_grad
from chainrule.torch.optim._optimizer import Closure, Optimizer, moved, positive


@dataclass
class Point:
    """A place on the search line: step, loss, gradient, and slope along the line."""

    t: float
    loss: float
    gradient: Any
    slope: float


@dataclass
class History:
    """What is remembered of earlier steps."""

    steps: list[Any] = field(default_factory=list)
    changes: list[Any] = field(default_factory=list)  # of the gradient
    scale: float = 1.0
    direction: Any = None
    length: float = 1.0
    gradient: Any = None
    iterations: int = 0
    evaluations: int = 0

    def remember(self, step: Any, change: Any, size: int) -> None:
        """Take up a step and the gradient's change along it, where the curvature is positive."""
        curvature = float(change @ step)
        if curvature <= 1e-10:
            return
        if len(self.steps) == size:
            del self.steps[0], self.changes[0]
        self.steps.append(step)
        self.changes.append(change)
        self.scale = curvature / float(change @ change)

    def towards(self, gradient: Any) -> Any:
        """Minus the approximate inverse Hessian times the gradient: the two loops."""
        d = -gradient
        weights = []
        pairs = list(zip(self.steps, self.changes, strict=True))
        for s, y in reversed(pairs):
            weight = (s @ d) / (y @ s)
            weights.append(weight)
            d = d - weight * y
        d = d * self.scale
        for (s, y), weight in zip(pairs, reversed(weights), strict=True):
            d = d + (weight - (y @ d) / (y @ s)) * s
        return d


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last gradients; `step(closure)` calls the closure several times.

    The closure clears the gradients, computes the loss, calls `backward()` and returns the loss.

    >>> x = torch.tensor([4.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((x - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> x
    tensor([1.], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        positive(lr=lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"line_search_fn is None or 'strong_wolfe', not {line_search_fn!r}")
        super().__init__(
            params,
            {
                "lr": lr, "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
                "history_size": history_size, "line_search_fn": line_search_fn,
            },
        )  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS takes one group of parameters")
        self.state["lbfgs"] = {"history": History()}

    def state_dict(self) -> dict[str, Any]:
        """State and settings."""
        group = {k: v for k, v in self.param_groups[0].items() if k != "params"}
        numbers = list(range(len(self._all())))
        return {"state": dict(self.state), "param_groups": [{**group, "params": numbers}]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        settings = {k: v for k, v in state_dict["param_groups"][0].items() if k != "params"}
        self.param_groups[0].update(settings)
        self.state = dict(state_dict["state"])

    # --- parameters as one vector -----------------------------------------------------------------

    def _gradient(self) -> Any:
        parts = []
        for p in self._all():
            grad = None if p._node is None else p._node.grad
            parts.append(
                np.zeros(p._value.size, p._value.dtype) if grad is None else np.ravel(grad._value)
            )
        return np.concatenate(parts)

    def _values(self) -> list[Any]:
        return [p._value.copy() for p in self._all()]

    def _move(self, start: list[Any], t: float, direction: Any) -> None:
        """Put the parameters at start + t * direction."""
        at = 0
        for p, value in zip(self._all(), start, strict=True):
            part = direction[at : at + value.size].reshape(value.shape)[()]
            moved(p, (value + t * part).astype(value.dtype))
            at += value.size

    # --- the steps --------------------------------------------------------------------------------

    def step(self, closure: Closure | None = None) -> Any:
        """Iterate up to `max_iter` times; returns the loss before the first."""
        if closure is None:
            raise TypeError("LBFGS.step needs a closure that computes the loss and its gradient")
        group, past = self.param_groups[0], self.state["lbfgs"]["history"]

        def evaluate() -> Any:
            with enable_grad():
                past.evaluations += 1
                return closure()

        first = evaluate()
        loss, gradient = float(first), self._gradient()
        start_count = past.evaluations - 1
        if _size(gradient) <= group["tolerance_grad"]:
            return first
        for iteration in range(1, group["max_iter"] + 1):
            direction = self._direction(past, gradient, group["history_size"])
            past.length = group["lr"] * (
                min(1.0, 1.0 / float(np.abs(gradient).sum())) if past.iterations == 1 else 1.0
            )
            before, past.gradient = loss, gradient
            slope = float(gradient @ direction)
            if slope > -group["tolerance_change"]:
                break
            start = self._values()
            if group["line_search_fn"]:
                here = Point(0.0, loss, gradient, slope)
                found = strong_wolfe(
                    self._along(evaluate, start, direction), here, past.length, _size(direction)
                )
                self._move(start, found.t, direction)
                past.length, loss, gradient = found.t, found.loss, found.gradient
            else:
                self._move(start, past.length, direction)
                if iteration != group["max_iter"]:
                    loss, gradient = float(evaluate()), self._gradient()
            if (
                past.evaluations - start_count >= group["max_eval"]
                or _size(gradient) <= group["tolerance_grad"]
                or _size(past.length * direction) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first

    @staticmethod
    def _direction(past: History, gradient: Any, size: int) -> Any:
        past.iterations += 1
        if past.iterations > 1:
            past.remember(past.direction * past.length, gradient - past.gradient, size)
        past.direction = past.towards(gradient)
        return past.direction

    def _along(
        self, evaluate: Closure, start: list[Any], direction: Any
    ) -> Callable[[float], Point]:
        def point(t: float) -> Point:
            self._move(start, t, direction)
            loss = float(evaluate())
            gradient = self._gradient()
            return Point(t, loss, gradient, float(gradient @ direction))

        return point


def _size(vector: Any) -> float:
    """The largest absolute element."""
    return float(np.abs(vector).max(initial=0))


# --- line search ----------------------------------------------------------------------------------


def strong_wolfe(
    at: Callable[[float], Point],
    here: Point,
    t: float,
    direction_size: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance: float = 1e-9,
    tries: int = 25,
) -> Point:
    """A point with decrease enough (c1) and a slope small enough (c2), by cubic interpolation."""

    def too_high(p: Point) -> bool:
        return p.loss > here.loss + c1 * p.t * here.slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -c2 * here.slope

    # bracketing: longer and longer steps, until one is good enough or has gone too far
    last, new = here, at(t)
    count = 0
    low = high = new
    while count < tries:
        if too_high(new) or (count > 1 and new.loss >= last.loss):
            low, high = last, new
            break
        if flat(new):
            return new
        if new.slope >= 0:
            low, high = last, new
            break
        step = cubic_minimum(last, new, new.t + 0.01 * (new.t - last.t), 10 * new.t)
        last, new = new, at(step)
        count += 1
    else:
        low, high = here, new
    if low.loss > high.loss:
        low, high = high, low

    # zooming: the bracket shrinks around the lower end
    stuck = False
    while count < tries and abs(high.t - low.t) * direction_size >= tolerance:
        step, stuck = _inside(cubic_minimum(low, high), low.t, high.t, stuck)
        new = at(step)
        count += 1
        if too_high(new) or new.loss >= low.loss:
            high = new
            if low.loss > high.loss:
                low, high = high, low
            continue
        if flat(new):
            return new
        if new.slope * (high.t - low.t) >= 0:
            high = low
        low = new
    return low


def _inside(t: float, a: float, b: float, stuck: bool) -> tuple[float, bool]:
    """A step off the ends of the bracket, where two in a row came too near to one."""
    left, right = min(a, b), max(a, b)
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if stuck or t >= right or t <= left:
        return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
    return t, True


def cubic_minimum(
    a: Point, b: Point, lowest: float | None = None, highest: float | None = None
) -> float:
    """Where the cubic through two points with their slopes is least (Nocedal and Wright, 3.59)."""
    left, right = (a, b) if a.t <= b.t else (b, a)
    lowest = left.t if lowest is None else lowest
    highest = right.t if highest is None else highest
    if left.t == right.t:
        return lowest
    d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t)
    square = d1 * d1 - left.slope * right.slope
    if not square >= 0:
        return (lowest + highest) / 2
    d2 = math.sqrt(square)
    bend = right.slope - left.slope + 2 * d2
    if bend == 0:
        return (lowest + highest) / 2
    t = right.t - (right.t - left.t) * (right.slope + d2 - d1) / bend
    return min(max(t, lowest), highest)
