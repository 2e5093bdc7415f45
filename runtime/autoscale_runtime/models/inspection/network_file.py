"""What was counted of a model's file as a network of the simulator."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from autoscale.errors import InvalidInput
from autoscale.files import write_file
from autoscale.profiles.model_profile_codec import network_text
from autoscale.query.model_profile import NetworkCut
from autoscale_runtime.models.inspection.report import Inspection, TensorInfo
from autoscale_runtime.models.variant import digest


def check_network_file(path: Path | None) -> None:
    """Refuse what is no network's file.

    Raises:
        InvalidInput: a name that does not end in .toml.
    """
    if path is not None and path.suffix != ".toml":
        raise InvalidInput(f"--network is '{path}'; allowed: a file that ends in .toml")


def write_network(path: Path, model: Path, report: Inspection, cuts: Sequence[NetworkCut] = ()) -> None:
    """The network is called as its file; what its counts rest on is its source.

    Raises:
        InvalidInput: it cannot be written.
    """
    shapes = ", ".join(described(each) for each in report.inputs)
    source = f"counted by autoscale inspect from {model.name}, SHA-256 {digest([model])}, with {shapes}"
    source = "; ".join([source, *report.notes, *(f"not in it: {each}" for each in report.uncounted)])
    try:
        write_file(path, network_text(replace(report.profile(path.stem), cuts=tuple(cuts)), source))
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be written: {error.strerror}") from error
    for each in report.uncounted:
        typer.echo(f"not in {path}: {each}", err=True)
    told = f", {len(cuts)} cuts" if cuts else ""
    typer.echo(f"wrote {path}: network '{path.stem}', {report.macs:,} MACs{told}, without accuracies", err=True)


def described(tensor: TensorInfo) -> str:
    """A tensor in a line: its name, type, shape and bytes."""
    shape = "x".join("?" if each is None else str(each) for each in tensor.shape) or "scalar"
    size = "open size" if tensor.bytes is None else f"{tensor.bytes:,} bytes"
    return f"{tensor.name}: {tensor.dtype}[{shape}], {size}"
