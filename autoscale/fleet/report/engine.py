"""What computes a report: DuckDB on this machine, Spark where a fleet outgrows it; the same expressions on both."""

import os
import re
import shutil
import socket
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput, MissingExtra
from autoscale.fleet.ledger.schema import COLUMNS
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
_SPARK_TYPES: Final = {"int64": "BIGINT", "int32": "INT", "bool": "BOOLEAN", "text": "STRING", "wide": "DECIMAL(38, 0)"}
_IBIS_TYPES: Final = {"int64": "int64", "int32": "int32", "bool": "boolean", "text": "string"}
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
    """Reads Parquet files as an Ibis table, and runs Ibis expressions; :func:`engine` opens one."""

    @abstractmethod
    def read(self, files: Sequence[Path], is_mixed: bool) -> Any:
        """An Ibis table of the rows of some files with every column of today's.

        Args:
            files: Parquet; none make a table without rows.
            is_mixed: whether they are of several schemas.
        """

    @abstractmethod
    def read_sums(self, files: Sequence[Path], columns: Mapping[str, str]) -> Any:
        """An Ibis table of files that hold sums; one or more.

        Args:
            files: Parquet.
            columns: name to kind.
        """

    @abstractmethod
    def keep(self, name: str, expression: Any) -> Any:
        """An Ibis table of what an expression comes to, computed once; of a name of its own."""

    @abstractmethod
    def close(self) -> None:
        """Let everything go."""

    def count(self, table: Any) -> int:
        """How many rows a table has."""
        return int(self.rows(table.agg(rows=table.count()))[0]["rows"])

    def rows(self, expression: Any) -> list[dict[str, Any]]:
        """The rows that an expression comes to."""
        found: list[dict[str, Any]] = expression.to_pyarrow().to_pylist()
        return found


class DuckDb(ReportEngine):
    """DuckDB in this process; spills to a temporary folder.

    Raises:
        MissingExtra: duckdb or ibis is not installed.
    """

    def __init__(self, options: EngineOptions) -> None:
        self.errors: tuple[type[Exception], ...] = (package("duckdb", "fleet").Error,)
        ibis = package("ibis", "fleet")
        self._spilled = tempfile.TemporaryDirectory(prefix="autoscale-report-")
        limits: dict[str, Any] = {"memory_limit": MEMORY, "temp_directory": self._spilled.name}
        if options.threads:
            limits["threads"] = options.threads
        self._connection = ibis.duckdb.connect(preserve_insertion_order=False, **limits)
        self._connection.raw_sql("SET enable_progress_bar = false")

    def read(self, files: Sequence[Path], is_mixed: bool) -> Any:
        """An Ibis table of the rows of some files."""
        if not files:
            empty = package("ibis", "fleet").schema({each.name: _IBIS_TYPES[each.kind] for each in COLUMNS})
            return self._connection.create_table("nothing", schema=empty, temp=True)
        paths = [str(each) for each in files]
        return _completed(self._connection.read_parquet(paths, hive_partitioning=False, union_by_name=is_mixed))

    def read_sums(self, files: Sequence[Path], columns: Mapping[str, str]) -> Any:
        """An Ibis table of files that hold sums."""
        paths = [str(each) for each in files]
        return self._connection.read_parquet(paths, hive_partitioning=False).select(*columns)

    def rows(self, expression: Any) -> list[dict[str, Any]]:
        """The rows that an expression comes to: by a cursor, since Ibis imports pandas (half a second) for a table."""
        if expression.op().find(package("ibis.expr.operations", "fleet").InMemoryTable):
            return super().rows(expression)  # Ibis hands it to DuckDB
        cursor = self._connection.raw_sql(self._connection.compile(expression))
        names = [each[0] for each in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def keep(self, name: str, expression: Any) -> Any:
        """A temporary table."""
        return self._connection.create_table(name, expression, temp=True)

    def close(self) -> None:
        """Let everything go."""
        self._connection.disconnect()
        self._spilled.cleanup()


class Spark(ReportEngine):
    """A Spark session; a local one listens at loopback alone.

    Raises:
        MissingExtra: pyspark or ibis is not installed.
        InvalidInput: what is no master, no Java, or no session at that master.
    """

    def __init__(self, options: EngineOptions) -> None:
        session, errors = package("pyspark.sql", "spark").SparkSession, package("pyspark.errors", "spark")
        self.errors: tuple[type[Exception], ...] = (
            errors.PySparkException,
            package("py4j.protocol", "spark").Py4JError,
        )
        ibis = package("ibis", "fleet")
        _need_master(options.master)
        _need_java()
        builder = session.builder.appName("autoscale fleet report").master(options.master)
        for name, value in _settings(options.master).items():
            builder = builder.config(name, value)
        try:
            self._session = builder.getOrCreate()
        except (*self.errors, OSError) as error:
            raise InvalidInput(f"no Spark at '{options.master}': {_first_line(error)}") from error
        self._connection = ibis.pyspark.connect(self._session)

    def read(self, files: Sequence[Path], is_mixed: bool) -> Any:
        """An Ibis table of the rows of some files."""
        names = ", ".join(f"{each.name} {_SPARK_TYPES[each.kind]}" for each in COLUMNS)
        paths = [str(each.resolve()) for each in files]
        frame = self._session.read.schema(names).parquet(*paths) if paths else self._session.createDataFrame([], names)
        frame.createOrReplaceTempView("ledger")
        return _completed(self._connection.table("ledger"))

    def read_sums(self, files: Sequence[Path], columns: Mapping[str, str]) -> Any:
        """An Ibis table of files that hold sums."""
        names = ", ".join(f"{name} {_SPARK_TYPES[kind]}" for name, kind in columns.items())
        name = f"sums_of_{files[0].parts[-3]}"  # the folder of their kind
        self._session.read.schema(names).parquet(*(str(each.resolve()) for each in files)).createOrReplaceTempView(name)
        return self._connection.table(name)

    def keep(self, name: str, expression: Any) -> Any:
        """A cached view."""
        frame = self._session.sql(self._connection.compile(expression)).cache()
        frame.createOrReplaceTempView(name)
        return self._connection.table(name)

    def close(self) -> None:
        """Stop the session."""
        self._session.stop()


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
        with warnings.catch_warnings():
            # Ibis 12 calls what DuckDB 2 deprecates, which is no business of who asks for a report
            warnings.filterwarnings(
                "ignore", message=r"fetch_arrow_table\(\) is deprecated", category=DeprecationWarning
            )
            yield opened
    except opened.errors as error:
        raise InvalidInput(f"{options.name} cannot compute the report: {_first_line(error)}") from error
    finally:
        opened.close()


def package(name: str, extra: str) -> Any:
    """A package of an extra, imported.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(name.partition(".")[0], extra, _PURPOSE) from error


def _completed(table: Any) -> Any:
    """With every column: in rows of older schemas stands what the table of columns says of them."""
    ibis, has = package("ibis", "fleet"), set(table.columns)
    lacked = {each.name: ibis.literal(each.default, _IBIS_TYPES[each.kind]) for each in COLUMNS if each.name not in has}
    filled = {
        each.name: table[each.name].fill_null(each.default)
        for each in COLUMNS
        if each.name in has and each.default is not None
    }
    return table.mutate(**lacked, **filled) if lacked or filled else table


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
