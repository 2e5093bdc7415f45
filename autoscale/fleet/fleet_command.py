"""``autoscale fleet``: its commands are imported when they are asked for."""

from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from autoscale.command import Command
from autoscale.registry import Registry

COMMANDS: Final = Registry(
    "fleet command",
    {
        "report": "autoscale.fleet.report_command:report_command",
        "serve": "autoscale.fleet.serve_command:serve_command",
        "verify": "autoscale.fleet.verify_command:verify_command",
        "pool": "autoscale.fleet.pool_command:pool_command",
        "export": "autoscale.fleet.export_command:export_command",
        "export-delta": "autoscale.fleet.export_command:export_delta_command",
        "files": "autoscale.fleet.upkeep_command:files_command",
        "retain": "autoscale.fleet.upkeep_command:retain_command",
        "forget": "autoscale.fleet.upkeep_command:forget_command",
    },
    "autoscale.fleet_commands",
)
"""What reads a ledger; what fills one (``collect``, ``readmit``, ``simulate``) comes in by entry points."""


class FleetGroup(TyperGroup):
    """The commands of ``COMMANDS``."""

    # Any: some versions of typer bring their own click, whose types are others.

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return COMMANDS.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them; None where there is none of that name."""
        if cmd_name not in COMMANDS.names():
            return None
        app = typer.Typer(add_completion=False)
        app.command(cmd_name, cls=Command)(COMMANDS.get(cmd_name))
        return get_command(app)


fleet = typer.Typer(help="Collect what the queries of a fleet cost, and account for it.", cls=FleetGroup)


@fleet.callback(no_args_is_help=True)
def _fleet() -> None:
    """Collect what the queries of a fleet cost, and account for it."""
