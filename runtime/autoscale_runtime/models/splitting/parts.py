"""The head and the tail of a cut as two ONNX files, whose composition answers as the whole does."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import ModelProto, NodeProto, TypeProto, ValueInfoProto, helper, inliner

from autoscale.errors import ModelError
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.inspection.onnx_walk import true_inputs
from autoscale_runtime.models.preparation.convert import save
from autoscale_runtime.models.splitting.cuts import Cut, CutModel, reads_of
from autoscale_runtime.models.splitting.split_model import HEAD, TAIL, SplitModel
from autoscale_runtime.models.variant import Variant


def write_parts(path: Path, cut: Cut, head: Path, tail: Path) -> None:
    """Write both parts; a shape that the file leaves open stays open.

    Args:
        path: the whole, with its weights.
        cut: one that ``find_cuts`` found in it.
        head: where to write what runs first: it takes the network's inputs, gives what crosses, and those of the
            network's outputs that it makes.
        tail: where to write the rest: it takes what crosses and gives the network's other outputs.

    Raises:
        OSError: a file cannot be read or written.
    """
    whole = onnx.load(path)
    if whole.functions:
        whole = inliner.inline_local_functions(whole)
    graph, is_open = whole.graph, _is_open(whole)
    first, rest = list(graph.node[: cut.after]), list(graph.node[cut.after :])
    made_first = {name for node in first for name in node.output}
    by_name = {each.name: each for each in graph.input}
    given = [by_name[name] for name in true_inputs(graph)]
    crossing = [by_name.get(name) or _declared(name, kind, is_open) for name, kind in cut.types.items()]
    early = [each for each in graph.output if each.name in made_first or each.name in by_name]
    later = [each for each in graph.output if each not in early]
    sent = [each for each in crossing if each.name in made_first and each.name not in {each.name for each in early}]
    save(_part(whole, first, given, [*sent, *early]), head)
    constant = [node for node in first if not _crosses(node, cut)]
    save(_part(whole, [*constant, *rest], crossing, later), tail)


def write_split(model: CutModel, cut: Cut, precision: str, folder: Path) -> SplitModel:
    """Cut a file and write both parts as bundles.

    Args:
        model: the file.
        cut: one of its cuts.
        precision: of the file.
        folder: new, empty, or one that a split wrote.

    Raises:
        ModelError: something else is in the folder, or the disk does not take it.
    """
    _check(folder)
    with TemporaryDirectory() as made:
        files = {name: Path(made) / name / f"{precision}.onnx" for name in (HEAD, TAIL)}
        for each in files.values():
            each.parent.mkdir()
        try:
            write_parts(model.path, cut, files[HEAD], files[TAIL])
        except OSError as error:
            raise ModelError(f"'{model.path}' cannot be cut: {error.strerror or error}") from error
        for name, profile in ((HEAD, cut.head), (TAIL, cut.tail)):
            bare = Bundle.read(files[name])
            variants = (Variant(precision, files[name]),)
            replace(bare, name=profile.name, profile=profile, variants=variants, state={}).write(folder / name)
    return SplitModel.read(folder)


def _crosses(node: NodeProto, cut: Cut) -> bool:
    return any(name in cut.types for name in node.output)


def _part(
    whole: ModelProto, nodes: Sequence[NodeProto], inputs: Iterable[ValueInfoProto], outputs: Sequence[ValueInfoProto]
) -> ModelProto:
    """Of the nodes those that the outputs need, with the weights that these read."""
    needed, kept = {each.name for each in outputs}, []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed |= reads_of(node)
    graph = helper.make_graph(
        kept[::-1],
        whole.graph.name,
        [each for each in inputs if each.name in needed],
        outputs,
        [each for each in whole.graph.initializer if each.name in needed],
        sparse_initializer=[each for each in whole.graph.sparse_initializer if each.values.name in needed],
    )
    part = helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version)
    part.producer_name = "autoscale split"
    return part


def _declared(name: str, kind: TypeProto, is_open: bool) -> ValueInfoProto:
    """A tensor that crosses, with its shape where the file's own inputs have theirs, else with its rank alone."""
    tensor = kind.tensor_type
    shape = [None if is_open else each.dim_value for each in tensor.shape.dim]
    return helper.make_tensor_value_info(name, tensor.elem_type, shape)


def _is_open(whole: ModelProto) -> bool:
    inputs = [each for each in whole.graph.input if each.name in true_inputs(whole.graph)]
    return any(not dim.HasField("dim_value") for each in inputs for dim in each.type.tensor_type.shape.dim)


def _check(folder: Path) -> None:
    found = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    if found - {HEAD, TAIL} or folder.is_file():
        raise ModelError(f"'{folder}' holds something else; allowed: a new or empty folder, or a split to replace")
