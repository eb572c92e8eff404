"""Loops of machine code end when the user wants them to, and leave everything as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.loops import work

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there are no timers that send signals"
)


class Late(Exception):
    """What the handler of the test's timer raises."""


@pytest.fixture
def soon() -> Iterator[None]:
    """In a tenth of a second Late is raised in the main thread."""

    def late(*_: Any) -> None:
        raise Late

    old = signal.signal(signal.SIGALRM, late)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)


def halving(x: Any) -> Any:
    while x < 1.0:
        x = x * 0.5
    return x


def halving_many(x: Any) -> Any:
    while cr.sum(x) < 1.0:
        x = x * 0.5
    return x


def counted(x: Any) -> Any:
    for _ in range(10**12):
        x = x * 0.5 + 0.1
    return x


def nested(x: Any) -> Any:
    for _ in range(10**9):
        for _ in range(10**9):
            x = x * 0.5 + 0.1
    return x


def slow_turns(w: Any) -> Any:
    for _ in range(10**9):
        w = cr.tanh(w @ w)
    return w


def remembering(x: Any) -> Any:
    """Backwards, every turn is remembered."""
    return cr.grad(lambda x: cr.sum(halving_many(x) ** 2))(x)


def both_ways(x: Any) -> Any:
    """A way back as long as the way there."""

    def f(x: Any) -> Any:
        for _ in range(10**6):
            for _ in range(10**6):
                x = cr.sin(x)
        return x

    return cr.jvp(f, x, x)


PROGRAMS: dict[str, tuple[Callable[..., Any], Any]] = {
    "while": (halving, 0.5),
    "while, large": (halving_many, np.zeros(3000)),
    "for": (counted, 0.5),
    "for in for": (nested, 0.5),
    "slow turns": (slow_turns, np.eye(200)),
    "gradient": (remembering, np.zeros(3)),
    "tangent": (both_ways, 0.5),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_handler_of_a_signal_that_raises(name: str, soon: None) -> None:
    f, x = PROGRAMS[name]
    compiled = cr.jit(f)
    compiled.lower(x)
    before = np.array(x)
    for _ in range(2):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Late):
            compiled(x)
    np.testing.assert_array_equal(x, before)


def test_the_next_call_works(soon: None) -> None:
    f, g = cr.jit(halving), cr.jit(remembering)
    for compiled, x in ((f, 0.5), (g, np.zeros(3))):
        compiled.lower(x)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Late):
            compiled(x)
    assert f(2.0) == 2.0
    np.testing.assert_array_equal(g(np.full(3, 2.0)), np.full(3, 4.0))


def run(folder: Path, program: str) -> str:
    """What a Python program prints."""
    path = folder / "program.py"  # `jit` reads sources
    path.write_text(textwrap.dedent(program), encoding="utf-8")
    command = [sys.executable, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


START = """
    import os, signal, threading, time
    import chainrule as cr

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which is off in the background

    @cr.jit
    def endless(x):
        while x < 1.0:
            x = x * 0.5
        return x

    endless(2.0)
"""


def test_from_the_keyboard(tmp_path: Path) -> None:
    program = """
    def strike():
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=strike).start()
    try:
        endless(0.5)
    except KeyboardInterrupt:
        print("interrupted,", endless(3.0))
    """
    assert run(tmp_path, START + program) == "interrupted, 3.0\n"


def test_another_thread_does_not_stop_the_main_one(tmp_path: Path) -> None:
    """A loop in a thread lets others run, and they get the signal."""
    program = """
    def strike():
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    worker = threading.Thread(target=endless, args=(0.5,), daemon=True)
    worker.start()
    threading.Thread(target=strike).start()
    try:
        worker.join()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        os._exit(0)
    """
    assert run(tmp_path, START + program) == "interrupted\n"


def test_short_loops_do_not_ask() -> None:
    short = cr.jit(lambda x: cr.fori_loop(0, 1000, lambda _, x: x * 0.5, x)).lower(1.0)
    long = cr.jit(lambda x: cr.fori_loop(0, 10**6, lambda _, x: x * 0.5, x)).lower(1.0)
    assert "PyErr_CheckSignals" not in short.llvm
    assert "PyErr_CheckSignals" in long.llvm


def test_branches_are_no_loops() -> None:
    """A loop with branches in branches asks about as seldom as one with what is in them."""

    def choose(x: Any, depth: int) -> Any:
        if depth == 0:
            return x * 0.5
        return cr.cond(x > depth, lambda x: choose(x, depth - 1), lambda x: x + 1, x)

    def grown(depth: int) -> int:
        f = cr.jit(lambda x: cr.while_loop(lambda x: x < 9.0, lambda x: choose(x, depth), x))
        return work(f.lower(1.0).program)

    assert grown(6) < 10 * grown(1)
