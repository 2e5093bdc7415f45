"""From a plan to a ledger, a day at a time: one thread makes the next rows while another writes the last ones.

Each block of devices has its own random numbers for each day, so that records depend on the plan alone, not on how many
rows are written at once.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.errors import InvalidInput
from autoscale.files import write_file
from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.rows import Rows, Texts, joined
from autoscale.fleet.ledger.store import Ledger
from autoscale_envs.fleet.assumptions import FILE, printed
from autoscale_envs.fleet.plan import FleetPlan
from autoscale_envs.fleet.population import Cohort, make_cohorts, people
from autoscale_envs.fleet.rows import day_rows
from autoscale_envs.fleet.sessions import QUERIES, simulate_day

ROWS: Final = 1 << 19
"""About so many are written at once; a few times as many are in memory."""

SESSIONS: Final = 2048
"""About so many a day has a block: enough to pay for a call of numpy, few enough for a core's cache."""

MOST_DEVICES: Final = 1 << 14
"""In a block."""

NAMES: Final = ("device_id", "log_id", "session_id")

Report = Callable[[int], bool]
"""Called with the records written so far; whether to go on."""


class DayRows:
    """Some devices of a cohort, and how many rows their logs have.

    Args:
        plan: of the fleet.
        cohort: whose the devices are.
        number: of the block in its cohort.
        devices: how many.
    """

    def __init__(self, plan: FleetPlan, cohort: Cohort, number: int, devices: int) -> None:
        self._plan, self._cohort, self._number = plan, cohort, number
        self._rows = np.zeros(devices, np.int64)

    def day(self, number: int) -> Rows:
        """The rows of a day; days come in their order."""
        plan, cohort = self._plan, self._cohort
        parameters = cohort.parameters
        own = people(self._generator(0), len(self._rows), parameters)
        generator = self._generator(1 + number)
        day = simulate_day(cohort, own, plan.queries_per_day / QUERIES, generator)
        midnight = datetime(plan.start.year, plan.start.month, plan.start.day, tzinfo=UTC) + timedelta(number)
        rows = day_rows(cohort, own, day, self._rows, midnight, generator)
        self._rows += QUERIES * np.bincount(day.device, minlength=len(self._rows))
        return rows

    def _generator(self, stream: int) -> np.random.Generator:
        seed = np.random.SeedSequence(self._plan.seed, spawn_key=(self._cohort.number, self._number, stream))
        return np.random.Generator(np.random.SFC64(seed))


def simulate(plan: FleetPlan, out: Path | str, report: Report = lambda _: True, rows_at_once: int = ROWS) -> int:
    """Write the ledger of a plan, with what it assumes in ``assumptions.json``; how many records it has.

    Args:
        plan: what to simulate.
        out: a new or an empty folder.
        report: called after every commit; where it says False, the ledger ends there: its last day lacks devices,
            whole models of them, and ``assumptions.json`` says that it is not complete.
        rows_at_once: about how many rows a file has; the records are the same.

    Raises:
        InvalidInput: the folder holds something.
        ProfileError: a device whose speed was not calibrated.
        MissingExtra: pyarrow is not installed.
        OSError: the disk is full or fails; what was written before counts, and can be read.
    """
    check_out(Path(out))
    blocks = list(_blocks(plan))
    chunks = (chunk for day in range(plan.days) for chunk in _chunks((each.day(day) for each in blocks), rows_at_once))
    records = 0
    with Ledger(out) as ledger:
        _tell(ledger.folder, plan, is_complete=False)
        for chunk in _ahead(chunks):
            ledger.write(chunk)
            records += len(chunk)
            if not report(records):
                break
        else:
            roll_up_months(ledger)
            _tell(ledger.folder, plan, is_complete=True)
    return records


def check_out(out: Path) -> None:
    """Whether a ledger can begin there.

    Raises:
        InvalidInput: it is a file, or a folder that holds something.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidInput(f"'{out}' holds something already; allowed: a new or an empty folder")


def _tell(folder: Path, plan: FleetPlan, *, is_complete: bool) -> None:
    write_file(folder / FILE, printed(plan, is_complete=is_complete))


def _blocks(plan: FleetPlan) -> Iterator[DayRows]:
    usual = round(SESSIONS * QUERIES / plan.queries_per_day)
    most = min(max(usual, 1), MOST_DEVICES)
    for cohort in make_cohorts(plan):
        for number, first in enumerate(range(0, cohort.devices, most)):
            yield DayRows(plan, cohort, number, min(most, cohort.devices - first))


def _chunks(parts: Iterable[Rows], least: int) -> Iterator[Rows]:
    """Parts put together until they have so many rows."""
    waiting: list[Rows] = []
    for part in parts:
        if len(part):
            waiting.append(part)
        if sum(map(len, waiting)) >= least:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(parts: list[Rows]) -> Rows:
    """Rows one after the other. Random names are new in every part: nobody need look whether they are."""
    reported = [
        Rows(each.numbers, {name: texts for name, texts in each.texts.items() if name not in NAMES}) for each in parts
    ]
    rows = joined(reported)
    return Rows(
        rows.numbers, {**rows.texts, **{name: _stacked([each.texts[name] for each in parts]) for name in NAMES}}
    )


def _stacked(parts: list[Texts]) -> Texts:
    firsts = np.cumsum([0, *(len(each.words) for each in parts[:-1])])
    codes = np.concatenate([each.codes + np.int32(first) for each, first in zip(parts, firsts, strict=True)])
    return Texts(codes, tuple(chain.from_iterable(each.words for each in parts)))


def _ahead(chunks: Iterator[Rows]) -> Iterator[Rows]:
    """The same, the next one made by another thread meanwhile."""
    with ThreadPoolExecutor(1, "fleet-simulate") as thread:
        coming = thread.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = thread.submit(next, chunks, None)
            yield chunk
