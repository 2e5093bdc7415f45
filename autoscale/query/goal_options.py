"""The options of commands that say what a query must achieve."""

from typing import Annotated, TypeAlias

import typer

from autoscale.query.goal import OBJECTIVES

ObjectiveOption: TypeAlias = Annotated[
    str, typer.Option("--objective", help=f"What to spend least of: {', '.join(OBJECTIVES)}.")
]
MinAccuracyOption: TypeAlias = Annotated[
    float | None, typer.Option("--min-accuracy", help="Lowest acceptable accuracy, a fraction.", show_default=False)
]
