"""`torch.optim`: gradient descent and its relatives."""

from chainrule.torch.optim._first_order import SGD, Adagrad, Adam, AdamW, RMSprop
from chainrule.torch.optim._lbfgs import LBFGS
from chainrule.torch.optim._optimizer import Optimizer

__all__ = ["LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop"]
