"""Modules: parts of a model that hold its parameters."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from chainrule.errors import ShapeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.record.mode import no_grad
from chainrule.torch._creation import empty, ones, zeros
from chainrule.torch._dtypes import float32, float64
from chainrule.torch._random import normal_, uniform_
from chainrule.torch._tensor import Tensor
from chainrule.torch.nn import functional
from chainrule.torch.nn.parameter import Parameter


class Module:
    """Base of models: a subclass assigns parameters and other modules to attributes in `__init__`,
    after `super().__init__()`, and computes in `forward`.

    >>> class Line(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.slope = torch.nn.Parameter(torch.tensor(2.0))
    ...
    ...     def forward(self, x):
    ...         return self.slope * x
    >>> model = Line()
    >>> model(torch.tensor(3.0)).backward()
    >>> model.slope.grad
    tensor(3.)
    """

    training: bool

    def __init__(self) -> None:
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, {})
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The value of the module."""
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What `forward` gives."""
        return self.forward(*args, **kwargs)

    # --- attributes -------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            family = "_parameters"
        elif isinstance(value, Module):
            family = "_modules"
        elif isinstance(value, Variable) and name in self.__dict__.get("_buffers", ()):
            family = "_buffers"
        else:
            if value is None and any(name in f for f in self._families()):
                next(f for f in self._families() if name in f)[name] = None
                return
            object.__setattr__(self, name, value)
            return
        if family not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() first")
        for other in self._families():
            other.pop(name, None)
        self.__dict__.pop(name, None)
        self.__dict__[family][name] = value

    def _families(self) -> list[dict[str, Any]]:
        return [self.__dict__.get(f, {}) for f in ("_parameters", "_buffers", "_modules")]

    def __getattr__(self, name: str) -> Any:
        for family in self._families():
            if name in family:
                return family[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for family in self._families():
            if name in family:
                del family[name]
                return
        object.__delattr__(self, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name."""
        self.__dict__["_parameters"][name] = param

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add a tensor that is part of the state but is not learned."""
        self.__dict__["_buffers"][name] = tensor

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a module under a name."""
        self.__dict__["_modules"][name] = module

    register_module = add_module

    # --- what it contains -------------------------------------------------------------------------

    def children(self) -> Iterator[Module]:
        """The modules assigned to this one."""
        return (m for m in self.__dict__["_modules"].values() if m is not None)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules assigned to this one, with their names."""
        return ((n, m) for n, m in self.__dict__["_modules"].items() if m is not None)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """The module itself and all below it, with their names."""
        seen = set[int]()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            below = [(f"{name}.{n}" if name else n, m) for n, m in module.named_children()]
            stack += reversed(below)

    def modules(self) -> Iterator[Module]:
        """The module itself and all below it."""
        return (m for _, m in self.named_modules())

    def _named(self, family: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen = set[int]()
        places = self.named_modules(prefix) if recurse else iter([(prefix, self)])
        for place, module in places:
            for name, x in module.__dict__[family].items():
                if x is not None and id(x) not in seen:
                    seen.add(id(x))
                    yield (f"{place}.{name}" if place else name), x

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their names."""
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters of this module and those below it."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their names."""
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers of this module and those below it."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def state_dict(self) -> OrderedDict[str, Any]:
        """Parameters and buffers by name, detached, in the same memory."""
        found = OrderedDict[str, Any]()
        for place, module in self.named_modules():
            for family in ("_parameters", "_buffers"):
                for name, x in module.__dict__[family].items():
                    if x is not None:
                        found[f"{place}.{name}" if place else name] = x.detach()
        return found

    def load_state_dict(self, state_dict: Any, strict: bool = True) -> None:
        """Copy values of like names into parameters and buffers."""
        mine = self.state_dict()
        missing, unexpected = set(mine) - set(state_dict), set(state_dict) - set(mine)
        if strict and (missing or unexpected):
            raise KeyError(f"missing: {sorted(missing)}, unexpected: {sorted(unexpected)}")
        places = dict(self.named_modules())
        with no_grad():
            for name in mine.keys() & set(state_dict):
                place, _, last = name.rpartition(".")
                target, value = getattr(places[place], last), state_dict[name]
                if tuple(target.shape) != tuple(value.shape):
                    raise ShapeError(
                        f"load_state_dict: {name} has shape {list(target.shape)}, the value "
                        f"{list(value.shape)}" + at(user_line())
                    )
                target.copy_(value)

    # --- all at once ------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Switch training mode, which dropout and batch norm look at, on or off."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch training mode off."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Make the parameters variables, or constants."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the parameters, or set them to zero."""
        for p in self.parameters():
            if p.grad is None:
                continue
            if set_to_none:
                p.grad = None
            else:
                p.grad.detach_().zero_()

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call a function with every module below, and then with this one."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Parameters and buffers of floating-point dtype in another dtype."""
        for module in self.modules():
            for family in ("_parameters", "_buffers"):
                for x in module.__dict__[family].values():
                    if x is not None and x.is_floating_point():
                        x.data = x.detach().to(*args, **kwargs)
        return self

    def float(self) -> Self:
        """Parameters as float32."""
        return self.to(float32)

    def double(self) -> Self:
        """Parameters as float64."""
        return self.to(float64)

    def cpu(self) -> Self:
        """The module itself."""
        return self

    # --- printing ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return ""

    def __repr__(self) -> str:
        lines = [
            f"  ({name}): " + repr(m).replace("\n", "\n  ") for name, m in self.named_children()
        ]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return "\n".join([f"{type(self).__name__}({self.extra_repr()}", *lines, ")"])


# --- containers -----------------------------------------------------------------------------------


class Sequential(Module):
    """Modules, each called with the value of the one before.

    >>> torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())(torch.ones(1, 2)).shape
    torch.Size([1, 3])
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        named: Iterable[tuple[str, Module]] = ((str(i), m) for i, m in enumerate(modules))
        if len(modules) == 1 and isinstance(modules[0], dict):
            named = modules[0].items()
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Through all modules in turn."""
        for module in self.children():
            input = module(input)
        return input

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(self.__dict__["_modules"])

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: Any) -> Any:
        modules = list(self.named_children())
        return (
            Sequential(OrderedDict(modules[index]))
            if isinstance(index, slice)
            else modules[index][1]
        )


class ModuleList(Module):
    """Modules in a list, known to the module it is assigned to."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self.__dict__["_modules"])

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: Any) -> Any:
        found = list(self.children())[index]
        return ModuleList(found) if isinstance(found, list) else found


class Identity(Module):
    """What it is given."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """What it is given."""
        return input


class Flatten(Module):
    """`flatten`, by default of all dimensions but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        """Fewer dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


# --- layers ---------------------------------------------------------------------------------------


class Linear(Module):
    """x @ weight.T + bias, starting from random numbers uniform in +-1/sqrt(in_features).

    >>> torch.nn.Linear(2, 3)
    Linear(in_features=2, out_features=3, bias=True)
    """

    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0.0
        with no_grad():
            uniform_(self.weight, -bound, bound)
            if self.bias is not None:
                uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """input @ weight.T + bias."""
        return functional.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        has_bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={has_bias}"


class Embedding(Module):
    """A row of numbers for each integer."""

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx
        self.weight = Parameter(empty(num_embeddings, embedding_dim))
        with no_grad():
            normal_(self.weight)
            if padding_idx is not None:
                self.weight[padding_idx] = 0.0

    def forward(self, input: Any) -> Any:
        """The rows that integers name."""
        return functional.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"{self.num_embeddings}, {self.embedding_dim}"


class LayerNorm(Module):
    """`layer_norm` with weight and bias that are learned."""

    bias: Parameter | None
    weight: Parameter | None

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True
    ) -> None:
        super().__init__()
        shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.normalized_shape, self.eps = shape, eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter("weight", Parameter(ones(*shape)) if elementwise_affine else None)
        self.register_parameter("bias", Parameter(zeros(*shape)) if elementwise_affine else None)

    def forward(self, input: Any) -> Any:
        """Standardized over the last dimensions."""
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class BatchNorm1d(Module):
    """`batch_norm` with weight and bias that are learned, and running means."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight, self.bias = Parameter(ones(num_features)), Parameter(zeros(num_features))
        self.register_buffer("running_mean", zeros(num_features))
        self.register_buffer("running_var", ones(num_features))

    def forward(self, input: Any) -> Any:
        """Standardized over the batch."""
        return functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, self.training,
            self.momentum, self.eps,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class Dropout(Module):
    """In training, elements are zero with probability p, the others scaled by 1 / (1 - p)."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p, self.inplace = p, inplace

    def forward(self, input: Any) -> Any:
        """Some elements zero."""
        return functional.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"p={self.p}, inplace={self.inplace}"
