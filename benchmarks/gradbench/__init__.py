"""chainrule as a tool of GradBench: one module for each eval.

GradBench (https://github.com/gradbench/gradbench) sends the inputs of functions as lines of JSON,
and checks and times the answers. `python -m benchmarks.gradbench` answers them.
"""
