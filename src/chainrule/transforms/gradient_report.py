"""What `check_grad` reports: whether modes agree, and where they do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, at, user_line

MODES = ("forward", "reverse")


class GradientMismatch(ChainruleError, AssertionError):
    """Forward mode, reverse mode and differences do not agree; `report` says where."""

    def __init__(self, report: GradientReport) -> None:
        super().__init__(repr(report) + at(user_line()))
        self.report = report


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """One entry of a Jacobian on which the modes differ, the worst of its argument and result."""

    function: str
    """What was differentiated: f, or a derivative of it."""
    argument: str
    argument_index: tuple[int, ...]
    result: str
    result_index: tuple[int, ...]
    values: dict[str, float]
    """The entry, by the name of the mode that gave it."""
    part: str = ""
    """Of complex numbers, which real derivative: by the real or the imaginary part."""

    @property
    def size(self) -> float:
        """The largest difference between two of the values."""
        return spread(list(self.values.values()))

    @property
    def wrong(self) -> str:
        """The mode that the others agree against, or "all" where no two agree."""
        names = list(self.values)
        if len(names) < 3:
            return "one of the two"
        rest = {n: spread([self.values[m] for m in names if m != n]) for n in names}
        alone = min(rest, key=lambda n: rest[n])
        return alone if rest[alone] < 0.1 * self.size or not np.isfinite(self.size) else "all"

    def __repr__(self) -> str:
        of = f"{self.result}{_entry(self.result_index)}"
        by = f"{self.argument}{_entry(self.argument_index)}{self.part}"
        numbers = ", ".join(f"{name} {v:.10g}" for name, v in self.values.items())
        return (
            f"derivative of {of} of {self.function} by {by}:\n    {numbers}\n"
            f"    differ by {self.size:.3g}: {self._verdict()}"
        )

    def _verdict(self) -> str:
        wrong = self.wrong
        if wrong == "all":
            return "no two agree"
        if wrong == "one of the two":
            return "one of them is wrong"
        if wrong in MODES:
            return f"{wrong} mode is wrong"
        if np.isnan(self.values[wrong]):
            return "f has no numbers on both sides of this point; check it at another one"
        return "a rule is wrong in both modes, or the function has a kink or a jump here"


@dataclasses.dataclass
class GradientReport:
    """What `check_grad` found. It is true where everything agreed.

    >>> report = cr.check_grad(np.abs, 0.0, raise_on_failure=False)
    >>> report.ok, report.disagreements
    (True, [])
    """

    comparisons: int = 0
    """How many times <c, J t> was compared."""
    largest: float = 0.0
    """The largest difference met, in units of the tolerance: below 1 all is well."""
    disagreements: list[Disagreement] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    """Wrong dtypes and shapes, values that differ while recording."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """What could not be compared, which is no failure."""

    @property
    def ok(self) -> bool:
        """Whether everything agreed."""
        return not self.disagreements and not self.problems

    def note(self, text: str) -> None:
        """Note what could not be compared, once."""
        if text not in self.notes:
            self.notes.append(text)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        first = f"check_grad: {'ok' if self.ok else 'failed'}, {self.comparisons} comparisons, the "
        first += f"largest difference {self.largest:.2g} times the tolerance"
        rest = [*self.problems, *map(repr, self.disagreements), *self.notes]
        return "\n  ".join([first, *rest])


def spread(values: Sequence[Any]) -> float:
    """The largest difference between two numbers; infinite where only some are NaN."""
    if all(v == values[0] for v in values) or all(v != v for v in values):
        return 0.0
    found = [abs(v - w) for v in values for w in values if v != w]
    return max(float(d) if d == d else np.inf for d in found)


def _entry(index: tuple[int, ...]) -> str:
    return f" (entry [{', '.join(map(str, index))}])" if index else ""
