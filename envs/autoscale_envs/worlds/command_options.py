"""The options of commands that say what a simulated world is like."""

from typing import Annotated, TypeAlias

import typer

HiddenSigmaOption: TypeAlias = Annotated[
    float,
    typer.Option("--hidden-sigma", help="How far a device is from its profile: standard deviation of ln(factor)."),
]
ColdStartOption: TypeAlias = Annotated[
    bool, typer.Option("--cold-start", help="A network's first query on a target of the device opens it, and pays.")
]
SplitsOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--splits",
        help="Networks whose files tell of cuts ('autoscale split --network') have targets in two parts too.",
    ),
]
