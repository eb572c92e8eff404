"""Hand tracking: distances from measured points to a posed mesh, and their Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .measured import lists, measured, numbers

FINGERS = 5


def rotation(v: Any) -> Any:
    """The matrix that turns about the vector v by its length."""
    angle = np.sqrt(np.sum(v * v))
    axis = v / angle
    x, y, z = axis[0], axis[1], axis[2]
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned = np.outer(axis, axis) * (1 - np.cos(angle))
    turned = turned + np.cos(angle) * np.eye(3) + np.sin(angle) * cross
    return np.where(angle < 1e-4, np.eye(3), turned)


def bent(x: Any, z: Any) -> Any:
    """The turn of a joint about x, then about z, as a 4 x 4 transform."""
    cx, sx, cz, sz = np.cos(x), np.sin(x), np.cos(z), np.sin(z)
    return np.array(
        [[cz, -sz * cx, sz * sx, 0], [sz, cz * cx, -cz * sx, 0], [0, sx, cx, 0], [0, 0, 0, 1.0]]
    )


def joints(theta: Any) -> dict[int, Any]:
    """The bones that turn against their parents: three of each finger, the first in two ways."""
    found = {}
    for finger in range(FINGERS):
        angles, first = theta[6 + 4 * finger : 10 + 4 * finger], 2 + 4 * finger
        found[first] = bent(angles[0], angles[1])
        found[first + 1] = bent(angles[2], 0.0)
        found[first + 2] = bent(angles[3], 0.0)
    return found


def skinned(theta: Any, model: Any) -> Any:
    """Positions of all vertices: each moves with the bones by its weights."""
    parents, relatives, inverses, vertices, weights = model
    turns = joints(theta)
    absolutes: list[Any] = []
    for bone, parent in enumerate(parents):
        own = relatives[bone]
        if bone in turns:
            own = own @ turns[bone]
        absolutes.append(own if parent < 0 else absolutes[parent] @ own)
    transforms = np.stack([a @ b for a, b in zip(absolutes, inverses, strict=True)])
    carried = weights[:, :, None] * vertices[:, None, :]
    moved = np.tensordot(carried, transforms[:, :3], axes=((1, 2), (0, 2)))
    return moved @ rotation(theta[:3]).T + theta[3:6]


def distances(
    theta: Any, shift: Any, us: Any, corners: Any, points: Any, parents: Any, arrays: Any
) -> Any:
    """From a place in a triangle of the mesh to each point, all places shifted alike.

    A distance reads its own two coordinates in its triangle only, so the two columns of the
    derivative in `shift` hold all derivatives in `us` that are not zero.
    """
    positions = skinned(theta, (parents, *arrays))[corners]
    if us is None:
        return (points - positions).reshape(-1)
    u, v = us[:, :1] + shift[0], us[:, 1:] + shift[1]
    places = u * positions[:, 0] + v * positions[:, 1] + (1 - u - v) * positions[:, 2]
    return (points - places).reshape(-1)


def columns(*args: Any) -> Any:
    """The Jacobian: the columns of the places, where there are any, then those of theta."""
    if args[2] is None:
        return cr.jacobian(distances, mode="forward")(*args)
    pose, place = cr.jacobian(distances, argnums=(0, 1), mode="forward")(*args)
    return np.concatenate([place, pose], axis=1)


def arguments(message: Any) -> Any:
    """Pose, places in triangles (None where points are vertices), points, the mesh."""
    data, model = message["data"], message["data"]["model"]
    names = ("base_relatives", "inverse_base_absolutes", "base_positions", "weights")
    arrays = tuple(numbers(model[name]) for name in names)
    corners = np.asarray(data["correspondences"])
    us = None
    if message["us"]:
        us, corners = numbers(message["us"]), np.asarray(model["triangles"])[corners]
    if model["is_mirrored"]:
        arrays[1][:, 0] *= -1  # the mirror acts on what the bones have moved
    theta, parents = numbers(message["theta"]), tuple(model["parents"])
    return theta, np.zeros(2), us, corners, numbers(data["points"]), parents, arrays


objective = measured(arguments, lists)(cr.jit(distances, static=5))
jacobian = measured(arguments, lists)(cr.jit(columns, static=5))
