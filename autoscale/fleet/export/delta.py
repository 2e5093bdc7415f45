"""A ledger as a table of Delta Lake: copies of its files, and a log that says which count. Needs the extra ``delta``.

Each time it is brought up to date, new files are copied first and then one commit of the log adds them and takes away
those that count no longer: who reads the table sees the ledger as it was at one moment.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput, TargetUnavailable
from autoscale.extras import package
from autoscale.fleet.export.storage import Storage, damaged_of, left_out, live_files
from autoscale.fleet.ledger.arrow import arrow, arrow_schema
from autoscale.fleet.ledger.entry import Entry
from autoscale.units import ms_from_s

_MISREAD: Final = re.compile(r"%[0-9A-Fa-f]{2}|\\")
"""Of a path: delta-rs decodes the one and takes the other for a slash, and looks for its log in another folder."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a table came to.

    Attributes:
        version: of the table, as its log counts; -1 where there was never a row.
        files: in it now.
        added: of those, how many were not in it before.
        removed: how many are in it no longer.
        rows: of its files.
        damaged: paths of the ledger's files that were left out.
        left_out: queries that are in no row: the kind of the files that have them, to how many they are.
    """

    version: int
    files: int
    added: int
    removed: int
    rows: int
    damaged: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def export_delta(ledger: Path | str, table: Path | str) -> Delta:
    """Make a table of a ledger's rows, or bring the one that is there up to date.

    Args:
        ledger: its folder.
        table: a folder of this machine; made where there is none.

    Raises:
        InvalidInput: there is no ledger; or the folder holds a table of something else, or has a name that delta-rs
            takes for another one.
        MissingExtra: deltalake or pyarrow is not installed.
        TargetUnavailable: the table could not be written; it is what it was.
    """
    if "://" in str(table):
        raise InvalidInput(
            f"'{table}' is an address of object storage; allowed: a folder (autoscale fleet export copies)"
        )
    if misread := _MISREAD.search(Path(table).absolute().as_posix()):
        raise InvalidInput(
            f"'{table}' has '{misread[0]}' in its path, which delta-rs takes for another; allowed: without"
        )
    deltalake = _package("deltalake")
    view, live = live_files(ledger, "records")
    known = _known(deltalake, Path(table))
    fresh = {name: path for name, (path, _) in live.items() if name not in known}
    gone = [name for name in known if name not in live]
    if fresh or gone:
        storage = Storage(str(table))
        storage.copy(fresh)
        try:
            _commit(deltalake, Path(table), {name: live[name][1] for name in fresh}, gone)
        except Exception as error:  # delta-rs raises exceptions of a dozen kinds; the copied files must go in each
            storage.remove(fresh)
            raise TargetUnavailable(f"'{table}' does not take the change: {error}") from error
    version = deltalake.DeltaTable(table).version() if deltalake.DeltaTable.is_deltatable(str(table)) else -1
    rows = sum(entry.rows for _, entry in live.values())
    damaged = tuple(each.path for each in damaged_of(view, "records"))
    others = left_out(view, (path for path, _ in live.values()))
    return Delta(version, len(live), len(fresh), len(gone), rows, damaged, others)


def _known(deltalake: Any, table: Path) -> list[str]:
    """Names of the files that the table has; none where there is no table."""
    if not deltalake.DeltaTable.is_deltatable(str(table)):
        return []
    opened = deltalake.DeltaTable(table)
    columns = [each.name for each in opened.schema().fields]
    if "device_id" not in columns or "sequence" not in columns:
        raise InvalidInput(
            f"'{table}' is a table of {columns[:4]}; allowed: one that this command made, or a new folder"
        )
    names: list[str] = opened.get_add_actions(flatten=True)["path"].to_pylist()  # as the log has them; a URI quotes
    return names


def _commit(deltalake: Any, table: Path, added: dict[str, Entry], removed: list[str]) -> None:
    transaction = _package("deltalake.transaction")
    schema = _schema(deltalake)
    adds = [_add(transaction, table, name, entry) for name, entry in added.items()]
    if not deltalake.DeltaTable.is_deltatable(str(table)):
        transaction.create_table_with_add_actions(str(table), schema, adds, "error", ["day"])
        return
    now_ms = int(ms_from_s(time.time()))
    removes = [transaction.RemoveAction(each, True, now_ms) for each in removed]
    deltalake.DeltaTable(table).create_write_transaction([*adds, *removes], "append", schema, ["day"])


def _add(transaction: Any, table: Path, name: str, entry: Entry) -> Any:
    modified_ms = int(ms_from_s((table / name).stat().st_mtime))
    stats = json.dumps({"numRecords": entry.rows})
    return transaction.AddAction(name, entry.bytes, {"day": entry.day}, modified_ms, True, stats)


def _schema(deltalake: Any) -> Any:
    """The ledger's columns, any of which a file of an older schema may lack, and the day."""
    pa = arrow()
    fields = [pa.field(each.name, each.type) for each in arrow_schema()]
    return deltalake.Schema.from_arrow(pa.schema([*fields, pa.field("day", pa.string())]))


def _package(name: str) -> Any:
    return package(name, "delta", "a table of Delta Lake")
