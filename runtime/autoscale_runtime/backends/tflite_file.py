"""Reads the structure of a .tflite file: sub-graphs, operators, tensors.

The interpreters do not say which tensors are constants, nor which sub-graphs an operator calls. The layout is
FlatBuffers' (flatbuffers.dev/internals) with the fields of TensorFlow Lite's public schema, version 3.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from autoscale.errors import ModelError
from autoscale_runtime.backends.flatbuffer import Table, root_of

T = TypeVar("T")
IDENTIFIER: Final = b"TFL3"
QUANTIZE, DEQUANTIZE, CALL_ONCE, ASSIGN_VARIABLE = 114, 6, 129, 144
"""The schema's numbers of operators."""

WHOLE: Final = {"int32": 4, "int64": 8}
NARROW: Final = ("int8", "uint8", "int4", "uint4", "int2")
_TYPES = (
    "float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64 resource "
    "variant uint32 uint16 int4 bfloat16 int2 uint4 float8_e4m3fn float8_e5m2"
)
TYPES = _TYPES.split()


@dataclass(frozen=True, slots=True)
class FileTensor:
    """A tensor as the file declares it; ``stored`` is the size of its content in bytes, 0 if it has none.

    ``variable``: it keeps its content from query to query; ``value``: of a constant that is one whole number.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    buffer: int
    stored: int
    sparse: bool
    quantised: bool
    variable: bool
    value: int | None = None


@dataclass(frozen=True, slots=True)
class FileOperator:
    """An operator; ``code`` is the schema's number, ``calls`` the sub-graphs it may run, -1 a missing input."""

    code: int
    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    calls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """One way into a file: its name, the graph that answers, and names of that graph's tensors."""

    key: str
    graph: int
    names: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class FileGraph:
    """One sub-graph; the first is the main one."""

    tensors: tuple[FileTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[FileOperator, ...]


def read_graphs(path: Path) -> tuple[FileGraph, ...]:
    """The sub-graphs of a file.

    Raises:
        ModelError: no .tflite file, or a truncated one.
    """
    graphs = _read(path, _graphs)
    if not graphs or not graphs[0].operators:
        raise ModelError(f"'{path}' holds no operators; allowed: a .tflite model")
    return graphs


def read_signatures(path: Path) -> tuple[Signature, ...]:
    """The signatures of a file; inputs' names come before outputs'.

    Raises:
        ModelError: no .tflite file, or a truncated one.
    """
    return _read(path, lambda model: tuple(_signature(each) for each in model.tables(7)))


def _read(path: Path, what: Callable[[Table], T]) -> T:
    content = path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise ModelError(f"'{path}' is not a .tflite model: its identifier is {content[4:8]!r}, not {IDENTIFIER!r}")
    try:
        return what(root_of(content))
    except (struct.error, IndexError, ValueError, OverflowError, MemoryError) as error:
        raise ModelError(f"'{path}' is a damaged or truncated .tflite model ({len(content)} bytes)") from error


def _signature(table: Table) -> Signature:
    entries = [*table.tables(1), *table.tables(0)]
    names = {each.scalar(1, "<I"): each.text(0) for each in entries}
    return Signature(table.text(2), table.scalar(4, "<I"), names)


def precision_of(graphs: Sequence[FileGraph]) -> str:
    """int8 where operators compute with quantised values of 8 bits or fewer, or weights are stored so; else by weights.

    A float network that takes or gives pixels converts them at its edges, which counts for nothing.
    """
    for graph in graphs:
        narrow = {at for at, each in enumerate(graph.tensors) if each.quantised and each.dtype in NARROW}
        computes = (set(each.inputs) for each in graph.operators if each.code not in (QUANTIZE, DEQUANTIZE))
        if any(graph.tensors[at].stored for at in narrow) or any(narrow & each for each in computes):
            return "int8"
    weights = {each.dtype for graph in graphs for each in graph.tensors if each.stored}
    return "fp16" if "float16" in weights else "fp32"


def keeps_state(graphs: Sequence[FileGraph]) -> bool:
    """Whether a query leaves something behind for the next: variable tensors, or variables assigned when it runs.

    What CALL_ONCE assigns are weights.
    """
    once = {at for graph in graphs for each in graph.operators if each.code == CALL_ONCE for at in each.calls}
    lasting = [graph for at, graph in enumerate(graphs) if at not in once]
    assigns = any(each.code == ASSIGN_VARIABLE for graph in lasting for each in graph.operators)
    return assigns or any(tensor.variable for graph in lasting for tensor in graph.tensors)


def _graphs(model: Table) -> tuple[FileGraph, ...]:
    codes = [_code(each) for each in model.tables(1)]
    stored = [(each.length(0) or each.scalar(2, "<Q"), each.head(0)) for each in model.tables(4)]
    return tuple(
        FileGraph(
            tuple(_tensor(each, stored) for each in graph.tables(0)),
            graph.ints(1),
            graph.ints(2),
            tuple(_operator(each, codes) for each in graph.tables(3)),
        )
        for graph in model.tables(2)
    )


def _code(table: Table) -> tuple[int, str]:
    """The operator's number, which old files keep in one byte."""
    return max(table.scalar(0, "<b"), table.scalar(3, "<i")), table.text(1)


def _operator(table: Table, codes: list[tuple[int, str]]) -> FileOperator:
    code, custom = codes[table.scalar(0, "<I")]
    options = table.table(4)
    calls = _calls(code, options) if options is not None else ()
    return FileOperator(code, custom, table.ints(1), table.ints(2), calls)


def _calls(code: int, options: Table) -> tuple[int, ...]:
    """IF: then and else; WHILE: condition and body; CALL and CALL_ONCE: the one."""
    fields = {118: 2, 119: 2, 31: 1, CALL_ONCE: 1}.get(code, 0)
    return tuple(options.scalar(number, "<i") for number in range(fields))


def _tensor(table: Table, stored: list[tuple[int, bytes]]) -> FileTensor:
    kind, buffer = table.scalar(1, "<b"), table.scalar(2, "<I")
    dtype, (size, head) = TYPES[kind] if 0 <= kind < len(TYPES) else "unknown", stored[buffer]
    is_whole = WHOLE.get(dtype) == size
    return FileTensor(
        name=table.text(3),
        dtype=dtype,
        shape=table.ints(0),
        signature=table.ints(7) or table.ints(0),
        buffer=buffer,
        stored=size,
        sparse=table.table(6) is not None,
        quantised=(scales := table.table(4)) is not None and bool(scales.ints(2)),
        variable=bool(table.scalar(5, "<b")),
        value=int.from_bytes(head, "little", signed=True) if is_whole else None,
    )
