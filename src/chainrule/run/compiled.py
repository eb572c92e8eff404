"""A compiled program as a callable on arrays.

Arguments go to the machine code as the Python objects they are: it finds their data by itself
(`codegen.assemble`). That relies on where CPython and NumPy keep them, which is checked
when this module is first used.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import itertools
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np

from chainrule.codegen import assemble, blas, cache, pool
from chainrule.codegen.assemble import FLAGS_AT, PLAIN, is_number
from chainrule.codegen.bounds import VIOLATION
from chainrule.codegen.direct import (
    AXES_AT,
    DATA_AT,
    DIRECT,
    DTYPE,
    DTYPE_AT,
    NEW_ARRAY,
    RESTING,
    SHAPE_AT,
    TYPE,
    TYPE_AT,
)
from chainrule.codegen.direct import (
    MISSED as MISSED_NAME,
)
from chainrule.codegen.donate import donated, settle
from chainrule.codegen.engine import Machine, assembly, object_code, version
from chainrule.codegen.fingerprint import Unkeyed, fingerprint, sources
from chainrule.codegen.image import Image
from chainrule.codegen.linkage import ADDRESSES, CALLBACK, CONSTANT, GEMM, PARALLEL
from chainrule.codegen.loops import Buffer, Callback, Program
from chainrule.codegen.lower import lower, plan_all
from chainrule.codegen.options import Options
from chainrule.codegen.split import split
from chainrule.codegen.steps import (
    DOUBT,
    FAILED,
    LAYOUT,
    NO_MEMORY,
    ON_STACK,
    OUT_OF_RANGE,
    RAISED,
    TOO_LONG,
)
from chainrule.codegen.straight import chop
from chainrule.codegen.values import Values
from chainrule.errors import (
    PACKAGE,
    BoundsError,
    LoopError,
    ShapeError,
    TracedValueError,
    at,
    user_line,
)
from chainrule.graph.graph import Graph
from chainrule.graph.writes import note_write
from chainrule.ops.effects import Resumed, begin
from chainrule.rewrite.examples import by_examples
from chainrule.rewrite.hopeful import hopeful
from chainrule.rewrite.optimize import optimized
from chainrule.rewrite.simplify import Builder, simplified
from chainrule.run.heap import returned
from chainrule.run.ready import MISSED
from chainrule.run.reference import Reference


@functools.lru_cache(maxsize=1)
def check_layout() -> None:
    """Raise where Python objects do not keep their data where the machine code looks for it."""
    array = np.arange(3.0)
    flags = ctypes.c_int.from_address(id(array) + FLAGS_AT).value
    strided = ctypes.c_int.from_address(id(array[::2]) + FLAGS_AT).value
    number, scalar = 2.5, np.float64(3.5)
    fits = (
        ctypes.c_void_p.from_address(id(array) + DATA_AT).value == assemble.address_of(array)
        and flags & PLAIN == PLAIN
        and strided & PLAIN != PLAIN
        and ctypes.c_void_p.from_address(id(array) + TYPE_AT).value == id(np.ndarray)
        and ctypes.c_int.from_address(id(array) + AXES_AT).value == 1
        and ctypes.c_int64.from_address(_pointer(id(array) + SHAPE_AT)).value == 3
        and ctypes.c_void_p.from_address(id(array) + DTYPE_AT).value == id(array.dtype)
        and ctypes.c_double.from_address(id(number) + DATA_AT).value == number
        and ctypes.c_double.from_address(id(scalar) + DATA_AT).value == scalar
    )
    if not fits:
        raise RuntimeError("this build of Python and NumPy lays its objects out in an unknown way")


def _pointer(address: int) -> int:
    """What a pointer points at."""
    return ctypes.c_void_p.from_address(address).value or 0


@functools.lru_cache(maxsize=1)
def new_array() -> int:
    """The address of NumPy's function that makes an array (`PyArray_NewFromDescr`)."""
    take = ctypes.pythonapi.PyCapsule_GetPointer
    take.restype, take.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    interface = take(np._core._multiarray_umath._ARRAY_API, None)  # type: ignore[attr-defined]
    return _pointer(interface + 94 * ctypes.sizeof(ctypes.c_void_p))


class _Method(ctypes.Structure):
    """`PyMethodDef` of Python's C interface."""

    _fields_: ClassVar[Any] = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_FASTCALL: Final = 0x80
"""`METH_FASTCALL`: the arguments come as an array of objects."""


def builtin(address: int, bound: Any = None) -> tuple[Callable[..., Any], _Method]:
    """A function of machine code as a Python function, and what must live as long as it. It is
    given what it is bound to, and keeps it alive.
    """
    method = _Method(b"compiled", address, _FASTCALL, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return make(ctypes.addressof(method), bound, None), method


RESTS: Final = 255
"""Calls for which a program that raised doubts is not tried again, at most."""


class Compiled:
    """Machine code of a graph: `compiled(*arrays)` gives a list of arrays and NumPy scalars."""

    def __init__(self, graph: Graph, options: Options | None = None) -> None:
        """`graph` is as it was traced. Loads the code where it is kept, or compiles it."""
        check_layout()
        self.traced, self.options = graph, options or Options()
        if graph.effects:  # what is done cannot be done again
            self.options = replace(self.options, careful=True)
        self.loaded = False
        """Whether the machine code was there already."""
        self.comparison: Callable[[], str] | None = None
        """What a report says of its costs, if it is a derivative."""
        with returned():
            self.image = self._load_or_build()
            self._forget()
        self.machine = Machine(self.image.code)
        self.machine.fill(ADDRESSES, [self._address(name) for name in self.image.outside])
        self._entry, self._method = builtin(self.machine.address("entry"))
        self.direct: Callable[..., Any] | None = None
        """The whole call of results as they are, if there is such a function (`codegen.direct`)."""
        if self.image.direct and not graph.effects:
            address = self.machine.address(DIRECT)
            self.direct_bound = self._again_directly
            self.direct, self._direct_method = builtin(address, self.direct_bound)
        self.results = [(shape, np.dtype(dtype)) for shape, dtype in self.image.results]
        self._raised = threading.local()
        self._arenas = threading.local()
        self._rests = 0
        self.call = self._make_call()

    def _load_or_build(self) -> Image:
        store = cache.current()
        key = self._key() if store is not None else None
        if store is None or key is None:
            return self._build()
        packed = store.get(key)
        if packed is not None:
            image = Image.unpack(packed)
            # operations that NumPy does are found by their number: it must be the same program
            if not image.callbacks or image.text == _digest(self.llvm):
                self.loaded = True
                return image
        image = self._build()
        store.put(key, image.pack())
        return image

    def _forget(self) -> None:
        """Drop the stages of compiling, which are made again where they are asked for. Operations
        that NumPy does are part of the program.
        """
        for stage in () if self.image.callbacks else ("graph", "program", "_assembled"):
            self.__dict__.pop(stage, None)

    def _key(self) -> str | None:
        """What the code is kept under, or None where it cannot be told from other code."""
        import scipy

        versions = (sources(), version(), sys.version, np.__version__, scipy.__version__)
        for stage in ("traced", "graph"):
            try:
                return fingerprint(getattr(self, stage), versions, self.options)
            except Unkeyed:  # a function of the user's, that the rewrites may have used up
                pass
        return None

    def _build(self) -> Image:
        assembled, program = self._assembled, self.program
        return Image(
            object_code(assembled.text, *self._effort),
            assembled.outside,
            program.arena,
            [(b.value.shape, b.value.dtype.str) for b in program.outputs],
            _digest(assembled.text),
            bool(program.callbacks),
            assembled.sites,
            list(program.inplace.items()),
            assembled.direct,
            assemble.is_long(program),
            len(program.programs()) > 1,
            [
                np.ascontiguousarray(b.value.const, dtype=b.value.dtype)
                for b in assemble.constants(program)
            ],
        )

    def _address(self, name: str) -> int:
        """What a name in the table of addresses stands for."""
        kind, _, rest = name.partition(".")
        if name == CALLBACK:
            self._callback = assemble.callback_type()(self._call_back)
            return ctypes.cast(self._callback, ctypes.c_void_p).value or 0
        if name in (MISSED_NAME, NEW_ARRAY):
            return id(MISSED) if name == MISSED_NAME else new_array()
        if kind + "." == TYPE:
            return id(float if rest == "float" else getattr(np, rest))
        if kind + "." == DTYPE:
            return id(np.dtype(rest))
        if kind + "." == CONSTANT:
            return assemble.address_of(self.image.constants[int(rest)])
        if kind + "." == GEMM:
            from chainrule.codegen import gemm  # few programs need it

            return gemm.address(rest)
        if kind == "special":
            function, _, arity = rest.rpartition(".")
            return blas.special(function, int(arity)) or 0
        return pool.address() if name == PARALLEL else blas.address(rest)

    # --- the stages, made again where they are asked for -----------------------------------------

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph after all rewrites."""
        return optimized(self.traced)

    @functools.cached_property
    def program(self) -> Program:
        """Loops over scalar expressions, with a memory plan."""
        options = self.options

        def lowered(careful: bool) -> Program:
            hoped = self.graph if careful else hopeful(self.graph, Builder)
            hoped = hoped if hoped is self.graph else simplified(hoped)
            return lower(Values(by_examples(hoped, Builder)), careful)

        program = donated(lowered, options.donated, options.careful)
        settle(program)
        chop(program)
        split(program)
        plan_all(program)
        for k, call in enumerate(program.callbacks):
            call.number = k
        return program

    @functools.cached_property
    def _assembled(self) -> assemble.Assembled:
        return assemble.assemble(self.program, self.options.check_bounds)

    @property
    def _effort(self) -> tuple[int, bool]:
        """How hard LLVM is to try, and whether it looks for memory that can be registers."""
        return 1 if len(self.program.kernels) > 40 else 2, len(self.program.programs()) > 1

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        """The outputs for arrays and NumPy scalars of the inputs' shapes and dtypes."""
        return list(self.call(*arguments))

    @property
    def loops(self) -> Program:
        """The program as loops over scalar expressions; printing it shows it."""
        _ = self._assembled  # where kernels get their names
        return self.program

    @property
    def llvm(self) -> str:
        """The program in LLVM's language."""
        return self._assembled.text

    @property
    def assembly(self) -> str:
        """The machine code, as an assembler takes it."""
        return assembly(self.llvm, *self._effort)

    def report(self) -> str:
        """Kernels, operations, bytes moved, temporaries, what did not fuse and why, what is left to
        NumPy, and what a derivative costs beside its function.
        """
        from chainrule.run.report import report  # only needed by who reads it

        lines = [report(self.loops)]
        if self.comparison is not None:
            lines.append(self.comparison())
        return "\n".join(lines)

    def _make_call(self) -> Callable[..., tuple[Any, ...]]:
        """The function that a call goes through, written out for this program's arguments."""
        given = [f"a{k}" for k in range(len(self.traced.inputs))]
        inplace = dict(self.image.inplace)
        made = [f"r{k}" for k in range(len(self.results)) if k not in inplace]
        outs = [f"a{inplace[k]}" if k in inplace else f"r{k}" for k in range(len(self.results))]
        more = ["arena()"] if self.image.arena > ON_STACK else []
        lines = [f"def call({', '.join(given)}):"]
        lines += ["    begin()"] if self.traced.effects else []
        number = [is_number(*result) for result in self.results]
        for r in made:
            k = int(r[1:])
            lines.append(
                f"    {r} = new{k}()" if number[k] else f"    {r} = empty(shape{k}, dtype{k})"
            )
        lines += [f"    code = entry({', '.join(given + made + more)})"]
        lines += [f"    if code: return again(code, [{', '.join(given)}])"]
        lines += [f"    note(a{j}, 'jit')" for j in inplace.values()]
        back = [
            r if shape or n else f"{r}[()]"
            for r, n, (shape, _) in zip(outs, number, self.results, strict=True)
        ]
        lines += [f"    return ({', '.join(back)}{',' if len(back) == 1 else ''})"]
        names: dict[str, Any] = {
            "empty": _spoiled if self.options.check_bounds else np.empty,
            "entry": self._entry,
            "arena": self._arena,
            "again": self._again,
            "note": note_write,
            "begin": begin,
        }
        for k, (shape, dtype) in enumerate(self.results):
            names[f"shape{k}"], names[f"dtype{k}"], names[f"new{k}"] = shape, dtype, dtype.type
        self._names = names
        # under a name in this package, so that it is no line of the user's
        exec(compile("\n".join(lines), f"{PACKAGE}<compiled>", "exec"), names)
        return names["call"]

    def entry(self) -> Callable[..., int]:
        """The machine code itself, on arguments and results: it gives a code where it did nothing.

        It does not keep this object alive, and must not outlive it.
        """
        if self.image.arena <= ON_STACK:
            return self._entry

        def entry(*arguments: Any) -> int:
            return self._entry(*arguments, self._arena())

        return entry

    def _arena(self) -> Any:
        """The memory for temporaries, one for each thread."""
        if self.options.check_bounds:
            return _spoiled((self.image.arena + 64,), np.dtype(np.uint8))
        try:
            return self._arenas.memory
        except AttributeError:
            self._arenas.memory = np.empty(self.image.arena + 64, np.uint8)
            return self._arenas.memory

    def _again(self, code: int, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """After a call that did not succeed: once more with contiguous arguments, or raise."""
        if self.options.check_bounds:
            self._raise_outside()
        if code == FAILED:  # NumPy says why, or finds that it can be done
            return self._by_numpy(arguments)
        if code & DOUBT and code & OUT_OF_RANGE == 0:
            if self._names["entry"] is self._entry:
                self._rest()
            return self.careful.call(*arguments)
        if code != LAYOUT:
            # of an index or of a pivot: NumPy knows, if the arguments are what they were
            if code & OUT_OF_RANGE and not self.image.inplace:
                with contextlib.suppress(IndexError):
                    return self._by_numpy(arguments)
            self._fail(code)
        return self.call(*[_plain(a) for a in arguments])

    def _again_directly(self, code: int, *arguments: Any) -> Any:
        """The same, for `direct`."""
        results = self._again(code, arguments)
        return results[0] if len(results) == 1 else tuple(results)

    def _by_numpy(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """The outputs, or NumPy's error."""
        with Resumed():
            return tuple(Reference(self.traced)(arguments))

    def _rest(self) -> None:
        """After a doubt, go straight to the careful program for some calls: none after the first
        doubt, then more and more, as some arguments raise one every time.
        """
        left = itertools.count(self._rests, -1)

        def doubt(*given: Any) -> int:
            if next(left) > 0:
                return DOUBT
            self._names["entry"] = self._entry
            self._set_resting(False)
            return self._entry(*given)

        if self._rests:
            self._names["entry"] = doubt
            self._set_resting(True)
        self._rests = min(2 * self._rests + 1, RESTS)

    def _set_resting(self, resting: bool) -> None:
        """Whether calls are to go through `call`."""
        if self.direct is not None:
            ctypes.c_bool.from_address(self.machine.place(RESTING)).value = resting

    @functools.cached_property
    def _callbacks(self) -> list[Callback]:
        return self.program.callbacks

    @functools.cached_property
    def careful(self) -> Compiled:
        """The same program with strong products (`codegen.doubt`), compiled when it is needed."""
        return Compiled(self.traced, replace(self.options, careful=True))

    def _raise_outside(self) -> None:
        """Say where the machine code left its memory, if it did."""
        violation = (ctypes.c_int64 * 2).from_address(self.machine.place(VIOLATION))
        site, offset = violation
        if site:
            violation[:] = [0, 0]
            raise BoundsError(
                f"jit: {self.image.sites[site - 1]} at byte {offset}, which lies outside; this is "
                "a defect of the compiler, please report it with the function" + at(user_line())
            )

    def _fail(self, code: int) -> None:
        if code & TOO_LONG:
            raise LoopError(
                "while_loop: the condition still holds after as many turns as `max_iterations` "
                "allows; raise the limit, or look at what the condition waits for" + at(user_line())
            )
        if code & NO_MEMORY:
            raise MemoryError(
                "while_loop: no memory for what the derivative needs of each turn" + at(user_line())
            )
        if code == RAISED:
            error = self._raised.error
            del self._raised.error
            raise error
        if code & OUT_OF_RANGE:
            raise ShapeError(
                "an index is out of range in the compiled function" + at(user_line())
            ) from IndexError()
        raise AssertionError(code)

    def _call_back(self, number: int, pointers: int) -> int:
        """Run an operation by NumPy on the memory that the pointers show."""
        try:
            step = self._callbacks[number]
            table = (ctypes.c_void_p * (len(step.arguments) + len(step.results))).from_address(
                pointers
            )
            self._evaluate(step, iter(table))
        except BaseException as error:
            self._raised.error = error
            return 1
        return 0

    def _evaluate(self, step: Callback, table: Any) -> None:
        arguments = [_shown(a, next(table)) if isinstance(a, Buffer) else a for a in step.arguments]
        row, params = step.value.row, step.value.params
        with np.errstate(all="ignore"):
            value = row.evaluate(*arguments, **params)
        values = value if isinstance(value, (tuple, list)) else (value,)
        for b, v in zip(step.results, values, strict=True):
            if np.shape(v) != b.value.shape:
                raise TracedValueError(
                    f"{row.name}: the shape of its result depends on the values of its operands "
                    f"({list(np.shape(v))} now, {list(b.value.shape)} was expected), and compiled "
                    "code needs it beforehand; compute it outside, or use cr.where with a mask"
                )
            _shown(b, next(table), scalar=False)[...] = v


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def _shown(b: Buffer, pointer: int, scalar: bool = True) -> Any:
    """The array in a buffer, or its number where it has no axes."""
    v = b.value
    memory: Any = (ctypes.c_char * max(v.nbytes, 1)).from_address(pointer or 1)
    if not v.size:
        return np.empty(v.shape, v.dtype)
    array = np.frombuffer(memory, v.dtype, v.size).reshape(v.shape)
    return array[()] if scalar and not v.shape else array


def _spoiled(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """A new array in which every byte says that nothing has been written there."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[...] = 0xFF
    return array


def _plain(a: Any) -> Any:
    """An argument, contiguous and aligned."""
    return np.array(a, order="C") if isinstance(a, np.ndarray) else a
