"""chainrule beside other tools of GradBench, in a checkout of it: one Markdown table, one picture.

    python -m benchmarks.gradbench.compare CHECKOUT

writes `build/gradbench.md` and, where there is matplotlib, `build/gradbench.png`.

Each eval is run against each tool in turn. The eval checks what the tool answers against
hand-written C++, the tool `manual`, whose times all others are divided by; the checkout builds it
with g++ and nlohmann-json. A time is the median of the calls after the first; chainrule's first
call, which compiles, is given by itself. All tools have one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import memory
from .picture import draw
from .table import markdown

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

SIZES = ("small", "medium", "large")
WORKLOADS: dict[str, Sequence[str]] = {
    "gmm": ("-d 2 -k 5 -n 1000", "-d 10 -k 25 -n 1000", "-d 32 -k 50 -n 1000"),
    "ba": ("--min 101 --max 101", "--min 102 --max 102", "--min 1 --max 1"),
    "lstm": ("-l 2 -c 256", "-l 2 -c 1024", "-l 4 -c 4096"),
    "ht": ("--model small --max 1", "--model big --min 4 --max 4", "--model big --min 7 --max 7"),
    "kmeans": ("-k 10 -n 1000 -d 8", "-k 100 -n 1000 -d 16", "-k 100 -n 10000 -d 16"),
    "lse": ("-n 2500", "-n 40000", "-n 160000"),
    "llsq": ("-n 128 -m 128", "-n 1024 -m 128", "-n 16392 -m 128"),
    "det": ("-l 5", "-l 8", "-l 10"),
    "ode": ("-n 1000 -s 10", "-n 1000 -s 100", "-n 10000 -s 100"),
    "particle": ("",),
    "saddle": ("",),
}
"""Arguments of the evals, by size."""

SMALL_BA = {"ba101_n10_m100_p300": "10 100 300", "ba102_n20_m500_p3000": "20 500 3000"}
"""Smaller problems of ba than the checkout has: its first, with other counts."""

PYTHON = shlex.quote(sys.executable)
TOOLS = {
    "manual": f"exec {PYTHON} python/gradbench/gradbench/cpp.py manual",
    "chainrule": f"cd {shlex.quote(str(ROOT))} && exec {PYTHON} -m benchmarks.gradbench",
    "pytorch": f"exec {PYTHON} python/gradbench/gradbench/tools/pytorch/run.py",
    "jax": f"exec {PYTHON} {shlex.quote(str(HERE / 'jax_waits.py'))}",
}


@dataclass
class Calls:
    """What a tool took for one function of an eval."""

    valid: bool = False
    seconds: list[float] = field(default_factory=list)

    @property
    def usual(self) -> float:
        """The median without the first call, where there are others."""
        return statistics.median(self.seconds[1:] or self.seconds)


@dataclass
class Session:
    """One eval's conversation with one tool."""

    functions: dict[str, Calls] = field(default_factory=dict)
    problem: str = ""
    memory: int = 0
    """The largest resident size of the tool, in bytes."""


class Process:
    """A child that speaks in lines of JSON."""

    def __init__(self, command: str, checkout: Path) -> None:
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        environment["PYTHONPATH"] = str(checkout / "python/gradbench")
        environment.setdefault("CPATH", "/usr/include/nlohmann")  # json.hpp, where a system has it
        for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
            environment[f"{name}_NUM_THREADS"] = "1"
        self.child = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=checkout,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def say(self, line: str) -> None:
        """Send a line."""
        assert self.child.stdin is not None
        self.child.stdin.write(line)
        self.child.stdin.flush()

    def hear(self, limit: float) -> str:
        """The next line, or nothing where the child ended or needed more than `limit` seconds."""
        assert self.child.stdout is not None
        timer = threading.Timer(limit, self.child.kill)
        timer.start()
        try:
            return self.child.stdout.readline()
        finally:
            timer.cancel()

    def end(self) -> int:
        """End it, and give its largest resident size in bytes; 0 where it has ended by itself."""
        most = memory.of_process(self.child.pid)
        for pipe in (self.child.stdout, self.child.stdin):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        timer = threading.Timer(5, self.child.kill)
        timer.start()
        self.child.wait()
        timer.cancel()
        return most


def converse(name: str, arguments: str, tool: str, checkout: Path, limit: float) -> Session:
    """Carry lines between an eval and a tool until the eval is done."""
    session = Session()
    script = f"python/gradbench/gradbench/evals/{name}/run.py"
    asking = Process(f"exec {PYTHON} {script} {arguments}", checkout)
    answering = Process(TOOLS[tool], checkout)
    asked: dict[int, Calls] = {}
    last: dict[str, Any] = {}
    while line := asking.hear(600):
        message = json.loads(line)
        try:
            answering.say(line)
            reply = answering.hear(600 if message["kind"] == "define" else limit)
        except BrokenPipeError:
            reply = ""
        if not reply:
            session.problem = f"no answer to {message.get('function', message['kind'])}"
            break
        heard(message, json.loads(reply), session, asked)
        asking.say(reply)
        if message["kind"] == "evaluate":
            last = message
    asking.end()
    session.memory = answering.end()
    if tool == "manual" and session.functions:  # its driver is the larger part, and builds it too
        program = f"tools/manual/bin/{last['module']}"
        session.memory = memory.of_program(program, last["function"], last["input"], checkout)
    if not session.functions and not session.problem:
        session.problem = "the eval ended early"
    return session


def heard(message: Any, reply: Any, session: Session, asked: dict[int, Calls]) -> None:
    """Note what an answer says."""
    match message["kind"]:
        case "define" if not reply.get("success"):
            session.problem = "not defined"
        case "evaluate":
            times = [
                t["nanoseconds"] for t in reply.get("timings") or [] if t["name"] == "evaluate"
            ]
            calls = asked[message["id"]] = Calls(seconds=[t / 1e9 for t in times])
            session.functions[message["function"]] = calls
        case "analysis":
            asked[message["of"]].valid = bool(message["valid"])


def small_problems(checkout: Path) -> None:
    """Put the small problems of ba beside the others."""
    folder = checkout / "evals/ba/data"
    lines = next(folder.glob("ba1_*.txt")).read_text().split("\n", 1)
    for name, counts in SMALL_BA.items():
        (folder / f"{name}.txt").write_text(f"{counts}\n{lines[1]}")


Found = tuple[str, str, dict[str, Session]]
"""Eval, size, and each tool's session."""


def sessions(options: Any) -> Iterator[Found]:
    """Eval, size, and each tool's session."""
    checkout = options.checkout.resolve()
    small_problems(checkout)
    for name in options.evals.split(","):
        for size, arguments in zip(SIZES, WORKLOADS[name], strict=False):
            if size not in options.sizes.split(","):
                continue
            wanted = f"{arguments} --min-runs {options.runs} --min-seconds {options.seconds}"
            tools = {
                tool: converse(name, wanted, tool, checkout, options.limit)
                for tool in options.tools.split(",")
                if not (tool == "manual" and len(WORKLOADS[name]) == 1)
            }
            yield name, size, tools


def main() -> None:
    """Read the command line, run, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="a work tree of gradbench/gradbench")
    parser.add_argument("--evals", default=",".join(WORKLOADS))
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--runs", type=int, default=2, help="least number of calls")
    parser.add_argument("--seconds", type=float, default=0.5, help="least time of all calls")
    parser.add_argument("--limit", type=float, default=60, help="seconds a tool has for an answer")
    parser.add_argument("--output", type=Path, default=Path("build"), help="folder of the files")
    options = parser.parse_args()
    if not (options.checkout / "python/gradbench/gradbench").is_dir():
        parser.error(
            f"{options.checkout} is no checkout of GradBench; clone "
            "https://github.com/gradbench/gradbench, and give its path"
        )
    found: list[Found] = []
    text = markdown(
        noted(sessions(options), found), options.tools.split(","), memory.of_interpreter()
    )
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "gradbench.md").write_text(text + "\n")
    draw(found, options.output / "gradbench.png")
    print(text)


def noted(items: Iterator[Found], found: list[Found]) -> Iterator[Found]:
    """The items, which are kept as well."""
    for item in items:
        found.append(item)
        yield item


if __name__ == "__main__":
    main()
