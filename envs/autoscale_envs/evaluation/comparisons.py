"""The two comparisons there are: in the simulator, and in tables of measurements."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from rich.console import Console

from autoscale.errors import InvalidInput, listing
from autoscale_envs.evaluation import display
from autoscale_envs.evaluation.contestants import check_contestants
from autoscale_envs.evaluation.measured_plan import MeasuredPlan
from autoscale_envs.evaluation.measured_report import measured_rows
from autoscale_envs.evaluation.measured_run import measured_run
from autoscale_envs.evaluation.picture import draw
from autoscale_envs.evaluation.plan import Plan
from autoscale_envs.evaluation.report import Row, rows, summary
from autoscale_envs.evaluation.rollout import rollout
from autoscale_envs.measured.contestants import played_elsewhere
from autoscale_envs.measured.table import MeasuredTable

Results = Mapping[Any, Any]
TOLD: Final = 8
"""Networks that a line names."""
HEADLINERS: Final = ("opt", "q-learning", "q-learning-greedy", "corrector")


class Comparison(Protocol):
    """What can be computed cell by cell, put together and shown."""

    def cells(self) -> Sequence[Any]:
        """What is to be computed."""

    def work(self) -> Callable[[Any], Any]:
        """Computes one; it can be pickled."""

    def rows(self, results: Results) -> list[Row]:
        """The rows that are finished."""

    def tell(self, console: Console, results: Results, took_s: float) -> None:
        """Show what is finished."""

    def draw(self, results: Results, path: Path) -> None:
        """Write a picture of it."""


class SimulatedComparison:
    """Agents on simulated devices.

    Args:
        plan: which, and how long.

    Raises:
        AutoScaleError: a contestant that cannot be made.
    """

    def __init__(self, plan: Plan) -> None:
        check_contestants(plan)
        self.plan = plan

    def cells(self) -> Sequence[Any]:
        """Device, scenario, network."""
        return self.plan.cells()

    def work(self) -> Callable[[Any], Any]:
        """Every contestant's runs in one."""
        return partial(rollout, self.plan)

    def rows(self, results: Results) -> list[Row]:
        """A row for each device and scenario."""
        return rows(self.plan, results)

    def draw(self, results: Results, path: Path) -> None:
        """Who does how well, how often it was right, how soon a learner settles."""
        draw(summary(results), results, self.plan.warm_up, path)

    def tell(self, console: Console, results: Results, took_s: float) -> None:
        """The tables, beside the paper's figures."""
        plan, made, agents = self.plan, self.rows(results), summary(results)
        for row in made if len(made) > 1 else ():
            self._compare(console, f"{row['device']}, {row['scenario']}", row["agents"])
        if not agents:
            return
        where = f"{len(plan.devices)} devices x {len(plan.scenarios)} scenarios x {len(plan.networks)} networks"
        if len(results) < len(plan.cells()):  # it was interrupted
            where = f"{len(results)} finished cells of {len(plan.cells())}"
        self._compare(console, f"mean over {where} x {plan.seeds} seeds", agents)
        console.print(display.sureness(agents))
        headliners = [name for name in (*HEADLINERS, *plan.policies) if name in agents]
        console.print(display.beside_paper(agents, headliners))
        console.print(display.LEGEND, highlight=False)
        if display.has_change(agents):
            console.print(display.CHANGE_LEGEND, highlight=False)
        console.print(
            f"{plan.queries} queries {'of each network, all in turn' if plan.in_turn else 'a run'}, "
            f"the last {plan.queries - plan.warm_up} judged; "
            f"hidden sigma {plan.hidden_sigma:g}, noise {'on' if plan.noisy else 'off'}; {took_s:.0f} s",
            highlight=False,
        )

    def _compare(self, console: Console, title: str, agents: Mapping[str, display.Figures]) -> None:
        console.print(display.comparison(title, agents))
        if display.has_change(agents):
            console.print(display.after_change(title, agents))


class MeasuredComparison:
    """Agents in tables of measurements.

    Args:
        plan: which tables, and how long.
    """

    def __init__(self, plan: MeasuredPlan) -> None:
        self.plan = plan

    def cells(self) -> Sequence[Any]:
        """Device, run."""
        return self.plan.cells()

    def work(self) -> Callable[[Any], Any]:
        """Every contestant in one."""
        return partial(measured_run, self.plan)

    def rows(self, results: Results) -> list[Row]:
        """A row for each device."""
        return measured_rows(self.plan, results)

    def draw(self, results: Results, path: Path) -> None:
        """There is no picture of a measured world.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("a picture is of the simulator; --measured has none")

    def tell(self, console: Console, results: Results, took_s: float) -> None:
        """A table for each device."""
        plan = self.plan
        for row in self.rows(results):
            frugal = f"the fastest target is the most frugal of {row['fastest_is_frugal_fraction']:.0%} of them"
            title = f"{row['device']}: {len(row['networks'])} networks, {len(row['targets'])} targets; {frugal}"
            console.print(display.measured(title, row["agents"]))
            if plan.noisy and (count := row["rows_p90_not_played"]):
                console.print(
                    f"{count} of {row['rows']} rows: {display.P90_NOT_PLAYED}", highlight=False, soft_wrap=True
                )
            for name in row["agents"]:
                self._tell_missing(console, name, plan.tables[row["device"]])
        console.print(display.MEASURED_LEGEND, highlight=False)
        told = "nothing" if plan.profile is None else f"the physics of {plan.profile.name}"
        console.print(
            f"{plan.queries} queries of each network, judged from the {plan.warm_up + 1}. on, {plan.seeds} seeds; "
            f"agents are told {told}; noise {'on' if plan.noisy else 'off'}; {took_s:.0f} s",
            highlight=False,
        )

    def _tell_missing(self, console: Console, name: str, table: MeasuredTable) -> None:
        """Whose networks ``engine:NAME`` plays on another runtime; the rows tell how many of all."""
        if missing := played_elsewhere(name, table):
            console.print(
                f"{name} has no row of {len(missing)} of {len(table.networks)} networks, and plays the fastest target "
                f"there: {listing(missing[:TOLD])}{', ...' * (len(missing) > TOLD)}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
