"""Functions with loops whose bounds are known when they run, in LLVM's language."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.codegen.text import Emitter


class Blocks(Emitter):
    """Writes functions with loops whose bounds are known when they run."""

    def start(self) -> Blocks:
        """Begin."""
        self.label("entry")
        return self

    def begin(self, stem: str) -> str:
        """Begin a block that the one before runs into."""
        name = self.named(stem)
        self.put(f"br label %{name}")
        self.enter(name)
        return name

    def named(self, stem: str) -> str:
        """A name for a block."""
        self.labels += 1
        return f"{stem}{self.labels}"

    def enter(self, name: str) -> None:
        """Begin a block of a name."""
        self.label(name)
        self.block = name

    def loop(self, stop: str, step: str, body: Callable[[str], None], start: str = "0") -> None:
        """`for i in range(start, stop, step): body(i)`, and at least once."""
        before = self.block
        head = self.begin("loop")
        at = len(self.lines)
        self.put("")
        i = f"%{head}.i"
        body(i)
        following = self.do(f"add nuw nsw i64 {i}, {step}")
        self.lines[at] = f"  {i} = phi i64 [ {start}, %{before} ], [ {following}, %{self.block} ]"
        self.unless_done(self.do(f"icmp ult i64 {following}, {stop}"), head)

    def unless_done(self, more: str, head: str) -> None:
        """Go back to the head of a loop while there is more to do."""
        end = self.named("end")
        self.put(f"br i1 {more}, label %{head}, label %{end}")
        self.enter(end)

    def either(self, condition: str, yes: Callable[[], None], no: Callable[[], None]) -> None:
        """One of two things."""
        one, two, end = self.named("yes"), self.named("no"), self.named("join")
        self.put(f"br i1 {condition}, label %{one}, label %{two}")
        for name, body in ((one, yes), (two, no)):
            self.enter(name)
            body()
            self.put(f"br label %{end}")
        self.enter(end)

    def when(self, condition: str, body: Callable[[], None]) -> None:
        """Something, if a condition holds."""
        self.either(condition, body, lambda: None)

    def unless(self, condition: str, body: Callable[[], None]) -> None:
        """Something, if it does not."""
        self.either(condition, lambda: None, body)

    def at(self, t: str, pointer: str, index: str) -> str:
        """Pointer to an element."""
        return self.do(f"getelementptr {t}, ptr {pointer}, i64 {index}")

    def smaller(self, a: str, b: str) -> str:
        """The smaller of two sizes."""
        less = self.do(f"icmp ult i64 {a}, {b}")
        return self.do(f"select i1 {less}, i64 {a}, i64 {b}")

    def note(self, condition: str) -> None:
        """Let `%odd` be true from now on if a condition holds."""
        old = self.do("load i1, ptr %odd")
        self.put(f"store i1 {self.do(f'or i1 {old}, {condition}')}, ptr %odd")

    def may_note(self) -> None:
        """At the beginning: nothing has been noted."""
        self.put("%odd = alloca i1, align 8")
        self.put("store i1 false, ptr %odd")

    def give_noted(self) -> None:
        """At the end: give what has been noted."""
        self.put(f"ret i1 {self.do('load i1, ptr %odd')}")

    def function(self, head: str) -> None:
        """Append what was written as a function."""
        self.module.functions.append("\n".join([f"define {head} #0 {{", *self.lines, "}"]))
