"""All rewrites, in order."""

from __future__ import annotations

from chainrule.graph.graph import Graph
from chainrule.rewrite.loops import improved
from chainrule.rewrite.simplify import Builder, simplified
from chainrule.rewrite.tiling import tiled


def optimized(graph: Graph) -> Graph:
    """The same function as a simpler graph."""
    graph = improved(simplified(graph), Builder)
    return graph if graph.effects else tiled(graph, Builder)
