"""All rewrites, in order."""

from __future__ import annotations

from chainrule.graph.graph import Graph
from chainrule.rewrite.loops import improved
from chainrule.rewrite.simplify import Builder, simplified


def optimized(graph: Graph) -> Graph:
    """The same function as a simpler graph."""
    return improved(simplified(graph), Builder)
