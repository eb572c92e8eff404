"""GradBench's evals: values against plain NumPy, derivatives against differences; the protocol."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from benchmarks.gradbench import ba, descent, kmeans, memory, particle, saddle
from benchmarks.gradbench.__main__ import EVALS, define

ROOT = Path(__file__).parents[1]
rng = np.random.default_rng(7)
LIMITS = {"min_runs": 2, "min_seconds": 0.0}


# --- inputs, and the functions once more, written without chainrule ------------------------------


def draws(*shape: int) -> Any:
    return rng.uniform(-1, 1, shape).tolist()


def logsumexp(m: Any) -> Any:
    return math.log(sum(math.exp(x) for x in m["x"]))


def squares(m: Any) -> Any:
    n = m["n"]
    total = 0.0
    for i in range(n):
        t = -1 + 2 * i / (n - 1)
        total += (float(np.sign(t)) - sum(c * t**j for j, c in enumerate(m["x"]))) ** 2
    return total / 2


def leibniz(m: Any) -> Any:
    return float(np.linalg.det(np.reshape(m["A"], (m["ell"], m["ell"]))))


def runge_kutta(m: Any) -> Any:
    x, h = np.array(m["x"]), 2 / m["s"]
    chain = np.diag(x[1:], -1)
    first = np.zeros(len(x))
    first[0] = x[0]
    y = np.zeros(len(x))
    for _ in range(m["s"]):
        k1 = chain @ y + first
        k2 = chain @ (y + h / 2 * k1) + first
        k3 = chain @ (y + h / 2 * k2) + first
        k4 = chain @ (y + h * k3) + first
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y.tolist()


def nearest(m: Any) -> Any:
    return sum(min(math.dist(p, c) ** 2 for c in m["centroids"]) for p in m["points"])


def mixture(m: Any) -> Any:
    d, k, n = m["d"], m["k"], m["n"]
    factors = np.zeros((k, d, d))
    for c in range(k):
        below = iter(m["l"][c])
        for i in range(d):
            factors[c, i, i] = math.exp(m["q"][c][i])
            for j in range(i + 1, d):
                factors[c, j, i] = next(below)
    total = 0.0
    for x in np.array(m["x"]):
        terms = []
        for c in range(k):
            z = factors[c] @ (x - np.array(m["mu"][c]))
            terms.append(m["alpha"][c] + sum(m["q"][c]) - 0.5 * (z @ z))
        total += math.log(sum(map(math.exp, terms)))
    total -= n * math.log(sum(map(math.exp, m["alpha"]))) + n * d * 0.5 * math.log(2 * math.pi)
    freedom = d + m["m"] + 1
    multigamma = 0.25 * d * (d - 1) * math.log(math.pi)
    multigamma += sum(math.lgamma(0.5 * freedom + 0.5 * (1 - j)) for j in range(1, d + 1))
    constant = freedom * d * (math.log(m["gamma"]) - 0.5 * math.log(2)) - multigamma
    for c in range(k):
        prior = 0.5 * m["gamma"] ** 2 * np.sum(factors[c] ** 2) - m["m"] * sum(m["q"][c])
        total += constant - prior
    return total


def network(m: Any) -> Any:
    main, extra = np.array(m["main_params"]), np.array(m["extra_params"])
    state, text = np.array(m["state"]), np.array(m["sequence"])

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    total = 0.0
    for t in range(len(text) - 1):
        x = text[t] * extra[0]
        for k in range(0, len(main), 2):
            w, b = main[k].reshape(4, -1), main[k + 1].reshape(4, -1)
            hidden, memory = state[k], state[k + 1]
            forget, leave = sigmoid(x * w[0] + b[0]), sigmoid(x * w[2] + b[2])
            enter, change = sigmoid(hidden * w[1] + b[1]), np.tanh(hidden * w[3] + b[3])
            memory = memory * forget + enter * change
            x = leave * np.tanh(memory)
            state[k], state[k + 1] = x, memory
        y = x * extra[1] + extra[2]
        total += text[t + 1] @ (y - math.log(2 + np.sum(np.exp(y))))
    return -total / text[1:].size


def hand(us: bool) -> Any:
    bones, vertices, triangles, points = 22, 6, 4, 5
    model = {
        "bone_count": bones,
        "bone_names": [f"bone {k}" for k in range(bones)],
        "parents": [-1, *(max(0, k - 1) if k % 4 != 1 else 0 for k in range(1, bones))],
        "base_relatives": draws(bones, 4, 4),
        "inverse_base_absolutes": draws(bones, 4, 4),
        "base_positions": draws(vertices, 4),
        "weights": draws(vertices, bones),
        "triangles": rng.integers(0, vertices, (triangles, 3)).tolist(),
        "is_mirrored": False,
    }
    for matrix in model["base_relatives"]:
        matrix[3] = [0.0, 0.0, 0.0, 1.0]
    data = {
        "model": model,
        "correspondences": rng.integers(0, triangles, points).tolist(),
        "points": draws(points, 3),
    }
    return {"theta": draws(26), "data": data, "us": draws(points, 2) if us else []}


def turned(xzy: Any) -> Any:
    x, z, y = xzy
    rx = [[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]]
    ry = [[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]]
    rz = [[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]]
    out = np.eye(4)
    out[:3, :3] = np.array(rz) @ np.array(ry) @ np.array(rx)
    return out


def tracking(m: Any) -> Any:
    model, theta = m["data"]["model"], m["theta"]
    pose = np.zeros((model["bone_count"] + 3, 3))
    place, at = 5, 6
    for _ in range(5):
        pose[place, 0], pose[place, 1], pose[place + 1, 0], pose[place + 2, 0] = theta[at : at + 4]
        place, at = place + 4, at + 4
    absolute: list[Any] = []
    positions = np.zeros((len(model["base_positions"]), 3))
    for k, parent in enumerate(model["parents"]):
        own = np.array(model["base_relatives"][k]) @ turned(pose[k + 3])
        absolute.append(own if parent == -1 else absolute[parent] @ own)
        transform = absolute[k] @ np.array(model["inverse_base_absolutes"][k])
        moved = np.array(model["base_positions"]) @ transform.T
        positions += moved[:, :3] * np.array(model["weights"])[:, k : k + 1]
    angle = math.hypot(*theta[:3])
    axis = np.array(theta[:3]) / angle
    skew = np.cross(np.eye(3), axis)
    rotation = np.eye(3) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew
    positions = positions @ rotation.T + theta[3:6]
    found = []
    for k, c in enumerate(m["data"]["correspondences"]):
        at_point = positions[c]
        if m["us"]:
            u, v = m["us"][k]
            a, b, d = positions[model["triangles"][c]]
            at_point = u * a + v * b + (1 - u - v) * d
        found += (np.array(m["data"]["points"][k]) - at_point).tolist()
    return found


MIXTURE = {
    "d": 3, "k": 2, "n": 5, "x": draws(5, 3), "m": 1, "gamma": 0.8,
    "alpha": draws(2), "mu": draws(2, 3), "q": draws(2, 3), "l": draws(2, 3),
}  # fmt: skip
NETWORK = {
    "main_params": draws(4, 12), "extra_params": draws(3, 3), "state": draws(4, 3),
    "sequence": rng.integers(0, 2, (7, 3)).astype(float).tolist(),
}  # fmt: skip

Case = tuple[str, str, str, Any, Callable[[Any], Any], tuple[str, ...]]
CASES: list[Case] = [
    ("lse", "primal", "gradient", {"x": draws(7)}, logsumexp, ("x",)),
    ("llsq", "primal", "gradient", {"x": draws(6), "n": 9}, squares, ("x",)),
    ("det", "primal", "gradient", {"A": draws(9), "ell": 3}, leibniz, ("A",)),
    ("det", "primal", "gradient", {"A": draws(36), "ell": 6}, leibniz, ("A",)),
    ("ode", "primal", "gradient", {"x": draws(4), "s": 5}, runge_kutta, ("x",)),
    ("gmm", "objective", "jacobian", MIXTURE, mixture, ("alpha", "mu", "q", "l")),
    ("lstm", "objective", "jacobian", NETWORK, network, ("main_params", "extra_params")),
    ("ht", "objective", "jacobian", hand(True), tracking, ("theta",)),
    ("ht", "objective", "jacobian", hand(False), tracking, ("theta",)),
]


def eager(function: Any, message: Any) -> Any:
    """An answer without machine code: the function that was compiled, run as it stands."""
    return function.after(function.function.function(*function.before(message)))


def flat(answer: Any) -> Any:
    """All numbers of an answer."""
    if isinstance(answer, dict):
        return np.concatenate([flat(v) for v in answer.values()])
    return np.ravel(np.asarray(answer, float))


def differences(f: Callable[[Any], Any], message: Any, name: str, h: float = 1e-5) -> Any:
    """The Jacobian of the last result's entries in one entry of a message, a column for each."""
    x = np.array(message[name])
    columns = []
    for k in range(x.size):
        ends = []
        for step in (h, -h):
            moved = x.copy()
            moved.flat[k] += step
            ends.append(flat(f({**message, name: moved.tolist()})))
        columns.append((ends[0] - ends[1]) / (2 * h))
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("way", ["eager", "compiled"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_values_and_derivatives(case: Case, way: str) -> None:
    name, primal, derivative, message, reference, variables = case
    module = define(name)
    answered = eager if way == "eager" else lambda function, m: function(m)

    value = flat(answered(getattr(module, primal), message))
    found = answered(getattr(module, derivative), message)

    np.testing.assert_allclose(value, flat(reference(message)), rtol=1e-10)
    expected = np.concatenate([differences(reference, message, v) for v in variables], axis=-1)
    if name == "ht":
        if message["us"]:
            whole = differences(reference, message, "us")
            rows = np.arange(len(whole))
            own = np.stack([whole[rows, rows // 3 * 2 + k] for k in (0, 1)], axis=-1)
            expected = np.concatenate([own, expected], axis=-1)
        assert np.shape(found) == expected.shape
    np.testing.assert_allclose(flat(found), flat(expected[-1:] if name == "ode" else expected),
                               rtol=1e-6, atol=1e-8)  # fmt: skip


@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_clusters(way: str) -> None:
    points = draws(20, 3)
    message = {"points": points, "centroids": points[-4:]}
    answered = eager if way == "eager" else lambda function, m: function(m)

    np.testing.assert_allclose(answered(kmeans.cost, message), nearest(message), rtol=1e-12)

    p, c = np.array(points), np.array(points[-4:])
    owner = np.argmin(np.sum((p[:, None] - c) ** 2, axis=-1), axis=1)
    steps = [c[k] - np.mean(p[owner == k], axis=0) for k in range(4)]
    np.testing.assert_allclose(answered(kmeans.dir, message), steps, rtol=1e-10, atol=1e-12)


# --- bundle adjustment ---------------------------------------------------------------------------


def reprojection(cameras: Any, points: Any, w: Any, features: Any, seen: Any) -> Any:
    """All residuals, an observation at a time."""
    errors = []
    for k, (i, j) in enumerate(seen):
        r, center, (f, u, v, k1, k2) = cameras[i, :3], cameras[i, 3:6], cameras[i, 6:]
        angle = math.hypot(*r)
        skew = np.cross(np.eye(3), r / angle if angle else r)
        turn = np.eye(3) + skew
        if angle:
            turn = np.eye(3) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew
        x, y, z = turn @ (points[j] - center)
        n = (x * x + y * y) / z**2
        scale = f * (1 + k1 * n + k2 * n * n) / z
        errors += [
            w[k] * (x * scale + u - features[k, 0]),
            w[k] * (y * scale + v - features[k, 1]),
        ]
    return np.array([*errors, *(1 - w**2)])


def adjustment(n: int = 3, m: int = 4, p: int = 6) -> Any:
    """Cameras that differ, and points; the first camera is not turned."""
    cameras = rng.uniform(-0.3, 0.3, (n, 11))
    cameras[:, 5] -= 3
    cameras[0, :3] = 0
    points, features = rng.uniform(-1, 1, (m, 3)), rng.uniform(-1, 1, (p, 2))
    seen = np.stack([np.arange(p) % n, np.arange(p) % m], axis=1).astype(np.int32)
    return cameras, points, rng.uniform(0.5, 1, p), features, seen


@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_bundle_adjustment(way: str) -> None:
    data = adjustment()
    residuals, matrix = ba.objective.function, ba.jacobian.function
    if way == "eager":
        residuals, matrix = residuals.function, matrix.function

    errors, weights = residuals(*data)
    found = np.concatenate([np.ravel(errors), weights])
    np.testing.assert_allclose(found, reprojection(*data), rtol=1e-10, atol=1e-12)

    pointers, columns, values = matrix(*data)
    dense = scipy.sparse.csr_array((values, columns, pointers)).toarray()
    sizes = [x.size for x in data[:3]]
    assert dense.shape == (3 * sizes[2], sum(sizes))
    h = 1e-6
    for k in range(sum(sizes)):
        ends = []
        for step in (h, -h):
            moved = [x.copy() for x in data[:3]]
            which = int(np.searchsorted(np.cumsum(sizes), k, side="right"))
            moved[which].flat[k - sum(sizes[:which])] += step
            ends.append(reprojection(*moved, *data[3:]))
        np.testing.assert_allclose(dense[:, k], (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-7)


def test_bundle_adjustment_answers_with_its_ends() -> None:
    message = {
        "n": 2, "m": 3, "p": 5, "w": 0.4, "feat": [1.0, 2.0], "x": [0.1, 0.2, 0.3],
        "cam": [0.1, -0.2, 0.3, 0.0, 0.1, -3.0, 2.0, 0.3, 0.4, 0.01, 0.02],
    }  # fmt: skip
    answer = ba.objective(message)
    assert answer["reproj_error"]["repeated"] == answer["w_err"]["repeated"] == 5
    np.testing.assert_allclose(answer["w_err"]["element"], 1 - 0.4**2)

    answer = ba.jacobian(message)
    assert {k: len(v) for k, v in answer.items()} == {"rows": 17, "cols": 31, "vals": 31}
    assert answer["cols"][:15] == [*range(11), 22, 23, 24, 31]
    assert answer["rows"][-1] == 31 * 5
    assert answer["cols"][-1] == 2 * 11 + 3 * 3 + 4
    np.testing.assert_allclose(answer["vals"][-1], -2 * 0.4)


# --- derivatives in derivatives ------------------------------------------------------------------


def flight(w: float) -> float:
    """Where the particle lands, squared, with the force written out."""
    charges = np.array([[10.0, 10.0 - w], [10.0, 0.0]])
    x, v = np.array([0.0, 8.0]), np.array([0.75, 0.0])
    while True:
        force = sum((x - c) / math.dist(x, c) ** 3 for c in charges)
        x = x + 0.1 * v
        if x[1] <= 0:
            return float((x[0] - x[1] / v[1] * v[0]) ** 2)
        v = v + 0.1 * force


@pytest.mark.parametrize("inner", ["r", "f"])
@pytest.mark.parametrize("outer", ["r", "f"])
def test_landing(outer: str, inner: str) -> None:
    def f(w: Any) -> Any:
        return particle.landing(w[0], inner)

    w, h = np.array([0.3]), 1e-6
    np.testing.assert_allclose(f(w), flight(0.3), rtol=1e-10)
    expected = (flight(0.3 + h) - flight(0.3 - h)) / (2 * h)
    np.testing.assert_allclose(descent.MODES[outer](f)(w), [expected], rtol=1e-5)


@pytest.mark.parametrize("mode", ["ff", "fr"])
def test_descents_end_where_they_should(mode: str) -> None:
    found = getattr(particle, mode)({"w": 0.0})
    assert found == pytest.approx(0.2071918746486116, abs=1e-6)
    assert flight(found) < min(flight(found - 1e-2), flight(found + 1e-2))

    np.testing.assert_allclose(getattr(saddle, mode)({"start": [1.0, 1.0]}), [0] * 4, atol=1e-4)


# --- the protocol --------------------------------------------------------------------------------


def spoken(messages: list[Any]) -> list[Any]:
    """What the tool answers, as a process."""
    lines = "".join(json.dumps(m) + "\n" for m in messages)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gradbench"],
        input=lines,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_protocol() -> None:
    answers = spoken(
        [
            {"id": 0, "kind": "start", "eval": "lse", "config": {}},
            {"id": 1, "kind": "define", "module": "lse"},
            {"id": 2, "kind": "evaluate", "module": "lse", "function": "primal",
             "input": {"x": [0.0, 0.0], **LIMITS}},
            {"id": 3, "kind": "analysis", "of": 2, "valid": True},
            {"id": 4, "kind": "define", "module": "hello"},
            {"id": 5, "kind": "evaluate", "module": "hello", "function": "double", "input": 3},
            {"id": 6, "kind": "evaluate", "module": "lse", "function": "primal", "input": {}},
            {"id": 7, "kind": "define", "module": "fourier"},
        ]
    )  # fmt: skip
    assert [a["id"] for a in answers] == list(range(8))
    assert answers[0] == {"id": 0, "tool": "chainrule"}
    assert answers[1]["success"]
    assert answers[4]["success"]
    assert answers[2]["output"] == pytest.approx(math.log(2))
    assert [t["name"] for t in answers[2]["timings"]] == ["evaluate"] * 2
    assert all(t["nanoseconds"] > 0 for t in answers[2]["timings"])
    assert answers[3] == {"id": 3}
    assert answers[5]["output"] == 6.0
    assert len(answers[5]["timings"]) == 1
    assert not answers[6]["success"]
    assert "KeyError" in answers[6]["error"]
    assert not answers[7]["success"]
    assert "gmm" in answers[7]["error"]


def test_every_eval_has_its_functions() -> None:
    nested = ("rr", "rf", "fr", "ff")
    functions = {
        "hello": ("square", "double"), "kmeans": ("cost", "dir"), "particle": nested,
        "saddle": nested, **dict.fromkeys(("gmm", "ba", "lstm", "ht"), ("objective", "jacobian")),
        **dict.fromkeys(("lse", "llsq", "det", "ode"), ("primal", "gradient")),
    }  # fmt: skip
    assert set(functions) == set(EVALS)
    for name, wanted in functions.items():
        for function in wanted:
            assert callable(getattr(define(name), function).evaluate)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells sizes there")
def test_memory_is_that_of_the_process_alone() -> None:
    """A process that another one starts is not as large as that one."""
    before = memory.of_process(os.getpid())
    ballast = np.ones(1 << 25)
    assert memory.of_process(os.getpid()) > before + ballast.nbytes / 2
    assert memory.of_command(["true"]) < 50 * 2**20
    own = [sys.executable, "-c", "bytearray(10**8)"]
    assert 10**8 < memory.of_command(own) < 2 * 10**8
    assert memory.of_command(["false"]) == 0
