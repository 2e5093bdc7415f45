"""What a live source last got for a zone, in memory and on disk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from autoscale.carbon.intensity.series import IntensitySample, Series
from autoscale.errors import InvalidInput
from autoscale.files import write_file
from autoscale.query.outcome import Method

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One zone as a server reported it.

    Attributes:
        fetched_s: when, since 1970 UTC.
        history: what was, settled or estimated; None where it reported nothing.
        expected: what it forecasts; None likewise.
    """

    fetched_s: float
    history: Series | None
    expected: Series | None


class SnapshotFolder:
    """Snapshots by name, one small JSON file each; a damaged one counts as none, a folder that cannot be written
    keeps nothing.

    Args:
        folder: made when the first snapshot is kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, name: str) -> Snapshot | None:
        """What was kept under a name, or None."""
        if self._folder is None:
            return None
        try:
            document = json.loads(self._path(self._folder, name).read_bytes())
            if document["version"] != VERSION:
                return None
            history, expected = (_series(document[key]) for key in ("history", "expected"))
            return Snapshot(float(document["fetched_s"]), history, expected)
        except (OSError, ValueError, OverflowError, KeyError, TypeError, InvalidInput):
            return None

    def keep(self, name: str, snapshot: Snapshot) -> str | None:
        """Keep a snapshot in place of the one before; what went wrong in words, or None."""
        if self._folder is None:
            return None
        document = {
            "version": VERSION,
            "fetched_s": snapshot.fetched_s,
            "history": _plain(snapshot.history),
            "expected": _plain(snapshot.expected),
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_file(self._path(self._folder, name), json.dumps(document))
        except OSError as error:
            return f"{self._folder} keeps no carbon intensities: {error}"
        return None

    @staticmethod
    def _path(folder: Path, name: str) -> Path:
        return folder / f"{quote(name, safe='')}.json"


def series_of(samples: Sequence[IntensitySample], step_s: float | None = None) -> Series | None:
    """Samples in any order, the later of two of the same time; None of none."""
    by_time = {each.time_s: each for each in samples}
    return Series([by_time[time_s] for time_s in sorted(by_time)], step_s) if by_time else None


def _plain(series: Series | None) -> Any:
    if series is None:
        return None
    return {"step_s": series.step_s, "samples": [[s.time_s, s.g_per_kwh, str(s.method)] for s in series.samples]}


def _series(document: Any) -> Series | None:
    if document is None:
        return None
    samples = [IntensitySample(float(time_s), float(g), Method(method)) for time_s, g, method in document["samples"]]
    return Series(samples, float(document["step_s"]))
