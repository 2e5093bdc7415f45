"""What computes a report: DuckDB on this machine, Spark where a fleet outgrows it; the same queries on both."""

import os
import re
import shutil
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from autoscale.errors import InvalidInput
from autoscale.extras import package
from autoscale.fleet.ledger.arrow import arrow
from autoscale.fleet.ledger.column import Column
from autoscale.fleet.ledger.exact_path import for_duckdb, for_spark
from autoscale.fleet.ledger.schema import COLUMNS
from autoscale.fleet.report.tables import Dialect
from autoscale.registry import Registry

ENGINES: Final = Registry(
    "fleet engine",
    {"duckdb": "autoscale.fleet.report.engine:DuckDb", "spark": "autoscale.fleet.report.engine:Spark"},
    "autoscale.fleet_engines",
)

MEMORY: Final = "3GB"
"""What DuckDB may hold before it spills to disk; its buffers come on top."""

_LOOPBACK: Final = "127.0.0.1"
_ANSWER_S: Final = 5.0
_MASTER: Final = re.compile(r"local(\[(\*|[1-9]\d*)(,\s*\d+)?\])?|spark://[^\s/:]+:\d+(,[^\s/:]+:\d+)*|yarn|k8s://\S+")
_PURPOSE: Final = "the fleet's report"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to compute.

    Attributes:
        name: one of ``ENGINES``.
        master: Spark's: ``local[2]``, ``spark://host:7077``, ``yarn``.
        threads: DuckDB's; 0 for one a core.
    """

    name: str = "duckdb"
    master: str = "local[*]"
    threads: int = 0


class ReportEngine(ABC):
    """Reads Parquet files as tables, and answers SQL over them; :func:`engine` opens one.

    A table is a query in SQL, as ``tables.py`` makes them.

    Attributes:
        errors: what it raises where it cannot compute.
        dialect: its words for what others say differently.
        types: kind of column (``int64``, ``int32``, ``bool``, ``text``) to its own name of it.
    """

    errors: tuple[type[Exception], ...]
    dialect: ClassVar[Dialect]
    types: ClassVar[Mapping[str, str]]

    @abstractmethod
    def read(self, files: Sequence[Path], is_mixed: bool) -> str:
        """A table of the rows of some files with every column of today's.

        Args:
            files: Parquet; none make a table without rows.
            is_mixed: whether they are of several schemas.
        """

    @abstractmethod
    def read_sums(self, files: Sequence[Path], columns: Mapping[str, str]) -> str:
        """A table of files that hold sums; one or more.

        Args:
            files: Parquet.
            columns: name to kind.
        """

    @abstractmethod
    def given(self, name: str, columns: Mapping[str, Sequence[str]]) -> str:
        """A table of texts, of a name of its own; one row or more."""

    @abstractmethod
    def keep(self, name: str, table: str) -> str:
        """A table of what a query comes to, computed once; of a name of its own."""

    @abstractmethod
    def rows(self, table: str, sums: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The rows that a query comes to.

        Args:
            table: the query.
            sums: columns of sums, of many rows; what fits 64 bits is handed over sooner, if the engine has it so.
        """

    @abstractmethod
    def columns(self, table: str, sums: Sequence[str] = ()) -> dict[str, Sequence[Any]]:
        """The same as columns, which is sooner where there are many rows; arguments as of ``rows``."""

    @abstractmethod
    def text(self, value: str) -> str:
        """A text as it stands in a query."""

    @abstractmethod
    def close(self) -> None:
        """Let everything go."""

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.rows(f"SELECT count(*) AS counted FROM ({table})")[0]["counted"])

    def completed(self, table: str, has: Collection[str]) -> str:
        """With every column: in rows of older schemas stands what the table of columns says of them."""
        if all(each.name in has and each.default is None for each in COLUMNS):
            return table
        return f"SELECT {', '.join(self._column(each, each.name in has) for each in COLUMNS)} FROM ({table})"

    def _column(self, column: Column, is_there: bool) -> str:
        default = column.default
        value = self.text(default) if isinstance(default, str) else "NULL" if default is None else str(default)
        if not is_there:
            return f"CAST({value} AS {self.types[column.kind]}) AS {column.name}"
        return column.name if default is None else f"coalesce({column.name}, {value}) AS {column.name}"


class DuckDb(ReportEngine):
    """DuckDB in this process; spills to a temporary folder.

    Raises:
        MissingExtra: duckdb is not installed.
    """

    dialect = Dialect("//", "HUGEINT")
    types: ClassVar[Mapping[str, str]] = {"int64": "BIGINT", "int32": "INTEGER", "bool": "BOOLEAN", "text": "VARCHAR"}

    def __init__(self, options: EngineOptions) -> None:
        duckdb = package("duckdb", "fleet", _PURPOSE)
        self.errors, self._too_large = (duckdb.Error,), duckdb.DataError
        self._spilled = tempfile.TemporaryDirectory(prefix="autoscale-report-")
        limits: dict[str, Any] = {"memory_limit": MEMORY, "temp_directory": self._spilled.name}
        if options.threads:
            limits["threads"] = options.threads
        self._base = duckdb.connect(config={"preserve_insertion_order": "false", **limits})
        self._base.execute("SET enable_progress_bar = false")

    def read(self, files: Sequence[Path], is_mixed: bool) -> str:
        """A table of the rows of some files."""
        if not files:
            return f"SELECT * FROM ({self.completed('SELECT 1', ())}) WHERE false"
        table = (
            f"SELECT * FROM {self._of(files)}, union_by_name=true)" if is_mixed else f"SELECT * FROM {self._of(files)})"
        )
        described = self._base.execute(f"SELECT * FROM ({table}) LIMIT 0").description
        return self.completed(table, [name for name, *_ in described or ()])

    def read_sums(self, files: Sequence[Path], columns: Mapping[str, str]) -> str:
        """A table of files that hold sums."""
        return f"SELECT {', '.join(columns)} FROM {self._of(files)})"

    def _of(self, files: Sequence[Path]) -> str:
        return f"read_parquet([{', '.join(self.text(for_duckdb(each)) for each in files)}], hive_partitioning=false"

    def given(self, name: str, columns: Mapping[str, Sequence[str]]) -> str:
        """A table of texts, by way of Arrow."""
        self._base.register(name, arrow().table(dict(columns)))
        return f"SELECT * FROM {name}"

    def keep(self, name: str, table: str) -> str:
        """A temporary table."""
        self._base.execute(f"CREATE TEMP TABLE {name} AS {table}")
        return f"SELECT * FROM {name}"

    def rows(self, table: str, sums: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The rows that a query comes to."""
        names, _ = self._asked(table, sums)
        return [dict(zip(names, row, strict=True)) for row in self._base.fetchall()]

    def columns(self, table: str, sums: Sequence[str] = ()) -> dict[str, Sequence[Any]]:
        """The same as columns."""
        names, is_narrow = self._asked(table, sums)
        if is_narrow:
            return {name: values.tolist() for name, values in self._base.fetchnumpy().items()}
        return _turned(names, self._base.fetchall())

    def _asked(self, table: str, sums: Sequence[str]) -> tuple[list[str], bool]:
        """Ask for some rows: the names of their columns, and whether sums are of 64 bits."""
        narrow = ", ".join(f"{name}::BIGINT AS {name}" for name in sums)
        try:
            asked = self._base.execute(f"SELECT * REPLACE ({narrow}) FROM ({table})" if sums else table)
        except self._too_large:
            asked, narrow = self._base.execute(table), ""
        return [each[0] for each in asked.description or ()], bool(narrow)

    def text(self, value: str) -> str:
        """Quotes are doubled."""
        return "'" + value.replace("'", "''") + "'"

    def close(self) -> None:
        """Let everything go."""
        self._base.close()
        self._spilled.cleanup()


class Spark(ReportEngine):
    """A Spark session; a local one listens at loopback alone.

    Raises:
        MissingExtra: pyspark is not installed.
        InvalidInput: what is no master, no Java, or no session at that master.
    """

    dialect = Dialect("DIV", "DECIMAL(38, 0)")
    types: ClassVar[Mapping[str, str]] = {
        "int64": "BIGINT",
        "int32": "INT",
        "bool": "BOOLEAN",
        "text": "STRING",
        "wide": "DECIMAL(38, 0)",
    }

    def __init__(self, options: EngineOptions) -> None:
        session, errors = _of_spark("pyspark.sql").SparkSession, _of_spark("pyspark.errors")
        self.errors = (errors.PySparkException, _of_spark("py4j.protocol").Py4JError)
        _need_master(options.master)
        _need_java()
        builder = session.builder.appName("autoscale fleet report").master(options.master)
        for name, value in _settings(options.master).items():
            builder = builder.config(name, value)
        try:
            self._session = builder.getOrCreate()
        except (*self.errors, OSError) as error:
            raise InvalidInput(f"no Spark at '{options.master}': {_first_line(error)}") from error

    def read(self, files: Sequence[Path], is_mixed: bool) -> str:
        """A table of the rows of some files."""
        kinds = {each.name: each.kind for each in COLUMNS}
        return self.completed(self._read("ledger", files, kinds), kinds)

    def read_sums(self, files: Sequence[Path], columns: Mapping[str, str]) -> str:
        """A table of files that hold sums."""
        return self._read(f"sums_of_{files[0].parts[-3]}", files, columns)  # the folder of their kind

    def _read(self, name: str, files: Sequence[Path], columns: Mapping[str, str]) -> str:
        types = {**self.types, "wide": self.dialect.wide}
        named = ", ".join(f"{column} {types[kind]}" for column, kind in columns.items())
        paths, session = [for_spark(each) for each in files], self._session
        frame = session.read.schema(named).parquet(*paths) if paths else session.createDataFrame([], named)
        return self._viewed(name, frame)

    def given(self, name: str, columns: Mapping[str, Sequence[str]]) -> str:
        """A table of texts, sent to the session."""
        rows = list(zip(*columns.values(), strict=True))
        return self._viewed(name, self._session.createDataFrame(rows, list(columns)))

    def keep(self, name: str, table: str) -> str:
        """A cached view."""
        return self._viewed(name, self._session.sql(table).cache())

    def _viewed(self, name: str, frame: Any) -> str:
        frame.createOrReplaceTempView(name)
        return f"SELECT * FROM {name}"

    def rows(self, table: str, sums: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The rows that a query comes to."""
        return [each.asDict() for each in self._session.sql(table).collect()]

    def columns(self, table: str, sums: Sequence[str] = ()) -> dict[str, Sequence[Any]]:
        """The same as columns."""
        asked = self._session.sql(table)
        return _turned(asked.columns, asked.collect())

    def text(self, value: str) -> str:
        """Quotes and what escapes them are escaped."""
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def close(self) -> None:
        """Stop the session."""
        self._session.stop()


def _turned(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Rows as columns."""
    return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))


@contextmanager
def engine(options: EngineOptions) -> Iterator[ReportEngine]:
    """An engine, open.

    Raises:
        UnknownName: none of that name.
        MissingExtra: a package it needs is not installed.
        InvalidInput: it cannot start, or cannot read what it is given.
    """
    opened = ENGINES.get(options.name)(options)
    try:
        yield opened
    except opened.errors as error:
        raise InvalidInput(f"{options.name} cannot compute the report: {_first_line(error)}") from error
    finally:
        opened.close()


def _of_spark(name: str) -> Any:
    return package(name, "spark", _PURPOSE)


def _settings(master: str) -> dict[str, str]:
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",  # what fails is raised; logged, it is pages of Java's stack
    }
    if master.startswith("local"):
        at_home = {"spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK}
        settings |= at_home | {"spark.sql.shuffle.partitions": "4"}
    return settings


def _need_master(master: str) -> None:
    """Spark itself would say so in some pages of Java, and try for a minute where nobody answers."""
    if not _MASTER.fullmatch(master):
        allowed = "local, local[2], local[*], spark://host:7077, yarn, k8s://https://host:443"
        raise InvalidInput(f"master is '{master}'; allowed: as in {allowed}")
    places = [each.rpartition(":") for each in master.removeprefix("spark://").split(",")]
    if master.startswith("spark://") and not any(_answers(host, int(port)) for host, _, port in places):
        raise InvalidInput(f"no Spark at '{master}': nobody answers there")


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _ANSWER_S).close()
    except (OSError, OverflowError):  # the latter for a port that is none
        return False
    return True


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (home and (Path(home) / "bin" / "java").is_file())):
        raise InvalidInput("Spark needs Java 17 or later: no 'java' on PATH, and JAVA_HOME does not lead to one")


def _first_line(error: Exception) -> str:
    """What went wrong; of what Java raised the second line, since the first only says that it did."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("An error occurred while calling")]
    return lines[0].removeprefix(": ") if lines else type(error).__name__
