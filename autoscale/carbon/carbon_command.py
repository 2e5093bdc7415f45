"""``autoscale carbon``: how clean electricity is where and when, and what making a machine emitted."""

import typer

from autoscale.carbon.footprint_command import footprint
from autoscale.carbon.intensity_command import intensity
from autoscale.command import Command

carbon = typer.Typer(
    help="Look up the carbon behind an account: of electricity, and embodied in machines.", no_args_is_help=True
)
carbon.command("intensity", cls=Command)(intensity)
carbon.command("footprint", cls=Command)(footprint)
