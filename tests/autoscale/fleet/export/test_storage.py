"""A ledger handed on to object storage (moto's server, on loopback) and to a folder; read there without us."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from autoscale.errors import InvalidInput, TargetUnavailable
from autoscale.fleet import read_ledger
from autoscale.fleet.export.published import publish
from autoscale.fleet.fleet_command import fleet
from autoscale.fleet.ledger import new_files
from autoscale.fleet.ledger.erasure import retain
from autoscale.fleet.ledger.store import Ledger
from tests.autoscale.fleet.ledger_parts import random_rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)

Environment = dict[str, Any]


class Store:
    """An S3 on loopback that fails when it is told to."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.puts_left = 10**9
        self.answers = True
        self._application = DomainDispatcherApplication(create_backend_app)
        self._guard = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()

    def address(self, path: str) -> str:
        query = f"region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{self.port}"
        return f"s3://{path}?{query}"

    def _answer(self, environment: Environment, start: Callable[..., Any]) -> Iterable[bytes]:
        with self._guard:
            self.puts_left -= environment["REQUEST_METHOD"] == "PUT"
            fails = self.puts_left < 0
        if fails and (environment["REQUEST_METHOD"] == "PUT" or not self.answers):
            environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            start("403 Forbidden", [("Content-Length", "0")])  # one that no client tries again
            return [b""]
        return self._application(environment, start)  # type: ignore[no-any-return]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    pytest.importorskip("moto")
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    running = Store()
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{running.port}", region_name="us-east-1")
    client.create_bucket(Bucket="carbon")
    yield running
    running.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return written(tmp_path / "ledger", random_rows(3000, 1))


def there(store: Store) -> list[str]:
    """Every object of the bucket."""
    import boto3

    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{store.port}", region_name="us-east-1")
    return [each["Key"] for each in client.list_objects_v2(Bucket="carbon").get("Contents", [])]


def read(store: Store, name: str) -> bytes:
    import boto3

    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{store.port}", region_name="us-east-1")
    return bytes(client.get_object(Bucket="carbon", Key=name)["Body"].read())


def in_ledger(ledger: Path) -> tuple[int, int]:
    """Rows and the sum of a column."""
    import duckdb

    files = [str(each) for each in read_ledger(ledger).files]
    [(count, total)] = duckdb.sql(
        "SELECT count(*), sum(energy_device_uj)::BIGINT FROM read_parquet(?)", params=[files]
    ).fetchall()
    return int(count), int(total)


def test_polars_and_duckdb_read_it_from_object_storage(store: Store, ledger: Path) -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    wrapper = pytest.importorskip("fsspec.implementations.arrow").ArrowFSWrapper
    from pyarrow.fs import S3FileSystem  # type: ignore[import-untyped]  # ships no types

    done = publish(ledger, store.address("carbon/fleet"))
    assert (done.rows, done.damaged) == (3000, ())
    options = {
        "aws_endpoint_url": f"http://127.0.0.1:{store.port}",
        "aws_allow_http": "true",
        "aws_region": "us-east-1",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
    }
    lazy = polars.scan_parquet(f"{done.folder}/**/*.parquet", storage_options=options, hive_partitioning=False)
    [by_polars] = lazy.select(polars.len(), polars.col("energy_device_uj").sum()).collect().rows()
    s3 = S3FileSystem(endpoint_override=f"127.0.0.1:{store.port}", scheme="http", region="us-east-1")
    named_s3 = type("S3", (wrapper,), {"protocol": "s3"})
    with duckdb.connect() as base:
        base.register_filesystem(named_s3(s3))
        query = "SELECT count(*), sum(energy_device_uj)::BIGINT FROM read_parquet(?)"
        [by_duckdb] = base.execute(query, [f"{done.folder}/*/*.parquet"]).fetchall()
    assert by_polars == by_duckdb == in_ledger(ledger)


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("puts", [0, 1, 3, 4])
def test_a_store_that_fails_leaves_the_former_copy_the_latest(
    store: Store, ledger: Path, puts: int, answers: bool
) -> None:
    """Before the first file, between them, and before the word that all are there (three files, _SUCCESS, latest)."""
    first = publish(ledger, store.address("carbon/fleet"))
    before = there(store)
    latest = read(store, "fleet/latest.json")
    store.puts_left, store.answers = puts, answers
    with pytest.raises(TargetUnavailable, match="carbon/fleet"):
        publish(ledger, store.address("carbon/fleet"))
    store.puts_left = 10**9
    assert read(store, "fleet/latest.json") == latest
    if answers:
        assert there(store) == before
    assert publish(ledger, store.address("carbon/fleet")).folder != first.folder


def test_a_copy_in_a_folder_says_which_is_the_latest(tmp_path: Path, ledger: Path) -> None:
    import duckdb

    for _ in range(2):
        done = publish(ledger, str(tmp_path / "copies"))
    latest = json.loads((tmp_path / "copies" / "latest.json").read_text())
    assert (tmp_path / "copies" / latest["folder"]) == Path(done.folder)
    assert (Path(done.folder) / "_SUCCESS").exists()
    query = "SELECT count(*), sum(energy_device_uj)::BIGINT FROM read_parquet(?)"
    assert duckdb.sql(query, params=[f"{done.folder}/*/*.parquet"]).fetchall() == [in_ledger(ledger)]
    assert sum(each["rows"] for each in latest["files"]) == latest["rows"] == 3000


@pytest.mark.parametrize("kind", ["sums", "devices"])
def test_sums_are_of_all_rows_though_the_ledger_has_none_of_small_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    import duckdb

    with monkeypatch.context() as patched:
        patched.setattr(new_files, "ROLL_UP_ROWS", 500)
        ledger = written(tmp_path / "ledger", random_rows(3000, 1), random_rows(200, 2))
    done = publish(ledger, str(tmp_path / "copies"), kind)
    assert (done.files, done.rows, done.damaged, done.left_out) == (6, 3200, (), {})
    query = "SELECT sum(inferences)::BIGINT, sum(latency_us)::BIGINT FROM read_parquet(?)"
    files = [str(each) for each in read_ledger(ledger).files]
    [(latency_us,)] = duckdb.sql("SELECT sum(latency_us)::BIGINT FROM read_parquet(?)", params=[files]).fetchall()
    assert duckdb.sql(query, params=[f"{done.folder}/*/*.parquet"]).fetchall() == [(3200, latency_us)]


def test_what_is_in_other_files_is_told(tmp_path: Path, ledger: Path) -> None:
    with Ledger(ledger) as opened:
        gone = retain(opened, 1, datetime(2026, 11, 4, tzinfo=UTC)).rows
    assert publish(ledger, str(tmp_path / "copies")).left_out == {"sums": gone}
    assert publish(ledger, str(tmp_path / "copies"), "sums").left_out == {}
    told = CliRunner().invoke(fleet, ["files", str(ledger), "--kind", "sums"])
    assert told.stderr == f"{3000 - gone:,} queries are in none of these files; '--kind records' has them\n"
    assert len(told.stdout.splitlines()) == 2


def test_a_damaged_file_is_left_out_and_named(tmp_path: Path, ledger: Path) -> None:
    damaged = read_ledger(ledger).files[0]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    done = publish(ledger, str(tmp_path / "copies"))
    assert done.damaged == (damaged.relative_to(ledger).as_posix(),)
    assert not list(Path(done.folder).rglob(damaged.name))


def test_what_is_no_place_is_refused(tmp_path: Path, ledger: Path) -> None:
    with pytest.raises(InvalidInput, match="allowed: a folder, or an address"):
        publish(ledger, "floppy://a/b")
    with pytest.raises(InvalidInput, match="allowed: records, sums, sent, devices"):
        publish(ledger, str(tmp_path), "rows")


@pytest.mark.parametrize(("folder", "is_uri"), [("which?", False), ("50%25 of #1", False), ("new", True)])
def test_a_folder_of_any_name_or_its_uri_is_where_the_copy_is_said_to_be(
    tmp_path: Path, folder: str, is_uri: bool
) -> None:
    ledger, target = written(tmp_path / "ledger", random_rows(20, 1)), tmp_path / folder
    done = publish(ledger, target.as_uri() if is_uri else str(target))
    [latest] = target.glob("*/_SUCCESS")
    assert done.folder == (latest.parent.as_uri() if is_uri else str(latest.parent))
