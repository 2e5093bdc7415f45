"""Walks a graph in execution order, sub-graphs included, and tallies the work of every node."""

from collections import ChainMap
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, TypeProto

from autoscale.errors import ModelError
from autoscale_runtime.models.inspection.onnx_infer import NodeInference
from autoscale_runtime.models.inspection.onnx_ops import count
from autoscale_runtime.models.inspection.onnx_values import Value, attribute, data_value, label, tensor_value
from autoscale_runtime.models.inspection.report import Tally

# A loop whose shapes change as it runs is followed step by step, but not further than this.
MOST_STEPS = 1000
Scope = ChainMap[str, Value]
Path = tuple[object, ...]


class Walker:
    """Follows one file's graphs.

    Args:
        inference: the shape rules of the file's operator sets.
    """

    def __init__(self, inference: NodeInference) -> None:
        self._inference = inference
        self._control = {"If": self._if, "Loop": self._loop, "Scan": self._scan, "SequenceMap": self._map}

    def walk(
        self, graph: GraphProto, bound: Sequence[Value], outer: Scope, path: Path = ()
    ) -> tuple[list[Value], Tally]:
        """The values of the graph's outputs and the work of one pass.

        Args:
            graph: the main graph or a sub-graph.
            bound: one value for each of the graph's inputs that is no initializer.
            outer: the values of the graphs around it.
            path: where the graph stands; a node's identity is this and its place.

        Raises:
            ModelError: a node reads what nothing before it produces.
        """
        scope, tally = outer.new_child(), Tally()
        for once in self.steps(graph, bound, scope, path):
            tally.merge(once)
        return [_read(scope, each.name, None) for each in graph.output], tally

    def steps(self, graph: GraphProto, bound: Sequence[Value], scope: Scope, path: Path = ()) -> Iterator[Tally]:
        """The work of each node in turn, its outputs in ``scope`` by then; arguments and errors as for ``walk``."""
        for tensor in graph.initializer:
            scope[tensor.name] = self._inference.constant(tensor)
        for sparse in graph.sparse_initializer:
            scope[sparse.values.name] = replace(tensor_value(sparse.values.data_type, tuple(sparse.dims)), static=True)
        scope.update(zip(true_inputs(graph), bound, strict=False))
        for index, node in enumerate(graph.node):
            tally = Tally()
            inputs = [_read(scope, name, node) if name else None for name in node.input]
            scope.update(zip(node.output, self._node(node, inputs, scope, (*path, index), tally), strict=False))
            yield tally

    def _node(self, node: NodeProto, inputs: list[Value | None], scope: Scope, path: Path, tally: Tally) -> list[Value]:
        control = self._control.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if control is not None:
            return control(node, inputs, scope, path, tally)
        outputs = self._inference.outputs(node, inputs)
        count(node, inputs, outputs, path, tally)
        return outputs

    def _if(self, node: NodeProto, inputs: list[Value | None], scope: Scope, path: Path, tally: Tally) -> list[Value]:
        """The branch that the condition selects, else the heavier one."""
        condition = _scalar(inputs[0])
        names = ("then_branch", "else_branch")
        if condition is not None:
            name = names[0] if condition else names[1]
            outputs, chosen = self.walk(attribute(node, name), (), scope, (*path, name))
            tally.merge(chosen)
            return outputs
        walked = [self.walk(attribute(node, name), (), scope, (*path, name)) for name in names]
        macs = [branch.total_macs for _, branch in walked]
        heavier = int(_rank(walked[1][1]) > _rank(walked[0][1]))
        tally.merge(walked[heavier][1])
        if macs[0] != macs[1]:
            tally.notes.append(
                f"{label(node)}: the data choose between {macs[0]} MACs (then) and {macs[1]} (else); "
                f"the {('then', 'else')[heavier]} branch is counted"
            )
        return [each.shapeless() for each in walked[heavier][0]]

    def _loop(self, node: NodeProto, inputs: list[Value | None], scope: Scope, path: Path, tally: Tally) -> list[Value]:
        """All iterations where their number is fixed, else one."""
        body, limit, start = attribute(node, "body"), _scalar(inputs[0]), _scalar(inputs[1], absent=True)
        states = [each for each in inputs[2:] if each is not None]
        if limit == 0 or start is False:
            limit = 0
        counter = tensor_value(TensorProto.INT64, ())
        steady, once = self._iterate(body, counter, [each.shapeless() for each in states], scope, path)
        fixed = limit is not None and start is not None and _repeats(steady, states)
        if not (fixed and not once.uncounted and not once.notes):
            # With the counter known, what was open may be decided: shapes that grow, branches, the end itself.
            open_ended = start is None or (limit is None and inputs[0] is not None)
            too_long = fixed and limit is not None and limit > MOST_STEPS
            steps = None if open_ended or too_long else self._follow(body, limit, states, scope, path)
            if steps is not None:
                outputs, total, trips = steps
                tally.merge(total)
                return _loop_outputs(outputs, len(states), trips)
        times = int(limit) if fixed and limit is not None else None
        if times is None and (once.macs or once.uncounted):
            tally.skip(f"{label(node)}: its trip count is not fixed; one iteration is counted")
        tally.merge(once, 1 if times is None else times)
        return _loop_outputs(steady[1:], len(states), times)

    def _iterate(
        self, body: GraphProto, counter: Value, states: Sequence[Value], scope: Scope, path: Path
    ) -> tuple[list[Value], Tally]:
        going = data_value(np.array(True))
        return self.walk(body, [counter, going, *states], scope, path)

    def _follow(
        self, body: GraphProto, limit: int | bool | None, states: list[Value], scope: Scope, path: Path
    ) -> tuple[list[Value], Tally, int] | None:
        """Step by step with the counter known; None if the data decide when it ends."""
        total, outputs = Tally(), [each.shapeless() for each in states]
        carried = [replace(each, static=False) for each in states]
        for step in range(MOST_STEPS):
            if limit is not None and step >= limit:
                return outputs, total, step
            results, once = self._iterate(body, data_value(np.array(step)), carried, scope, path)
            total.merge(once)
            carried, outputs = results[1 : 1 + len(states)], results[1:]
            going = _scalar(results[0])
            if going is None:
                return None
            if not going:
                return outputs, total, step + 1
        return None

    def _scan(self, node: NodeProto, inputs: list[Value | None], scope: Scope, path: Path, tally: Tally) -> list[Value]:
        """Once per slice of the scanned inputs."""
        body, scanned = attribute(node, "body"), attribute(node, "num_scan_inputs")
        batched = self._inference.opsets.get("", 1) < 9
        values = [each for each in inputs[1 if batched else 0 :] if each is not None]
        kept = len(values) - scanned
        axes = attribute(node, "scan_input_axes") or [0] * scanned
        axes = [1] * scanned if batched else axes
        slices = [_without_axis(each, axis, batched) for each, axis in zip(values[kept:], axes, strict=True)]
        states = [_without_axis(each, 0, False) if batched else each.shapeless() for each in values[:kept]]
        trips = _extent(values[kept], axes[0])
        batch = _extent(values[kept], 0) if batched else 1
        outputs, once = self.walk(body, [*states, *slices], scope, path)
        times = None if trips is None or batch is None else trips * batch
        if times is None:
            tally.skip(f"{label(node)}: its sequence length is unknown; one step is counted")
        tally.merge(once, 1 if times is None else times)
        out_axes = attribute(node, "scan_output_axes") or [0] * (len(outputs) - kept)
        stacked = [_with_axis(each, axis, trips) for each, axis in zip(outputs[kept:], out_axes, strict=True)]
        finals = [each.shapeless() for each in outputs[:kept]]
        return [_with_axis(each, 0, batch) for each in (*finals, *stacked)] if batched else [*finals, *stacked]

    def _map(self, node: NodeProto, inputs: list[Value | None], scope: Scope, path: Path, tally: Tally) -> list[Value]:
        """One element's work; a sequence's length is not in its type."""
        bound = [_element(each) for each in inputs if each is not None]
        outputs, once = self.walk(attribute(node, "body"), bound, scope, path)
        tally.merge(once)
        if once.macs or once.uncounted:
            tally.skip(f"{label(node)}: the length of its sequence is unknown; one element is counted")
        kinds = [TypeProto(sequence_type=TypeProto.Sequence(elem_type=each.type)) for each in outputs]
        return [Value(kind) for kind in kinds]


def true_inputs(graph: GraphProto) -> list[str]:
    """The inputs that a caller must bring: files of IR 3 list their initializers among them."""
    held = {each.name for each in graph.initializer} | {each.values.name for each in graph.sparse_initializer}
    return [each.name for each in graph.input if each.name not in held]


def _read(scope: Scope, name: str, node: NodeProto | None) -> Value:
    if name not in scope:
        reader = "the graph" if node is None else label(node)
        raise ModelError(f"{reader} reads '{name}', which nothing before it produces")
    return scope[name]


def _rank(branch: Tally) -> tuple[int, int, int]:
    """Heavier first by work; a branch with less that could not be counted wins a draw."""
    return branch.total_macs, len(branch.layers), -len(branch.uncounted)


def _scalar(value: Value | None, absent: bool | None = None) -> int | bool | None:
    if value is None:
        return absent
    if value.data is None or value.data.size != 1:
        return None
    found: int | bool = value.data.reshape(()).item()
    return found


def _repeats(results: Sequence[Value], states: Sequence[Value]) -> bool:
    """Whether every iteration is like the first: it goes on, in the same shapes."""
    same = all(
        before.shape is not None and before.shape == after.shape
        for before, after in zip(states, results[1 : 1 + len(states)], strict=True)
    )
    return _scalar(results[0]) is True and same


def _loop_outputs(results: Sequence[Value], states: int, trips: int | None) -> list[Value]:
    finals = [each.shapeless() for each in results[:states]]
    return [*finals, *(_with_axis(each, 0, trips) for each in results[states:])]


def _with_axis(value: Value, axis: int, extent: int | None) -> Value:
    if value.dims is None:
        return value.shapeless()
    dims = list(value.dims)
    dims.insert(axis if axis >= 0 else axis + len(dims) + 1, extent)
    return replace(tensor_value(value.elem_type, tuple(dims)), why=value.why)


def _without_axis(value: Value, axis: int, batched: bool) -> Value:
    if value.dims is None:
        return value.shapeless()
    dims = list(value.dims)
    del dims[axis]
    return replace(tensor_value(value.elem_type, tuple(dims[1:] if batched else dims)), why=value.why)


def _extent(value: Value, axis: int) -> int | None:
    return None if value.dims is None else value.dims[axis]


def _element(value: Value) -> Value:
    if value.type is None or not value.type.HasField("sequence_type"):
        return value.shapeless()
    return Value(value.type.sequence_type.elem_type)
