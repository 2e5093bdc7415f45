"""``autoscale inspect``: what a model file says of its network."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt
from rich.table import Table

from autoscale.command import JsonOption, print_json
from autoscale.errors import FeedError
from autoscale.query.model_profile import LAYER_KINDS
from autoscale_runtime.models.inspection.entry import inspect
from autoscale_runtime.models.inspection.inputs import OpenInput, Shape, parse_shape, parse_shapes
from autoscale_runtime.models.inspection.network_file import check_network_file, described, write_network
from autoscale_runtime.models.inspection.report import Inspection
from autoscale_runtime.models.inspection.shape_option import ShapesOption


def inspect_command(
    model: Annotated[Path, typer.Argument(help="An .onnx or .tflite file.")],
    shape: ShapesOption = None,
    as_json: JsonOption = False,
    network: Annotated[
        Path | None,
        typer.Option(help="Also write FILE.toml, a network that the simulator takes under --networks.", metavar="FILE"),
    ] = None,
) -> None:
    """Count a network's layers, MACs, parameters and bytes in and out, without training data or a run.

    A MAC is one multiply-accumulate of a convolution, matrix product or recurrent layer; biases, element-wise
    operators, pooling and normalisation have none. A MatMul with a weight is a fully connected layer; a MatMul of
    two activations counts its MACs but is no layer. Depthwise convolutions (a group per input channel) are
    counted apart. An If counts the branch its condition fixes, else the heavier; a Loop counts its fixed trip
    count, else once. Parameters are trained values, in the file's precision.

    Whatever cannot be counted is named under 'uncounted'.

    Example: autoscale inspect resnet50.onnx --shape input=1x3x224x224 --json

    With --network the same counts become a network of the simulator, so that a policy is trained for the model that a
    device runs. Other layers and the values moved to and from memory are in it too.

    Example: autoscale inspect resnet50.onnx --network mine.toml && autoscale train --networks mine.toml --out p.npz
    """
    check_network_file(network)
    report = inspect(model, parse_shapes(shape or []), ask_for_shape if sys.stdin.isatty() else None)
    if network is not None:
        write_network(network, model, report)
    if as_json:
        _print_notes(report)
        print_json(report.to_json())
    else:
        _print_table(model, report)


def ask_for_shape(declared: OpenInput) -> Shape:
    """Ask the person at the terminal, until the answer is a shape."""
    console = Console(stderr=True)
    example = declared.example.rpartition("=")[2]
    while True:
        answer = Prompt.ask(escape(f"Shape of input {declared}"), console=console, default=example)
        try:
            return parse_shape(f"{declared.name}={answer}")[1]
        except FeedError as error:
            console.print(str(error), markup=False)


def _print_notes(report: Inspection) -> None:
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)


def _print_table(model: Path, report: Inspection) -> None:
    console = Console(highlight=False)
    table = Table("", "layers", "MACs", title=model.name)
    for column in table.columns[1:]:
        column.justify = "right"
    for kind in LAYER_KINDS:
        table.add_row(kind.replace("_", " "), str(getattr(report, kind)), f"{report.macs_by_kind[kind]:,}")
    table.add_section()
    table.add_row("all", "", f"{report.macs:,}")
    console.print(table)
    console.print(f"parameters: {report.parameters:,} in {report.parameter_bytes:,} bytes")
    for what, tensors in (("input", report.inputs), ("output", report.outputs)):
        for each in tensors:
            console.print(f"{what}: {described(each)}", markup=False)
    for missing in report.uncounted:
        console.print(f"uncounted: {missing}", markup=False)
    _print_notes(report)
