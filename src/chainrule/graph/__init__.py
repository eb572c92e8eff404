"""The computation graph: nodes, hooks on them, and the record of in-place writes."""
