"""Computes a comparison, shows how far it is, and writes what is finished, whatever ends it."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autoscale.errors import InvalidInput
from autoscale.files import check_writable
from autoscale_envs.evaluation import pool
from autoscale_envs.evaluation.comparisons import Comparison
from autoscale_envs.evaluation.picture import check_drawable
from autoscale_envs.evaluation.report import to_json, write_csv, write_json
from autoscale_envs.progress import INTERRUPTED

STANDARD_OUTPUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the rows go: a JSON file (``-`` prints them), a table, a picture; each may be left out."""

    json: Path | None = None
    csv: Path | None = None
    plot: Path | None = None

    def files(self) -> list[Path]:
        """All that are given."""
        return [each for each in (self.json, self.csv, self.plot) if each is not None]

    def check(self) -> None:
        """Whether all can be written, before the long run.

        Raises:
            OSError: one cannot.
            MissingExtra: what draws is not installed.
        """
        for path in self.files():
            if path != STANDARD_OUTPUT:
                check_writable(path)
        if self.plot is not None:
            check_drawable()


def run(comparison: Comparison, outputs: Outputs, jobs: int | None, address: str | None, *, ray: bool) -> None:
    """Compare, and tell people and machines.

    Raises:
        InvalidInput: an address without a cluster.
        OSError: an output cannot be written; nothing has run.
        Exit: with status 130 after Ctrl-C; what was finished is written.
    """
    outputs.check()
    finished = _engine(comparison, jobs, address, ray)
    console = Console(stderr=outputs.json == STANDARD_OUTPUT)
    start_s = time.monotonic()
    results, problem = collect(finished, comparison.cells())
    rows = comparison.rows(results)
    if rows or problem is None:
        _write(comparison, results, outputs)
    comparison.tell(console, results, time.monotonic() - start_s)
    if problem is not None:
        files = [str(each) for each in outputs.files() if rows]
        kept = f"interrupted: {len(rows)} finished rows kept{' in ' * bool(files)}{', '.join(files)}"
        console.print(kept, highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) if isinstance(problem, KeyboardInterrupt) else problem


def collect(finished: pool.Finished[Any, Any], cells: Sequence[Any]) -> tuple[dict[Any, Any], BaseException | None]:
    """All results, and what kept it from the end: Ctrl-C, or an error."""
    results: dict[Any, Any] = {}
    columns = (
        TextColumn("{task.description:<36}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        with _ctrl_c() as pressed, Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("evaluating", total=len(cells))
            for cell, result in finished:
                results[cell] = result
                progress.update(bar, advance=1, description=" ".join(cell))
                if pressed.is_set():
                    return results, KeyboardInterrupt()
    except BaseException as problem:  # whatever it is, hours of finished work must not go with it
        return results, problem
    finally:
        finished.close()
    return results, None


def _engine(comparison: Comparison, jobs: int | None, address: str | None, ray: bool) -> pool.Finished[Any, Any]:
    if address is not None and not ray:
        raise InvalidInput(f"unexpected argument '{address}'; an address is allowed with --ray only")
    work, cells = comparison.work(), comparison.cells()
    if ray:
        return pool.ray(work, cells, address or "auto")
    return pool.local(work, cells, (os.cpu_count() or 1) if jobs is None else jobs)


@contextmanager
def _ctrl_c() -> Iterator[Event]:
    """Whether Ctrl-C was pressed; pressed again, it ends everything at once.

    Asked between cells, because an exception out of nowhere may fall where Python drops it (a finaliser, a callback).
    """
    pressed = Event()

    def first(*_: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, first)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, previous)


def _write(comparison: Comparison, results: dict[Any, Any], outputs: Outputs) -> None:
    rows = comparison.rows(results)
    if outputs.json == STANDARD_OUTPUT:
        print(to_json(rows))
    elif outputs.json is not None:
        write_json(rows, outputs.json)
    if outputs.csv is not None:
        write_csv(rows, outputs.csv)
    if outputs.plot is not None and results:
        comparison.draw(results, outputs.plot)
