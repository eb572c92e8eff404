"""PyTorch's names and conventions over chainrule's own Tensor: `import chainrule.torch as torch`.

>>> x1 = torch.tensor(1.0, requires_grad=True)
>>> x2 = torch.tensor(2.0, requires_grad=True)
>>> f = 3 * (x1**2) + x2 + torch.exp(x1 * x2)
>>> f.backward()
>>> print(x1.grad)
tensor(20.7781)
>>> print(x2.grad)
tensor(8.3891)

A thin layer: operations, gradients and printing are chainrule's. What differs is float32 by
default, `dim=` and `keepdim=`, PyTorch's promotion of dtypes, its random numbers, and names. They
are listed in `__all__`; functions of tensors are found in private modules, one to a family.

Not as in PyTorch: no GPU, no half precision; gradients of complex tensors are the conjugates of
PyTorch's, as everywhere in chainrule; NumPy's warnings of division by zero and the like.
"""

from __future__ import annotations

import math as _math
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from chainrule.printing import set_printoptions
from chainrule.record.mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from chainrule.torch import (
    _creation,
    _elementwise,
    _indexing,
    _missing,
    _ordering,
    _products,
    _random,
    _reductions,
    _shapes,
    autograd,
    cuda,
    fft,
    func,
    linalg,
    nn,
    optim,
    special,
)
from chainrule.torch import _results as return_types
from chainrule.torch._creation import *  # noqa: F403 - the names are listed there
from chainrule.torch._dtypes import (
    Size,
    complex64,
    complex128,
    device,
    dtype,
    finfo,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from chainrule.torch._dtypes import bool_ as bool
from chainrule.torch._elementwise import *  # noqa: F403
from chainrule.torch._indexing import *  # noqa: F403
from chainrule.torch._ordering import *  # noqa: F403
from chainrule.torch._products import *  # noqa: F403
from chainrule.torch._random import *  # noqa: F403
from chainrule.torch._reductions import *  # noqa: F403
from chainrule.torch._shapes import *  # noqa: F403
from chainrule.torch.autograd import inference_mode
from chainrule.torch.func import vmap
from chainrule.torch.nn.functional import (
    binary_cross_entropy_with_logits,
    celu,
    cosine_similarity,
    dropout,
    layer_norm,
    pairwise_distance,
    prelu,
    selu,
    threshold,
)

if _TYPE_CHECKING:
    from chainrule.torch._tensor import Tensor
else:
    from chainrule.torch._creation import TensorFace as Tensor

cfloat, cdouble = complex64, complex128
double, float = float64, float32
short, int, long = int16, int32, int64

e, inf, nan, pi = _math.e, _math.inf, _math.nan, _math.pi
newaxis = None
strided = "torch.strided"

__all__ = [
    "Size",
    "Tensor",
    "autograd",
    "binary_cross_entropy_with_logits",
    "bool",
    "cdouble",
    "celu",
    "cfloat",
    "complex64",
    "complex128",
    "cosine_similarity",
    "cuda",
    "device",
    "double",
    "dropout",
    "dtype",
    "e",
    "enable_grad",
    "fft",
    "finfo",
    "float",
    "float32",
    "float64",
    "func",
    "get_num_threads",
    "iinfo",
    "inf",
    "inference_mode",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "layer_norm",
    "linalg",
    "long",
    "nan",
    "newaxis",
    "nn",
    "no_grad",
    "optim",
    "pairwise_distance",
    "pi",
    "prelu",
    "return_types",
    "selu",
    "set_grad_enabled",
    "set_num_threads",
    "set_printoptions",
    "short",
    "special",
    "strided",
    "threshold",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "use_deterministic_algorithms",
    "vmap",
]  # fmt: skip
__all__ += _creation.__all__
__all__ += _elementwise.__all__
__all__ += _indexing.__all__
__all__ += _ordering.__all__
__all__ += _products.__all__
__all__ += _random.__all__
__all__ += _reductions.__all__
__all__ += _shapes.__all__

__version__ = "2.13.0+chainrule"
"""The version of PyTorch whose names and conventions these are."""


def use_deterministic_algorithms(mode: _Any, *, warn_only: _Any = False) -> None:
    """Nothing: all algorithms here are."""


def get_num_threads() -> _Any:
    """1: what NumPy's libraries do is their affair."""
    return 1


def set_num_threads(count: _Any) -> None:
    """Nothing: set OMP_NUM_THREADS before the program starts."""


def __getattr__(name: str) -> _Any:
    raise _missing.missing(__name__, name, __all__)
