"""How often a WHILE of a .tflite file runs, where the file fixes that: a counter from one constant to another."""

import math
from typing import Final

from autoscale_runtime.backends.tflite_file import FileGraph, FileOperator

ADD, SUB, CAST, LOGICAL_AND = 0, 41, 53, 86
"""The schema's numbers of operators."""

_COMPARES: Final = {58: (1, False), 63: (1, True), 61: (-1, False), 62: (-1, True)}
"""LESS, LESS_EQUAL, GREATER, GREATER_EQUAL: which way their first operand goes, and whether to the limit itself."""


def trip_count(graphs: tuple[FileGraph, ...], caller: FileGraph, operator: FileOperator) -> int | None:
    """The number of rounds of a WHILE; None where it depends on the data, or is told in a way not known here.

    Args:
        graphs: of the file.
        caller: the graph that holds the WHILE.
        operator: the WHILE, which names its condition and its body.
    """
    loop = _Loop(graphs, caller, operator)
    return loop.rounds(loop.condition.outputs[0])


class _Loop:
    """A loop's variables: what they begin with, and what a round makes of them."""

    def __init__(self, graphs: tuple[FileGraph, ...], caller: FileGraph, operator: FileOperator) -> None:
        self.condition, self.body = (graphs[each] for each in operator.calls)
        self._first = [caller.tensors[at].value if at >= 0 else None for at in operator.inputs]

    def rounds(self, tensor: int) -> int | None:
        """Until this tensor of the condition is false; of several that must hold, the first decides."""
        maker = _maker(self.condition, tensor)
        if maker is None:
            return None
        if maker.code == LOGICAL_AND:
            both = [self.rounds(each) for each in maker.inputs]
            known = [each for each in both if each is not None]
            return min(known) if len(known) == len(both) else None
        if maker.code not in _COMPARES:
            return None
        direction, is_inclusive = _COMPARES[maker.code]
        counter, limit = _variable(self.condition, maker.inputs[0]), self._constant(maker.inputs[1])
        start = None if counter is None else self._first[counter]
        step = None if counter is None else self._step(counter)
        if start is None or limit is None or step is None or step * direction <= 0:
            return None
        distance = (limit - start) / step
        return max(0, math.floor(distance) + 1 if is_inclusive else math.ceil(distance))

    def _constant(self, tensor: int) -> int | None:
        """The value of a tensor of the condition that no round changes."""
        value = self.condition.tensors[tensor].value
        variable = _variable(self.condition, tensor)
        if value is not None or variable is None:
            return value
        is_kept = _variable(self.body, self.body.outputs[variable]) == variable
        return self._first[variable] if is_kept else None

    def _step(self, variable: int) -> int | None:
        """What a round adds to a variable."""
        maker = _maker(self.body, self.body.outputs[variable])
        if maker is None or maker.code not in (ADD, SUB):
            return None
        sign = 1 if maker.code == ADD else -1
        orders = [maker.inputs, maker.inputs[::-1]] if maker.code == ADD else [maker.inputs]
        for own, other in orders:
            value = self.body.tensors[other].value
            if value is not None and _variable(self.body, own) == variable:
                return sign * value
        return None


def _maker(graph: FileGraph, tensor: int) -> FileOperator | None:
    """The operator whose answer a tensor is, casts passed over."""
    maker = next((each for each in graph.operators if tensor in each.outputs), None)
    return _maker(graph, maker.inputs[0]) if maker is not None and maker.code == CAST else maker


def _variable(graph: FileGraph, tensor: int) -> int | None:
    """Which input of its graph a tensor is, casts passed over."""
    if tensor in graph.inputs:
        return graph.inputs.index(tensor)
    maker = next((each for each in graph.operators if tensor in each.outputs), None)
    return _variable(graph, maker.inputs[0]) if maker is not None and maker.code == CAST else None
