"""A ledger handed on: a copy of its files that appears in one moment, or not at all.

::

    TARGET/20261130T120000Z-1f2e3d4c/day=2026-11-21/<name>.parquet
    TARGET/20261130T120000Z-1f2e3d4c/_SUCCESS        written when all are there, as Hadoop's engines do
    TARGET/latest.json                               written last: which folder counts, its files and their digests
"""

import json
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from autoscale.errors import AutoScaleError
from autoscale.fleet.export.storage import Storage, damaged_of, left_out, live_files
from autoscale.fleet.ledger.arrow import write_parquet
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.rollup import sums_of
from autoscale.fleet.ledger.view import LedgerView, verified

LATEST: Final = "latest.json"
SUCCESS: Final = "_SUCCESS"
_SUMMED: Final = ("sums", "devices")
"""Kinds of sums that are made of rows."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was handed on.

    Attributes:
        folder: its address.
        files: how many.
        rows: of those files.
        damaged: paths of files that were left out.
        left_out: queries that these files are not of: the kind whose files have them, to how many they are.
    """

    folder: str
    files: int
    rows: int
    damaged: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def publish(ledger: Path | str, target: str, kind: str = "records") -> Published:
    """Copy the files that count to a place, into a folder of their own, and then say there that it is the latest.

    Of sums there are as many as of rows: those of small files, beside which the ledger has none, are made for the copy.

    Args:
        ledger: its folder.
        target: a folder, or an address that pyarrow knows.
        kind: ``records``, ``sums`` (hourly, names no device), ``sent`` (sums that devices sent) or ``devices``.

    Raises:
        InvalidInput: there is no ledger, no such kind, or the target is none.
        MissingExtra: pyarrow is not installed.
        TargetUnavailable: the place did not take all; what was the latest there still is.
        OSError: a file of the ledger went away meanwhile; likewise.
    """
    view, files = live_files(ledger, kind)
    storage = Storage(target)
    folder = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="autoscale-export-") as made:
        view, more = _summed(view, kind, Path(made))
        files = {**files, **more}
        named = {f"{folder}/{name}": path for name, (path, _) in files.items()}
        storage.copy(named)
    rows = sum(entry.rows for _, entry in files.values())
    damaged = tuple(each.path for each in (*damaged_of(view, kind), *_bare(view.damaged, view, kind)))
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
    others = left_out(view, (path for path, _ in files.values()))
    return Published(f"{storage.address}/{folder}", len(files), rows, damaged, others)


def _summed(view: LedgerView, kind: str, folder: Path) -> tuple[LedgerView, dict[str, tuple[Path, Entry]]]:
    """The view without damaged files; and sums, made in a folder, of the files of rows that have none beside them."""
    by_path = {each.path: path for path, each in view.entries.items()}
    bare = {by_path[each.path]: each for each in _bare(view.entries.values(), view, kind)}
    view, made = verified(view, bare), dict[str, tuple[Path, Entry]]()
    for path, entry in bare.items():
        if path in view.entries:
            name = f"day={entry.day}/{path.stem}.parquet"
            (folder / name).parent.mkdir(exist_ok=True)
            sha256 = write_parquet(dict(zip(_SUMMED, sums_of(path), strict=True))[kind], folder / name)
            size = (folder / name).stat().st_size
            made[name] = folder / name, replace(entry, path=entry.beside(kind), bytes=size, sha256=sha256)
    return view, made


def _bare(entries: Iterable[Entry], view: LedgerView, kind: str) -> list[Entry]:
    """Those of rows beside which there are no sums of a kind."""
    there = {each.path for each in view.entries.values()} if kind in _SUMMED else set[str]()
    return [each for each in entries if kind in _SUMMED and each.is_rows and each.beside(kind) not in there]
