"""The option of commands that name the shapes of a model's inputs."""

from typing import Annotated, TypeAlias

import typer

ShapesOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--shape", help="Shape of an input with open dimensions, NAME=DIMS; may be repeated."),
]
"""For ``parse_shapes``."""
