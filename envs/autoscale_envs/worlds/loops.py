"""Formulas as loops over environments, for LLVM to compile (``compiled``): what arrays give, without numpy's calls.

A formula is run once with ``Number``s, which write down what is done to them. So it has one home, whether it is given
plain numbers, arrays or these. Nothing is reordered and no product is fused with a sum, so that results are numpy's to
the last bit. What it approximates in a way of its own (``np.exp``, ``np.sin``) numpy does itself, between a loop that
computes the arguments and one that goes on from the results.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

DOUBLE: Final = "double"
SINGLE: Final = "float"
INDEX: Final = "i64"
FLAG: Final = "i1"
KINDS: Final[dict[np.dtype[Any], str]] = {
    np.dtype(np.float64): DOUBLE,
    np.dtype(np.float32): SINGLE,
    np.dtype(np.int64): INDEX,
    np.dtype(np.bool_): FLAG,
}
CASTS: Final = {
    (FLAG, DOUBLE): "uitofp",
    (INDEX, DOUBLE): "sitofp",
    (FLAG, INDEX): "zext",
    (SINGLE, DOUBLE): "fpext",
    (DOUBLE, SINGLE): "fptrunc",
}
OF_DOUBLES: Final = {
    np.add: ("fadd", DOUBLE),
    np.subtract: ("fsub", DOUBLE),
    np.multiply: ("fmul", DOUBLE),
    np.divide: ("fdiv", DOUBLE),
    np.negative: ("fneg", DOUBLE),
    np.less: ("fcmp olt", FLAG),
    np.less_equal: ("fcmp ole", FLAG),
    np.greater: ("fcmp ogt", FLAG),
    np.greater_equal: ("fcmp oge", FLAG),
}
"""Instruction, and what it gives."""
OF_INDICES: Final = {np.add: "add", np.subtract: "sub", np.multiply: "mul"}
OF_FLAGS: Final = {np.bitwise_or: "or", np.bitwise_and: "and"}
CHOICES: Final = {np.minimum: "olt", np.maximum: "ogt"}
"""How the first of two compares with the other where it is the one that is taken."""

LOOP: Final = """
define void @loop{number}(ptr %addresses) {{
entry:
{addresses}
  br label %body
body:
  %i = phi i64 [0, %entry], [%next, %body]
{body}
  %next = add nuw nsw i64 %i, 1
  %is_over = icmp eq i64 %next, {count}
  br i1 %is_over, label %done, label %body, !llvm.loop !0
done:
  ret void
}}
"""
ADDRESS: Final = """  %at{number} = getelementptr ptr, ptr %addresses, i64 {number}
  %array{number} = load ptr, ptr %at{number}"""
EACH: Final = "%i"
CACHED_BYTES: Final = 2**20
"""A table above this is likely to lie in memory, a hundred times as far away as the rest."""
UNRELATED: Final = """
!0 = distinct !{!0, !2}
!1 = distinct !{}
!2 = !{!"llvm.loop.parallel_accesses", !1}
"""
"""No environment reads what another one writes: several can be computed at once."""


class Number(np.lib.mixins.NDArrayOperatorsMixin):
    """One number of each environment, while a formula is written down.

    Args:
        loops: where.
        kind: of ``KINDS``.
        name: in LLVM's language.
        lines: of the loop that computes it.
    """

    def __init__(self, loops: "Loops", kind: str, name: str, lines: list[str]) -> None:
        self._loops, self.kind, self.name, self.lines = loops, kind, name, lines

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any) -> "Number":
        """What one of numpy's functions, or an operator, makes of it."""
        return self._loops.apply(ufunc, operands)

    def any(self) -> bool:
        """Whether it is true in any environment: it may be."""
        return True

    def looked_up_in(self, table: Array) -> "Number":
        """See ``arrays.looked_up``."""
        return self._loops.entry(table.reshape(-1), self)

    def row_of(self, table: Array) -> list["Number"]:
        """See ``arrays.row_of``."""
        flat, length = table.reshape(-1), table.shape[1]
        entries = self._loops.far_entries if table.nbytes > CACHED_BYTES else self._loops.entries
        return entries(flat, [self * length + number for number in range(length)])

    def column_of(self, table: Array) -> list["Number"]:
        """See ``arrays.column_of``; of a copy in which the numbers of a column lie side by side."""
        return self.row_of(np.ascontiguousarray(table.T))


class Loops:
    """What is done to each environment's numbers, as it is written down.

    Args:
        count: of environments.

    Attributes:
        arguments: arrays whose addresses the loops are given; None for what differs from run to run.
        inputs: which of them each array is that a run is given.
        outputs: of each array that it gives, type, shape and which of them.
        between: what numpy does after each loop but the last, from which array to which; None for nothing.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.arguments: list[Array | None] = []
        self.inputs: list[int] = []
        self.outputs: list[tuple[Any, tuple[int, int], int]] = []
        self.between: list[tuple[np.ufunc, Array, Array] | None] = []
        self._lines: list[list[str]] = [[]]
        self._names = 0
        self._stored: dict[str, int] = {}
        self._tables: dict[tuple[int, int], int] = {}

    @property
    def environment(self) -> Number:
        """Its number."""
        return Number(self, INDEX, EACH, self._now)

    def given(self, dtype: Any, *shape: int, at: Number | None = None) -> Any:
        """Numbers of an array that each run is given, one of each row, in nested lists.

        Args:
            dtype: of the array, which holds rows without gaps.
            shape: of the array.
            at: where in its rows an environment's numbers are; None where the last axis is over environments.
        """
        kind, index, argument = KINDS[np.dtype(dtype)], self.environment if at is None else at, self._argument(None)
        self.inputs.append(argument)
        numbers = [self._load(kind, argument, index + row * shape[-1]) for row in range(prod(shape[:-1]))]
        return np.array(numbers, object).reshape(shape[:-1]).tolist()

    def tell(self, dtype: Any, values: Sequence[Any], *, by_environment: bool = False) -> None:
        """Have each run give these, as an array of shape (values, environments), or the other way round."""
        argument, many = self._argument(None), len(values)
        self.outputs.append((dtype, (self.count, many) if by_environment else (many, self.count), argument))
        for row, value in enumerate(values):
            index = self.environment * many + row if by_environment else self.environment + row * self.count
            self._write(KINDS[np.dtype(dtype)], value, argument, index)

    def put(self, array: Array, value: Any) -> None:
        """Have each run write these into an array over environments."""
        self._write(KINDS[array.dtype], value, self._table(array), self.environment)

    def entry(self, table: Array, index: Number) -> Number:
        """The number at an index of a flat table, which is read in each run where it lies."""
        return self._load(KINDS[table.dtype], self._table(table), index)

    def entries(self, table: Array, indices: Sequence[Number]) -> list[Number]:
        """Several of them."""
        return [self.entry(table, index) for index in indices]

    def far_entries(self, table: Array, indices: Sequence[Number]) -> list[Number]:
        """Likewise of a table that no cache holds: by a loop before this one, short enough to have many on the way."""
        shared = len(self._now)
        kept = [self._argument(np.empty(self.count, table.dtype)) for _ in indices]
        for argument, number in zip(kept, self.entries(table, indices), strict=True):
            self._write(number.kind, number, argument, self.environment)
        self._lines.insert(-1, [*self._now])
        self.between.append(None)
        del self._now[shared:]
        return [self._load(KINDS[table.dtype], argument, self.environment) for argument in kept]

    def apply(self, ufunc: np.ufunc, operands: Sequence[Any]) -> Number:
        """What a function of numpy makes of numbers, of which at least one is a ``Number``."""
        if ufunc in CHOICES:
            one, other = (self._as(DOUBLE, each) for each in operands)
            is_first = self._new(FLAG, f"fcmp {CHOICES[ufunc]} double {one}, {other}").name
            return self._new(DOUBLE, f"select i1 {is_first}, double {one}, double {other}")
        if ufunc is np.logical_not:
            return self._new(FLAG, f"xor i1 {self._as(FLAG, *operands)}, true")
        if ufunc in OF_FLAGS:
            return self._operation(OF_FLAGS[ufunc], FLAG, FLAG, operands)
        if ufunc in OF_INDICES and all(_kind(each) in (INDEX, FLAG) for each in operands):
            return self._operation(OF_INDICES[ufunc], INDEX, INDEX, operands)
        if ufunc in OF_DOUBLES:
            instruction, kind = OF_DOUBLES[ufunc]
            return self._operation(instruction, DOUBLE, kind, operands)
        return self._by_numpy(ufunc, *operands)

    def code(self) -> str:
        """The loops in LLVM's language, ``loop0`` first; each is told where the addresses of all arguments are."""
        addresses = "\n".join(ADDRESS.format(number=number) for number in range(len(self.arguments)))
        loops = [
            LOOP.format(number=number, addresses=addresses, body="\n".join(lines), count=self.count)
            for number, lines in enumerate(self._lines)
        ]
        return "".join([*loops, UNRELATED])

    @property
    def _now(self) -> list[str]:
        return self._lines[-1]

    def _by_numpy(self, ufunc: np.ufunc, value: Number) -> Number:
        """End this loop and begin another, numpy between them."""
        source, result = np.empty(self.count), np.empty(self.count)
        self._store(self._now, DOUBLE, self._as(DOUBLE, value), self._argument(source), EACH)
        self.between.append((ufunc, source, result))
        self._lines.append([])
        return self._load(DOUBLE, self._argument(result), self.environment)

    def _write(self, kind: str, value: Any, argument: int, index: Number) -> None:
        self._store(self._now, kind, self._as(kind, value), argument, self._as(INDEX, index))

    def _operation(self, instruction: str, kind: str, gives: str, operands: Sequence[Any]) -> Number:
        return self._new(gives, f"{instruction} {kind} {', '.join(self._as(kind, each) for each in operands)}")

    def _as(self, kind: str, value: Any) -> str:
        """A number as one of a kind, in the present loop."""
        if not isinstance(value, Number):
            return f"0x{np.float64(value).view(np.uint64):016X}" if kind == DOUBLE else str(int(value))
        now = value
        if value.lines is not self._now and value.name != EACH:
            now = self._load(value.kind, self._keep(value), self.environment)
        cast = f"{CASTS.get((now.kind, kind))} {now.kind} {now.name} to {kind}"
        return now.name if now.kind == kind else self._new(kind, cast).name

    def _keep(self, value: Number) -> int:
        """Have its loop leave it to later ones: the argument where it does."""
        if value.name not in self._stored:
            [dtype] = (dtype for dtype, kind in KINDS.items() if kind == value.kind)
            self._stored[value.name] = self._argument(np.empty(self.count, dtype))
            self._store(value.lines, value.kind, value.name, self._stored[value.name], EACH)
        return self._stored[value.name]

    def _load(self, kind: str, argument: int, index: Number) -> Number:
        stored, at = _stored(kind), self._as(INDEX, index)
        place = self._new("ptr", f"getelementptr {stored}, ptr %array{argument}, i64 {at}")
        found = self._new(kind, f"load {stored}, ptr {place.name}, !llvm.access.group !1")
        return self._new(kind, f"icmp ne i8 {found.name}, 0") if kind == FLAG else found

    def _store(self, lines: list[str], kind: str, name: str, argument: int, index: str) -> None:
        stored = _stored(kind)
        place = self._line(lines, f"getelementptr {stored}, ptr %array{argument}, i64 {index}")
        name = self._line(lines, f"zext i1 {name} to i8") if kind == FLAG else name
        lines.append(f"  store {stored} {name}, ptr {place}, !llvm.access.group !1")

    def _new(self, kind: str, instruction: str) -> Number:
        return Number(self, kind, self._line(self._now, instruction), self._now)

    def _line(self, lines: list[str], instruction: str) -> str:
        """Write an instruction down: the name of what it gives."""
        self._names += 1
        lines.append(f"  %n{self._names} = {instruction}")
        return f"%n{self._names}"

    def _table(self, array: Array) -> int:
        key = array.ctypes.data, array.size
        if key not in self._tables:
            self._tables[key] = self._argument(array)
        return self._tables[key]

    def _argument(self, array: Array | None) -> int:
        self.arguments.append(array)
        return len(self.arguments) - 1


def _kind(value: Any) -> str:
    if isinstance(value, Number):
        return value.kind
    return INDEX if isinstance(value, int | np.integer) else DOUBLE


def _stored(kind: str) -> str:
    """What it is in memory."""
    return "i8" if kind == FLAG else kind
