"""A ledger handed on: a copy of its files that appears in one moment, or not at all.

::

    TARGET/20261130T120000Z-1f2e3d4c/day=2026-11-21/<name>.parquet
    TARGET/20261130T120000Z-1f2e3d4c/_SUCCESS        written when all are there, as Hadoop's engines do
    TARGET/latest.json                               written last: which folder counts, its files and their digests
"""

import json
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from autoscale.errors import AutoScaleError
from autoscale.fleet.export.storage import Storage, damaged_of, live_files

LATEST: Final = "latest.json"
SUCCESS: Final = "_SUCCESS"


@dataclass(frozen=True, slots=True)
class Published:
    """What was handed on.

    Attributes:
        folder: its address.
        files: how many.
        rows: of those files.
        damaged: paths of files that were left out.
    """

    folder: str
    files: int
    rows: int
    damaged: tuple[str, ...]


def publish(ledger: Path | str, target: str, kind: str = "records") -> Published:
    """Copy the files that count to a place, into a folder of their own, and then say there that it is the latest.

    Args:
        ledger: its folder.
        target: a folder, or an address that pyarrow knows.
        kind: ``records``, ``sums`` (hourly, names no device) or ``devices``.

    Raises:
        InvalidInput: there is no ledger, no such kind, or the target is none.
        MissingExtra: pyarrow is not installed.
        TargetUnavailable: the place did not take all; what was the latest there still is.
        OSError: a file of the ledger went away meanwhile; likewise.
    """
    view, files = live_files(ledger, kind)
    storage = Storage(target)
    folder = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    rows = sum(entry.rows for _, entry in files.values())
    damaged = tuple(each.path for each in damaged_of(view, kind))
    named = {f"{folder}/{name}": path for name, (path, _) in files.items()}
    storage.copy(named)
    try:
        storage.write(f"{folder}/{SUCCESS}", b"")
        content = {
            "folder": folder,
            "kind": kind,
            "rows": rows,
            "files": [{**asdict(entry), "path": name} for name, (_, entry) in files.items()],
            "damaged": damaged,
            "counts": view.counts,
        }
        storage.write(LATEST, json.dumps(content, indent=2).encode())
    except AutoScaleError:
        storage.remove([f"{folder}/{SUCCESS}", *named])
        raise
    return Published(f"{storage.address}/{folder}", len(files), rows, damaged)
