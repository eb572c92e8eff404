"""Threads that run the parts of one loop together, in LLVM's language over the C library's threads.

`parallel(function, context, count, grain)` calls `function(context, low, high)` for pieces of
range(count), by the caller and by workers that sleep between loops. A caller that finds them at
work for another thread does everything by itself, so it may be called from any number of threads,
and from a process that was forked, in which there are no workers. Who does which piece changes
nothing in the results, as pieces do not depend on the number of threads.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import signal
import sys
from typing import Any, Final

from chainrule.codegen.engine import Machine, object_code
from chainrule.errors import ArgumentError, at, user_line

MOST: Final = 256
"""Threads at most."""

_SERIAL: Final = """
define void @parallel(ptr %function, ptr %context, i64 %count, i64 %grain) {
  call void %function(ptr %context, i64 0, i64 %count)
  ret void
}
"""

_POOL: Final = """
@mutex = global [128 x i8] zeroinitializer, align 64
@wake = global [128 x i8] zeroinitializer, align 64
@done = global [128 x i8] zeroinitializer, align 64
@signals = global [256 x i8] zeroinitializer, align 64
@threads = global [MOST x ptr] zeroinitializer
@next = global i64 0, align 64
@limit = global i64 1, align 64
@workers = global i64 0
@busy = global i64 0
@stop = global i64 0
@open = global i64 0
@generation = global i64 0
@running = global i64 0
@function = global ptr null
@context = global ptr null
@count = global i64 0
@grain = global i64 0

declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(ptr, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)

; As after loading: there are no workers, nobody waits.
define void @reset() {
  store i64 0, ptr @workers
  store i64 0, ptr @stop
  store i64 0, ptr @open
  store i64 0, ptr @running
  call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  call i32 @pthread_cond_init(ptr @wake, ptr null)
  call i32 @pthread_cond_init(ptr @done, ptr null)
  call i32 @sigfillset(ptr @signals)
  store atomic i64 0, ptr @busy release, align 8
  ret void
}

; Pieces, until there are no more.
define internal void @pieces() {
entry:
  %function = load ptr, ptr @function
  %context = load ptr, ptr @context
  %count = load i64, ptr @count
  %grain = load i64, ptr @grain
  br label %take
take:
  %low = atomicrmw add ptr @next, i64 %grain seq_cst
  %some = icmp slt i64 %low, %count
  br i1 %some, label %go, label %end
go:
  %far = add i64 %low, %grain
  %over = icmp sgt i64 %far, %count
  %high = select i1 %over, i64 %count, i64 %far
  call void %function(ptr %context, i64 %low, i64 %high)
  br label %take
end:
  ret void
}

; A worker: signals are for Python's own threads.
define internal ptr @worker(ptr %nothing) {
entry:
  call i32 @pthread_sigmask(i32 SETMASK, ptr @signals, ptr null)
  call i32 @pthread_mutex_lock(ptr @mutex)
  br label %wait
wait:
  %seen = phi i64 [ 0, %entry ], [ %seen, %sleep ], [ %now, %ready ]
  %stop = load i64, ptr @stop
  %ends = icmp ne i64 %stop, 0
  br i1 %ends, label %end, label %look
look:
  %generation = load i64, ptr @generation
  %open = load i64, ptr @open
  %running = load i64, ptr @running
  %limit = load i64, ptr @limit
  %others = add i64 %running, 1
  %fresh = icmp ne i64 %generation, %seen
  %opened = icmp ne i64 %open, 0
  %room = icmp slt i64 %others, %limit
  %one = and i1 %fresh, %opened
  %all = and i1 %one, %room
  br i1 %all, label %work, label %sleep
sleep:
  call i32 @pthread_cond_wait(ptr @wake, ptr @mutex)
  br label %wait
work:
  store i64 %others, ptr @running
  call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @pieces()
  call i32 @pthread_mutex_lock(ptr @mutex)
  %before = load i64, ptr @running
  %after = sub i64 %before, 1
  store i64 %after, ptr @running
  %last = icmp eq i64 %after, 0
  br i1 %last, label %tell, label %ready
tell:
  call i32 @pthread_cond_broadcast(ptr @done)
  br label %ready
ready:
  %now = phi i64 [ %generation, %work ], [ %generation, %tell ]
  br label %wait
end:
  call i32 @pthread_mutex_unlock(ptr @mutex)
  ret ptr null
}

define void @parallel(ptr %function, ptr %context, i64 %count, i64 %grain) {
entry:
  %limit = load i64, ptr @limit
  %alone = icmp sle i64 %limit, 1
  %small = icmp sle i64 %count, %grain
  %serial = or i1 %alone, %small
  br i1 %serial, label %myself, label %ask
ask:
  %pair = cmpxchg ptr @busy, i64 0, i64 1 seq_cst seq_cst
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %hire, label %myself
myself:
  call void %function(ptr %context, i64 0, i64 %count)
  ret void
hire:
  %workers = load i64, ptr @workers
  %with = add i64 %workers, 1
  %enough = icmp sge i64 %with, %limit
  br i1 %enough, label %start, label %create
create:
  %slot = getelementptr ptr, ptr @threads, i64 %workers
  %failed = call i32 @pthread_create(ptr %slot, ptr null, ptr @worker, ptr null)
  %good = icmp eq i32 %failed, 0
  br i1 %good, label %hired, label %start
hired:
  store i64 %with, ptr @workers
  br label %hire
start:
  call i32 @pthread_mutex_lock(ptr @mutex)
  store ptr %function, ptr @function
  store ptr %context, ptr @context
  store i64 %count, ptr @count
  store i64 %grain, ptr @grain
  store atomic i64 0, ptr @next seq_cst, align 8
  %g = load i64, ptr @generation
  %h = add i64 %g, 1
  store i64 %h, ptr @generation
  store i64 1, ptr @open
  call i32 @pthread_cond_broadcast(ptr @wake)
  call i32 @pthread_mutex_unlock(ptr @mutex)
  call void @pieces()
  call i32 @pthread_mutex_lock(ptr @mutex)
  store i64 0, ptr @open
  br label %check
check:
  %running = load i64, ptr @running
  %idle = icmp eq i64 %running, 0
  br i1 %idle, label %end, label %wait
wait:
  call i32 @pthread_cond_wait(ptr @done, ptr @mutex)
  br label %check
end:
  call i32 @pthread_mutex_unlock(ptr @mutex)
  store atomic i64 0, ptr @busy release, align 8
  ret void
}

; The end: all workers return. If a loop is running, they are left alone.
define void @shutdown() {
entry:
  %pair = cmpxchg ptr @busy, i64 0, i64 1 seq_cst seq_cst
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %close, label %out
close:
  call i32 @pthread_mutex_lock(ptr @mutex)
  store i64 1, ptr @stop
  call i32 @pthread_cond_broadcast(ptr @wake)
  call i32 @pthread_mutex_unlock(ptr @mutex)
  %workers = load i64, ptr @workers
  br label %each
each:
  %k = phi i64 [ 0, %close ], [ %n, %join ]
  %more = icmp slt i64 %k, %workers
  br i1 %more, label %join, label %reset
join:
  %slot = getelementptr ptr, ptr @threads, i64 %k
  %thread = load ptr, ptr %slot
  call i32 @pthread_join(ptr %thread, ptr null)
  %n = add i64 %k, 1
  br label %each
reset:
  call void @reset()
  br label %out
out:
  ret void
}
"""

_wanted: list[int] = []
"""How many threads were asked for."""


@functools.lru_cache(maxsize=1)
def _pool() -> Machine:
    """The pool of this process. It is never unloaded: workers run in it."""
    if sys.platform == "win32":
        return Machine(object_code(_SERIAL))
    text = _POOL.replace("SETMASK", str(int(signal.SIG_SETMASK))).replace("MOST", str(MOST))
    pool = Machine(object_code(text))
    _call(pool, "reset")
    os.register_at_fork(after_in_child=lambda: _call(pool, "reset"))
    atexit.register(_call, pool, "shutdown")
    _limit(pool)
    return pool


def _call(pool: Machine, name: str) -> None:
    ctypes.CFUNCTYPE(None)(pool.address(name))()


def _limit(pool: Machine) -> None:
    if sys.platform != "win32":
        ctypes.c_int64.from_address(pool.place("limit")).value = get_num_threads()


def address() -> int:
    """The address of `parallel`."""
    return _pool().address("parallel")


def set_num_threads(n: int) -> None:
    """Let compiled code use n threads for large loops. Results do not depend on n.

    Raises ArgumentError unless n is an integer from 1 to 256.

    >>> before = cr.get_num_threads()
    >>> cr.set_num_threads(1)
    >>> cr.get_num_threads()
    1
    >>> cr.set_num_threads(before)
    """
    whole: Any = n
    if not isinstance(whole, int) or isinstance(whole, bool) or not 1 <= n <= MOST:
        raise ArgumentError(
            f"set_num_threads: {n!r} is no number of threads; give an integer from 1 to {MOST}"
            + at(user_line())
        )
    _wanted[:] = [n]
    if _pool.cache_info().currsize:
        _limit(_pool())


def get_num_threads() -> int:
    """The number of threads that compiled code uses for large loops.

    Unless it was set, it is what `OMP_NUM_THREADS` says, or as many as there are processors for
    this process. The matrix products of BLAS have a setting of their own.

    >>> cr.get_num_threads() >= 1
    True
    """
    if not _wanted:
        given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        if given.isdigit() and int(given):
            count = int(given)
        elif hasattr(os, "sched_getaffinity"):
            count = len(os.sched_getaffinity(0))
        else:
            count = os.cpu_count() or 1
        _wanted.append(min(count, MOST))
    return _wanted[0]
