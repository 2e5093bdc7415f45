"""The command ``autoscale prepare``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from autoscale.command import JsonOption, print_json
from autoscale_runtime.models.bare_model import name_of
from autoscale_runtime.models.preparation.prepare import Prepared, prepare
from autoscale_runtime.models.preparation.work import VariantResult
from autoscale_runtime.models.state import parse_state


def command(
    model: Annotated[Path, typer.Argument(help="An fp32 .onnx file; one of another format is bundled as it is.")],
    calibrate: Annotated[
        Path,
        typer.Option(
            help="Samples: a .npz with one array an input, stacked along a leading axis; "
            "a .npy for a single input; or a folder of .npz files, one a sample, for shapes that vary."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="The class of each sample, as an integer .npy or as text; without it, agreement with fp32."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder; by default the model's name.")] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="OUT=IN, once a state: an output that is fed back as an input of the next query. "
            "Without it, found where names and shapes leave no doubt."
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="fp16 or int8: keep that variant though it is neither smaller nor faster than fp32."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the int8 and fp16 variants of a model, measure them, and write a bundle.

    Half the samples (at most 128, spread evenly) set the ranges of int8; the others measure every variant. What a step
    of the conversion changes is done otherwise, and said. A network with state is judged along a stream of 400 queries.

    For example, a classifier of 28 x 28 images with 200 samples in an array named like its input:

        autoscale prepare digits.onnx --calibrate digits.npz --labels digits.csv --out digits
    """
    folder = out or Path(name_of(model))
    with Console(stderr=True).status("reading") as status:
        told = parse_state(state) if state else None
        prepared = prepare(model, calibrate, labels, folder, status.update, state=told, keep=keep or ())
    if as_json:
        print_json(_document(prepared, folder))
    else:
        _show(prepared, folder)


def _document(prepared: Prepared, folder: Path) -> dict[str, Any]:
    return {
        "bundle": str(folder),
        "calibrated_on": prepared.calibrated_on,
        "evaluated_on": prepared.evaluated_on,
        "variants": {row.precision: _variant(row) for row in prepared.rows},
        "left_out": prepared.left_out,
        "state": dict(prepared.state),
    }


def _variant(row: VariantResult) -> dict[str, Any]:
    return {
        "size_bytes": row.size_bytes,
        "latency_s": row.latency_s,
        "accuracy": row.accuracy.value,
        "accuracy_source": row.accuracy.source,
        "note": row.note,
        "is_kept": row.is_kept,
    }


def _show(prepared: Prepared, folder: Path) -> None:
    console = Console()
    table = Table("precision", "size MB", "1 thread ms", "accuracy", "made")
    for row in prepared.rows:
        table.add_row(
            row.precision,
            f"{row.size_bytes / 1e6:.2f}",
            f"{row.latency_s * 1e3:.2f}",
            f"{row.accuracy.value:.4f}",
            row.note if row.is_kept else f"{row.note} (not kept)".strip(),
        )
    console.print(table)
    console.print(f"accuracy: {prepared.rows[0].accuracy.source}; other {prepared.calibrated_on} calibrated int8")
    for out, into in prepared.state.items():
        console.print(f"state: {out} is fed back to {into}", markup=False)
    for precision, reason in prepared.left_out.items():
        console.print(f"{precision} left out: {reason}", markup=False)
    console.print(f"bundle written to {folder}", markup=False)
