"""PyTorch's functions by the names of the rows that NumPy's further functions brought."""

from __future__ import annotations

from typing import Any

from peers.comparison import Peer, torch


def _gradient(f: Any, axis: Any = None, edge_order: int = 1) -> Any:
    dim = tuple(range(f.ndim)) if axis is None else axis
    return torch.gradient(f, dim=dim, edge_order=edge_order)


NUMPY: dict[str, Peer] = {
    "angle": Peer(lambda z, deg=False: torch.rad2deg(torch.angle(z)) if deg else torch.angle(z)),
    "gcd": Peer(torch.gcd),
    "gradient": Peer(_gradient),
    "isneginf": Peer(torch.isneginf),
    "isposinf": Peer(torch.isposinf),
    "isreal": Peer(torch.isreal),
    "lcm": Peer(torch.lcm),
    "modf": Peer(lambda x: (torch.frac(x), torch.trunc(x))),
    "vdot": Peer(lambda a, b: torch.vdot(a.reshape(-1), b.reshape(-1))),
}
