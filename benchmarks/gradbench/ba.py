"""Bundle adjustment: reprojection errors of points seen by cameras, and their sparse Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .measured import measured, numbers

CAMERA, POINT = 11, 3
"""Parameters of a camera (rotation vector, center, focal length, principal point, distortion) and
of a point."""


def rotated(r: Any, x: Any) -> Any:
    """x turned about r by r's length: Rodrigues' formula, to first order where r is 0."""
    angle = np.sqrt(np.sum(r * r))
    axis = r / np.where(angle > 0, angle, 1.0)
    along = np.sum(axis * x) * (1 - np.cos(angle))
    turned = x * np.cos(angle) + np.cross(axis, x) * np.sin(angle) + axis * along
    return np.where(angle > 0, turned, x + np.cross(r, x))


def project(camera: Any, x: Any) -> Any:
    """Where a camera sees a point."""
    seen = rotated(camera[:3], x - camera[3:6])
    p = seen[:2] / seen[2]
    square = np.sum(p * p)
    return p * (1 + camera[9] * square + camera[10] * square**2) * camera[6] + camera[7:9]


def residual(camera: Any, x: Any, w: Any, feature: Any) -> Any:
    """Weighted distance from where the point was seen."""
    return w * (project(camera, x) - feature)


def excess(w: Any) -> Any:
    """What a weight lacks of 1."""
    return 1 - w**2


def residuals(cameras: Any, points: Any, w: Any, features: Any, seen: Any) -> Any:
    """All residuals: of observations, then of weights."""
    errors = cr.vmap(residual)(cameras[seen[:, 0]], points[seen[:, 1]], w, features)
    return errors, cr.vmap(excess)(w)


def blocks(cameras: Any, points: Any, w: Any, features: Any, seen: Any) -> Any:
    """The values of the Jacobian: two rows for each observation, then one entry for each weight."""
    block = cr.vmap(cr.jacobian(residual, argnums=(0, 1, 2)))
    camera, point, weight = block(cameras[seen[:, 0]], points[seen[:, 1]], w, features)
    rows = np.concatenate([camera, point, weight[:, :, None]], axis=2)
    return np.concatenate([rows.reshape(-1), cr.vmap(cr.grad(excess))(w)])


def places(n: int, m: int, seen: Any) -> tuple[Any, Any]:
    """Where the values stand in the Jacobian, in compressed rows: row pointers and columns."""
    p, width = len(seen), CAMERA + POINT + 1
    first_point, first_weight = CAMERA * n, CAMERA * n + POINT * m
    camera = CAMERA * seen[:, :1] + np.arange(CAMERA, dtype=np.int32)
    point = POINT * seen[:, 1:] + np.arange(first_point, first_point + POINT, dtype=np.int32)
    weight = np.arange(first_weight, first_weight + p, dtype=np.int32)
    row = np.concatenate([camera, point, weight[:, None]], axis=1)
    columns = np.concatenate([np.stack([row, row], axis=1).reshape(-1), weight])
    sizes = (np.arange(0, 2 * p * width, width), 2 * p * width + np.arange(p + 1))
    return np.concatenate(sizes, dtype=np.int32), columns


def matrix(cameras: Any, points: Any, w: Any, features: Any, seen: Any) -> tuple[Any, Any, Any]:
    """The whole Jacobian: row pointers, columns, values."""
    pointers, columns = places(len(cameras), len(points), seen)
    return pointers, columns, blocks(cameras, points, w, features, seen)


def data(message: Any) -> Any:
    """The arrays: the message holds one camera, point, weight and feature, to be repeated."""
    n, m, p = message["n"], message["m"], message["p"]
    seen = np.stack([np.arange(p) % n, np.arange(p) % m], axis=1).astype(np.int32)
    return (
        np.tile(numbers(message["cam"]), (n, 1)),
        np.tile(numbers(message["x"]), (m, 1)),
        np.full(p, float(message["w"])),
        np.tile(numbers(message["feat"]), (p, 1)),
        seen,
    )


def first_errors(errors: Any) -> Any:
    """The answer holds the first of each kind, and how many there are."""
    observed, weights = errors
    return {
        "reproj_error": {"elements": observed[0].tolist(), "repeated": len(observed)},
        "w_err": {"element": float(weights[0]), "repeated": len(weights)},
    }


def ends(matrix: Any) -> Any:
    """The answer holds the first 30 of each array and the last."""
    names = ("rows", "cols", "vals")
    return {k: [*v[:30].tolist(), v[-1].item()] for k, v in zip(names, matrix, strict=True)}


objective = measured(data, first_errors)(cr.jit(residuals))
jacobian = measured(data, ends)(cr.jit(matrix))
