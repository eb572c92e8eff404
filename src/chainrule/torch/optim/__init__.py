"""`torch.optim`: gradient descent and its relatives."""

from typing import Any

from chainrule.torch import _missing
from chainrule.torch.optim import lr_scheduler
from chainrule.torch.optim._first_order import SGD, Adagrad, Adam, AdamW, RMSprop
from chainrule.torch.optim._lbfgs import LBFGS
from chainrule.torch.optim._optimizer import Optimizer

__all__ = ["LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]


def __getattr__(name: str) -> Any:
    raise _missing.missing(__name__, name, __all__)
