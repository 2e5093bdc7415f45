"""The log of a device read where it lies: also by another process, also while it is being written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.logged_queries import LoggedQueries, logged_queries_of
from autoscale_runtime.fleet.device_log.log_folder import SUFFIX, LogFolder
from autoscale_runtime.fleet.device_log.segment import Segment, read_segment


def is_log(path: Path) -> bool:
    """Whether a path is the folder of a device's log."""
    return path.is_dir() and any(each.stem.isdigit() for each in path.glob(f"*{SUFFIX}"))


def read_log(folder: Path, *, latest_run: bool = False) -> LoggedQueries:
    """The queries of a log, of its latest run alone if asked for; a row that is being written is left out.

    Raises:
        InvalidInput: it is no log.
        OSError: it cannot be read.
    """
    if not is_log(folder):
        raise InvalidInput(f"'{folder}' is no device's log; allowed: the folder that LedgerWriter writes")
    files = sorted(each for each in folder.glob(f"*{SUFFIX}") if each.stem.isdigit())
    segments = [each for each in map(read_segment, files) if each is not None]
    rows = [row for segment in segments for row in _rows(segment)]
    run = rows[-1]["session_id"] if rows else ""
    return logged_queries_of(row for row in rows if not latest_run or row["session_id"] == run)


def unsent_rows(folder: Path) -> int:
    """How many rows of a log no collector has acknowledged.

    Raises:
        OSError: it cannot be read.
    """
    log = LogFolder(folder)
    acknowledged, segments = log.acknowledged(), (read_segment(each.path) for each in log.segments())
    return sum(int(np.count_nonzero(each.rows.numbers["sequence"] > acknowledged)) for each in segments if each)


def _rows(segment: Segment) -> Iterator[dict[str, Any]]:
    """Each row by the names of its columns; absent numbers are -1, absent texts empty."""
    columns: dict[str, list[Any]] = {name: values.tolist() for name, values in segment.rows.numbers.items()}
    for name, texts in segment.rows.texts.items():
        columns[name] = [texts.words[code] for code in texts.codes.tolist()]
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))
