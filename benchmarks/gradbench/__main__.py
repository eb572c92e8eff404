"""The protocol: a line of JSON in, a line of JSON out, until the input ends."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any, TextIO

EVALS = (
    "hello", "gmm", "ba", "lstm", "ht", "kmeans", "lse", "llsq", "det", "ode", "particle", "saddle",
)  # fmt: skip


def define(name: str) -> Any:
    """The module of an eval."""
    if name not in EVALS:
        raise ValueError(f"no eval is called {name!r}; there are {', '.join(EVALS)}")
    return importlib.import_module(f"{__package__}.{name}")


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """What a message is answered with, without its number."""
    match message["kind"]:
        case "start":
            return {"tool": "chainrule"}
        case "define":
            define(message["module"])
            return {"success": True}
        case "evaluate":
            function = getattr(define(message["module"]), message["function"])
            # what is popped can be dropped: lists of numbers are many times as large as arrays
            return {"success": True, **function.evaluate(message.pop("input"))}
        case _:
            return {}


def serve(messages: TextIO, answers: TextIO) -> None:
    """Answer every line; what goes wrong is an answer too."""
    while line := messages.readline():
        message = json.loads(line)
        del line
        try:
            reply = answer(message)
        except Exception:
            reply = {"success": False, "error": traceback.format_exc()}
        json.dump({"id": message["id"], **reply}, answers)  # bit by bit, never the whole text
        print(file=answers, flush=True)
        del reply


if __name__ == "__main__":
    # Whatever else is printed must not meet the answers.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        serve(sys.stdin, answers)
