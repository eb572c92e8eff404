"""What chainrule does, in under a minute: the text's programs, then two fits to real data.

Part 1 runs the PyTorch programs of the text unchanged under `import chainrule.torch as torch`.
Part 2 fits a linear and a logistic regression by gradient descent, checks the solutions against
the closed form and SciPy, and draws the descent to examples/descent.png.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_diabetes
from tqdm import tqdm

import chainrule as cr
import chainrule.torch as torch

PICTURE = Path(__file__).with_name("descent.png")


# --- part 1: the text's programs ---------------------------------------------------------------


def heading(text: str) -> None:
    """Print a title."""
    print(f"\n{text}\n{'-' * len(text)}")


def derivatives() -> None:
    """Gradients of the text's three functions."""
    heading("Gradients by backward()")
    x1 = torch.tensor(1.0, requires_grad=True)
    x2 = torch.tensor(2.0, requires_grad=True)
    f = 3 * (x1**2) + x2 + torch.exp(x1 * x2)
    f.backward()
    print("f(x1, x2) = 3 x1^2 + x2 + exp(x1 x2) at (1, 2):")
    print(x1.grad)  # df/dx1
    print(x2.grad)  # df/dx2

    z = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    g = torch.sum(z**2)
    g.backward()
    print("g(z) = sum of z_i^2 at (1, 2, 3):")
    print(z.grad)  # (2 z_1, 2 z_2, 2 z_3)

    torch.manual_seed(0)
    X = torch.randn(3, 2)  # random dataset (features)
    y = torch.tensor([[1.0, 0.0, 1.0]])  # dataset (labels)
    theta = torch.ones(2, 1, requires_grad=True)  # parameter assignment
    predict = X @ theta  # classifier with parameter vector theta
    loss = torch.sum((predict - y) ** 2)  # loss function
    loss.backward()
    print("loss of a linear classifier on random features (seed 0):")
    print(theta.grad)


def second_derivatives() -> None:
    """The Hessian of the text's first function: the gradient is recorded, then differentiated."""
    heading("Second derivatives: the gradient with create_graph=True, differentiated again")
    x1 = torch.tensor(1.0, requires_grad=True)
    x2 = torch.tensor(2.0, requires_grad=True)
    f = 3 * x1**2 + x2 + torch.exp(x1 * x2)
    gradient = torch.autograd.grad(f, (x1, x2), create_graph=True)
    for component in gradient:
        row = torch.autograd.grad(component, (x1, x2), retain_graph=True)
        print([round(entry.item(), 4) for entry in row])
    e2 = np.exp(2.0)
    print("by hand: [6 + 4 e^2, 3 e^2], [3 e^2, e^2] =")
    print(np.round([[6 + 4 * e2, 3 * e2], [3 * e2, e2]], 4))


def gd_with_ad(
    f: Callable[[Any], Any], x0: float, alpha: float = 1e-3, niters: int = int(1e6)
) -> tuple[Any, float]:
    """Gradient descent as the text writes it."""
    xk = torch.tensor(x0, requires_grad=True, dtype=torch.float)
    for _ in range(niters):
        value = f(xk)
        value.backward()
        with torch.no_grad():
            xk -= alpha * xk.grad
        xk.grad.zero_()
    return xk.numpy(force=True), f(xk).item()


def descents() -> None:
    """The text's two descents of x^3, which has no minimum: one stalls at 0, one falls for ever."""
    heading("Gradient descent on x^3")
    print(gd_with_ad(lambda x: x**3, 2, niters=int(1e4)))
    print(gd_with_ad(lambda x: x**3, -2, niters=100))


# --- part 2: real data -------------------------------------------------------------------------


Array = np.ndarray[Any, Any]


@dataclass
class Problem:
    """A loss to minimize over a vector of weights."""

    name: str
    data: str
    weights: int
    loss: Callable[[Any], Any]
    gradient: Callable[[Array], Array]
    """The gradient as derived by hand, to compare with."""
    curvature: float
    """Upper bound of the loss's second derivative in any direction: the step is its inverse."""
    solution: Array | None = None
    """The minimum in closed form, where there is one."""


STEPS = 10_000


@dataclass
class Fit:
    """The course of a descent, and the least loss known."""

    problem: Problem
    losses: Array
    optimum: float


def with_intercept(features: Array) -> Array:
    """Columns of mean 0 and deviation 1, and a column of ones."""
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    return np.column_stack([np.ones(len(scaled)), scaled])


def linear_regression() -> Problem:
    """Least squares: progression of diabetes after a year from ten measurements."""
    features, target = load_diabetes(return_X_y=True, scaled=False)
    X, y = with_intercept(features), (target - target.mean()) / target.std()
    n, d = X.shape

    def loss(w: Any) -> Any:
        return ((X @ w - y) ** 2).mean() / 2

    return Problem(
        "linear regression",
        f"diabetes: {n} people, {d} weights",
        d,
        loss,
        gradient=lambda w: X.T @ (X @ w - y) / n,
        curvature=np.linalg.eigvalsh(X.T @ X / n)[-1],
        solution=np.linalg.lstsq(X, y)[0],
    )


RIDGE = 1e-2
"""Weight of the squares of the slopes: without it, slopes grow for ever on data that separate."""


def logistic_regression() -> Problem:
    """Whether a tumor is benign from thirty measurements of its cells."""
    features, target = load_breast_cancer(return_X_y=True)
    X, sign = with_intercept(features), 2.0 * target - 1
    n, d = X.shape
    slopes = np.arange(d) > 0  # the intercept is not held back

    def loss(w: Any) -> Any:
        return cr.logaddexp(0.0, -sign * (X @ w)).mean() + RIDGE / 2 * (w[1:] ** 2).sum()

    return Problem(
        "logistic regression",
        f"breast cancer: {n} tumors, {d} weights",
        d,
        loss,
        gradient=lambda w: -X.T @ (sign * expit(-sign * (X @ w))) / n + RIDGE * slopes * w,
        # the logistic function rises at most by 1/4
        curvature=np.linalg.eigvalsh(X.T @ X / n)[-1] / 4 + RIDGE,
    )


def value_and_gradient(problem: Problem, at: Array) -> tuple[float, Array]:
    """What SciPy's minimizers ask for."""
    w = cr.tensor(at, requires_grad=True)
    value = problem.loss(w)
    value.backward()
    return value.item(), w.grad.numpy()


def descend(problem: Problem) -> tuple[Array, Array]:
    """Gradient descent from zero with a constant step; weights, and the loss before every step."""
    w = cr.tensor(np.zeros(problem.weights), requires_grad=True)
    losses = np.empty(STEPS)
    for step in tqdm(range(STEPS), desc=problem.name, unit=" steps"):
        value = problem.loss(w)
        losses[step] = value.item()
        value.backward()
        with cr.no_grad():
            w -= w.grad / problem.curvature
        w.grad.zero_()
    return w.numpy(force=True), losses


def report(what: str, difference: float, limit: float) -> None:
    """Print how far apart two answers are, and stop if that is farther than it should be."""
    print(f"  {what:<58} {difference:.1e}")
    if not difference < limit:
        raise SystemExit(f"{what}: they differ by {difference:.1e}, more than {limit:.0e}")


def fit(problem: Problem) -> Fit:
    """Descend, and compare with the formula, with SciPy and with the closed form."""
    print(f"\n{problem.name.capitalize()} ({problem.data})", flush=True)
    weights, losses = descend(problem)
    reference = minimize(
        lambda at: value_and_gradient(problem, at),
        np.zeros(problem.weights),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-9},
    )
    somewhere = np.random.default_rng(0).standard_normal(problem.weights)
    gradient = value_and_gradient(problem, somewhere)[1]

    print(f"  {'loss at the start, and at the end':<58} {losses[0]:.6f}, {losses[-1]:.6f}")
    formula = problem.gradient(somewhere)
    report("gradient: backward() against the formula", _apart(gradient, formula), 1e-13)
    gap = abs(losses[-1] - reference.fun)
    report("loss: descent against SciPy's BFGS with our gradient", gap, 1e-12)
    report("weights: descent against SciPy's BFGS", _apart(weights, reference.x), 1e-6)
    if problem.solution is not None:
        report("weights: descent against the closed form", _apart(weights, problem.solution), 1e-6)
    return Fit(problem, losses, min(reference.fun, losses.min()))


def _apart(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max())


def real_data() -> list[Fit]:
    """Fit both data sets."""
    heading("Real data: gradient descent with the library's gradients")
    return [fit(linear_regression()), fit(logistic_regression())]


# --- the picture -------------------------------------------------------------------------------


def draw(fits: list[Fit], path: Path) -> None:
    """Loss minus optimum over the steps, on a logarithmic axis, one panel for each problem."""
    figure = Figure(figsize=(9.5, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, result, color in zip(panels, fits, ["#1f5fa8", "#b5482a"], strict=True):
        gap = result.losses - result.optimum
        shown = gap > 1e-15  # below are the rounding errors of the loss itself
        panel.semilogy(np.flatnonzero(shown), gap[shown], color=color, linewidth=1.8)
        panel.set_title(result.problem.name.capitalize(), loc="left", pad=20, weight="bold")
        panel.text(0, 1.03, result.problem.data, transform=panel.transAxes, color="#555555")
        panel.set_xlabel("step of gradient descent")
        panel.grid(alpha=0.25, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("loss minus optimum")
    figure.savefig(path, dpi=160)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where to draw the descent")
    path = parser.parse_args().picture
    start = perf_counter()
    derivatives()
    second_derivatives()
    descents()
    fits = real_data()
    draw(fits, path)
    print(f"\nThe descent is drawn in {path}")
    print(f"Took {perf_counter() - start:.0f} seconds")


if __name__ == "__main__":
    main()
