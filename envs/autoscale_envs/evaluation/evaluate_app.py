"""``autoscale evaluate``, and what is asked of it by a further word."""

from typing import Any

import typer
from typer.core import TyperGroup

from autoscale.command import Command
from autoscale_envs.evaluation.convert_command import convert_command
from autoscale_envs.evaluation.evaluate_command import evaluate

USUAL = "run"


class _RunsByItself(TyperGroup):
    """A group whose usual command need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args and args[0] in self.commands else [USUAL, *args])


app = typer.Typer(cls=_RunsByItself, help="Compare agents with the paper's baselines and with the oracle.")
app.command(USUAL, cls=Command)(evaluate)
app.command("convert", cls=Command)(convert_command)
