"""The loss of a recurrent network that predicts a text's next character, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .measured import measured, numbers


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def cell(weight: Any, bias: Any, hidden: Any, memory: Any, x: Any) -> Any:
    """A layer's next state; its matrices are diagonal."""
    b = len(hidden)
    forget = sigmoid(x * weight[:b] + bias[:b])
    enter = sigmoid(hidden * weight[b : 2 * b] + bias[b : 2 * b])
    leave = sigmoid(x * weight[2 * b : 3 * b] + bias[2 * b : 3 * b])
    change = np.tanh(hidden * weight[3 * b :] + bias[3 * b :])
    memory = memory * forget + enter * change
    return leave * np.tanh(memory), memory


def loss(main: Any, extra: Any, state: Any, text: Any) -> Any:
    """The mean negative log-likelihood of each character after those before it."""
    layers = len(main) // 2

    def step(carry: Any, pair: Any) -> Any:
        total, states = carry
        x, wanted = pair
        x = x * extra[0]
        following = []
        for k, (hidden, memory) in enumerate(states):
            x, memory = cell(main[2 * k], main[2 * k + 1], hidden, memory, x)
            following.append((x, memory))
        predicted = x * extra[1] + extra[2]
        likely = predicted - np.log(2 + np.sum(np.exp(predicted)))
        return (total + np.sum(wanted * likely), following), None

    start = [(state[2 * k], state[2 * k + 1]) for k in range(layers)]
    (total, _), _ = cr.scan(step, (0.0, start), (text[:-1], text[1:]))
    return -total / text[1:].size


def arguments(message: Any) -> Any:
    """Parameters, the first state, the text."""
    return tuple(
        numbers(message[name]) for name in ("main_params", "extra_params", "state", "sequence")
    )


def flat(gradients: Any) -> Any:
    """All gradients in one list."""
    return [x for g in gradients for x in g.ravel().tolist()]


objective = measured(arguments)(cr.jit(loss))
jacobian = measured(arguments, flat)(cr.jit(cr.grad(loss, argnums=(0, 1))))
