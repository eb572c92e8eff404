"""All rewrites, in order."""

from __future__ import annotations

from chainrule.graph.graph import Graph
from chainrule.rewrite.loops import improved, in_segments
from chainrule.rewrite.simplify import Builder, simplified
from chainrule.rewrite.tiling import tiled


def optimized(graph: Graph) -> Graph:
    """The same function as a simpler graph."""
    graph = improved(simplified(graph), Builder, unasked=False)
    if not graph.effects:
        graph = tiled(graph, Builder)
    return in_segments(graph, Builder)  # of a loop in tiles less is kept, so they come first
