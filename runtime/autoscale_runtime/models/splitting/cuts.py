"""Where a network can be cut in two, and what each cut costs: the work on either side, the bytes that cross.

A cut is a place in the file's order of nodes: what stands before it is the head, the rest the tail. Of the places with
as many layers before them, the one that the fewest bytes cross is taken. What follows from the file's constants alone
is in whichever part needs it, and crosses nothing.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final

from autoscale.errors import ModelError, UnsupportedModel, listing
from autoscale.extras import needed
from autoscale.query.model_profile import ModelProfile, NetworkCut
from autoscale_runtime.models.bare_model import name_of
from autoscale_runtime.models.inspection.entry import NO_SHAPES
from autoscale_runtime.models.inspection.inputs import Ask, Shape
from autoscale_runtime.models.inspection.onnx_model import OpenedModel, open_model, tensor_info
from autoscale_runtime.models.inspection.onnx_values import Value, label
from autoscale_runtime.models.inspection.report import Inspection, Tally, TensorInfo, Weights

with needed("onnx", "prepare", "cutting a network in two"):
    from onnx import GraphProto, NodeProto, TypeProto

MOVABLE: Final = ("bool", "float16", "float32", "float64")
INTEGERS: Final = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
"""What the Open Inference Protocol takes, and what a runner gives; text is left out: its size is not known ahead."""


@dataclass(frozen=True, slots=True)
class Cut(NetworkCut):
    """A place to cut a file.

    Attributes:
        node: the last of the head's nodes, as a message names it.
        crossing: what the tail is sent, the network's own inputs among them where it reads these.
        types: ONNX's types of those, by name.
    """

    node: str
    crossing: tuple[TensorInfo, ...]
    types: Mapping[str, TypeProto]


@dataclass(frozen=True, slots=True)
class CutModel:
    """A file and its cuts.

    Attributes:
        path: the file.
        whole: its counts, with those of its cuts; without parameters.
        cuts: from the first layer to the last but one.
        notes: what was assumed.
        uncounted: what is missing from the counts, and why.
    """

    path: Path
    whole: ModelProfile
    cuts: tuple[Cut, ...]
    notes: tuple[str, ...]
    uncounted: tuple[str, ...]

    def at(self, after: int) -> Cut:
        """The cut after so many nodes.

        Raises:
            ModelError: there is none.
        """
        for each in self.cuts:
            if each.after == after:
                return each
        allowed = listing([each.after for each in self.cuts]) or "none: it cannot be cut"
        raise ModelError(f"'{self.path}' is not cut after {after} nodes; allowed: {allowed}")


def find_cuts(path: Path, shapes: Mapping[str, Shape] = NO_SHAPES, ask: Ask | None = None) -> CutModel:
    """Count a file on both sides of every cut; nothing is run.

    Args:
        path: an ``.onnx`` file; external data may be missing.
        shapes: input name to shape, for inputs with open dimensions.
        ask: called for an input whose shape is still open; without it that is an error.

    Raises:
        ModelError: not an ONNX model, or a broken graph.
        UnsupportedModel: a file in another format.
        FeedError: a shape is missing or does not fit.
    """
    if not path.is_file():
        raise ModelError(f"'{path}' is {'a folder' if path.is_dir() else 'missing'}; allowed: a model file")
    if path.suffix.lower() != ".onnx":
        raise UnsupportedModel(f"'{path}' cannot be cut; allowed: an .onnx file")
    opened = open_model(path, shapes, ask)
    scope: ChainMap[str, Value] = ChainMap()
    tallies = list(opened.walker.steps(opened.model.graph, list(opened.inputs.values()), scope))
    graph, total = opened.model.graph, Tally(notes=list(opened.notes))
    for each in tallies:
        total.merge(each)
    outputs = [tensor_info(each.name, scope[each.name]) for each in graph.output if each.name in scope]
    given = [tensor_info(*each) for each in opened.inputs.items()]
    whole = _profile(name_of(path), total, given, outputs)
    cuts = tuple(_least(_cuts(name_of(path), opened, scope, tallies, outputs)))
    plain = tuple(NetworkCut(each.after, each.head, each.tail) for each in cuts)
    return CutModel(path, replace(whole, cuts=plain), cuts, tuple(total.notes), tuple(total.uncounted))


def reads_of(node: NodeProto) -> set[str]:
    """The names that a node reads, those that its sub-graphs take from around them included."""
    names = {name for name in node.input if name}
    for each in node.attribute:
        for graph in ([each.g] if each.HasField("g") else []) + list(each.graphs):
            names |= free_names(graph)
    return names


def free_names(graph: GraphProto) -> set[str]:
    """The names that a sub-graph reads and does not define."""
    own = {each.name for each in graph.input} | {each.name for each in graph.initializer}
    own |= {each.values.name for each in graph.sparse_initializer}
    own |= {name for node in graph.node for name in node.output}
    read = {each.name for each in graph.output}.union(*(reads_of(node) for node in graph.node))
    return read - own


def _cuts(
    name: str,
    opened: OpenedModel,
    scope: Mapping[str, Value],
    tallies: Sequence[Tally],
    outputs: Sequence[TensorInfo],
) -> Iterator[Cut]:
    """One after each node where something that can be sent crosses, with layers on either side."""
    graph = opened.model.graph
    made_at = {name: -1 for name in opened.inputs}
    made_at |= {each: i for i, node in enumerate(graph.node) for each in node.output if each}
    made_at = {each: i for each, i in made_at.items() if each in scope and not scope[each].static}
    last_read = {each: i for i, node in enumerate(graph.node) for each in reads_of(node)}
    tails = _tails(tallies, outputs, made_at)
    head = Tally()
    for index, node in enumerate(graph.node[:-1]):
        head.merge(tallies[index])
        crossing = [each for each, at in made_at.items() if at <= index < last_read.get(each, -1)]
        infos = [tensor_info(each, scope[each]) for each in crossing]
        is_fed = any(made_at[each] >= 0 for each in crossing)  # else the head's work is for nothing in the tail
        if not (is_fed and head.layers and index + 1 in tails and all(map(_is_movable, infos))):
            continue
        types = {each: scope[each].type for each in crossing}
        yield Cut(
            index + 1,
            _profile(f"{name}-head{index + 1}", head, [tensor_info(*each) for each in opened.inputs.items()], infos),
            replace(tails[index + 1], inputs=tuple(infos)).profile(f"{name}-tail{index + 1}"),
            label(node),
            tuple(infos),
            {each: kind for each, kind in types.items() if kind is not None},
        )


def _tails(
    tallies: Sequence[Tally], outputs: Sequence[TensorInfo], made_at: Mapping[str, int]
) -> dict[int, Inspection]:
    """The work from each node to the end, and which of the network's outputs come of it; where there are layers."""
    total, found = Tally(), {}
    for index in range(len(tallies) - 1, 0, -1):
        total.merge(tallies[index])
        own = [each for each in outputs if made_at.get(each.name, len(tallies)) >= index]
        if total.layers:
            found[index] = Inspection.of(total, Weights(), (), own)
    return found


def _least(cuts: Iterator[Cut]) -> Iterator[Cut]:
    """Of cuts with the same layers before them the one that the fewest bytes cross, the last of equals."""
    for _, alike in groupby(cuts, key=lambda each: _layers(each.head)):
        yield min(reversed(list(alike)), key=lambda each: each.crossing_bytes)


def _layers(profile: ModelProfile) -> tuple[int, ...]:
    return profile.conv, profile.depthwise_conv, profile.fully_connected, profile.recurrent, profile.other


def _is_movable(info: TensorInfo) -> bool:
    return info.bytes is not None and info.dtype in (*MOVABLE, *INTEGERS)


def _profile(name: str, tally: Tally, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> ModelProfile:
    return Inspection.of(tally, Weights(), inputs, outputs).profile(name)
