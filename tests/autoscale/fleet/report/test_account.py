"""The account: a fleet worked out by hand, exact sums on every engine, spans, and what cannot be accounted for."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscale.errors import InvalidInput, MissingExtra, UnknownName
from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.export.codecarbon import as_codecarbon
from autoscale.fleet.export.html.page import as_html
from autoscale.fleet.export.impact_framework import as_impact_manifest
from autoscale.fleet.ledger.rollup import FIGURES
from autoscale.fleet.ledger.rows import joined
from autoscale.fleet.ledger.schema import BY_NAME
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.view import read_ledger
from autoscale.fleet.report import EngineOptions, Question, Report, Span, account, tables
from autoscale.fleet.report.engine import engine
from autoscale.fleet.report.inventory import read_inventory
from autoscale.fleet.report.notices import notices
from autoscale.fleet.report.sums import Sums
from tests.autoscale.fleet.ledger_parts import DAY_US, FIRST_US, random_rows, rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)

DAY = Span.parse("2026-11-01", "2026-11-02")
QUIET = Span.parse("2026-12-24", "2026-12-25")

INVENTORY = """\
device_id,role,idle_power_w,intensity_g_per_kwh,making_kg,life_years
a,device,0.1,400,63.072,2
b,device,0.1,400,63.072,2
c,device,0.1,400,63.072,2
rack-1,remote,50,100,126.144,4
"""


@pytest.fixture(scope="module")
def random_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random") / "ledger"
    return written(folder, *(random_rows(4000, seed) for seed in range(3)))


def on_duckdb(ledger: Path, threads: int) -> dict[str, Any]:
    return as_json(account(ledger, options=EngineOptions(threads=threads)))


def three_devices(folder: Path) -> Report:
    """a: 1000 queries of 2 s on the device. b: 500 of 1 s in the cloud. c: there, and silent. One day, one server.

    A second of a device's making is 63.072 kg / 2 years = 1 mg, and of the server's 126.144 kg / 4 years = 1 mg.
    """
    time_us = FIRST_US + np.arange(1000) * 60_000_000
    on_device = rows(
        1000,
        time_us=time_us,
        latency_us=2_000_000,
        energy_device_uj=3_600_000,  # 1e-6 kWh at 400 g/kWh: 0.4 mg
        operational_device_ng=400_000,
        embodied_device_ng=2_000_000,
    )
    in_cloud = rows(
        500,
        device_id="b",
        device_model="s10e",
        selected="cloud:gpu/fp32",
        place="cloud",
        region_remote="gcp:europe-west1",
        time_us=time_us[:500],
        latency_us=1_000_000,
        energy_device_uj=1_800_000,  # 0.2 mg
        energy_network_uj=360_000,  # 0.04 mg
        energy_remote_uj=7_200_000,  # at 100 g/kWh: 0.2 mg
        operational_device_ng=200_000,
        operational_network_ng=40_000,
        operational_remote_ng=200_000,
        embodied_device_ng=1_000_000,
        embodied_network_ng=500_000,
        embodied_remote_ng=500_000,
    )
    inventory = folder / "inventory.csv"
    inventory.write_text(INVENTORY)
    return account(written(folder / "ledger", on_device, in_cloud), Question(DAY, read_inventory(inventory)))


def test_three_devices_worked_out_by_hand_to_the_milligram(tmp_path: Path) -> None:
    found = as_json(three_devices(tmp_path))
    grams = {
        kind: {part: round(kg * 1e3, 3) for part, kg in found["carbon_kg"][kind].items()}
        for kind in ("operational", "embodied")
    }
    assert found["inferences"] == 1500
    assert grams["operational"] == {"device": 0.400 + 0.100, "network": 0.020, "remote": 0.100}
    assert grams["embodied"] == {"device": 2.000 + 0.500, "network": 0.250, "remote": 0.250}
    assert round(found["carbon_kg"]["total"] * 1e3, 3) == 3.620
    assert found["energy_kwh"] == {"device": 1.25e-3, "network": 5e-5, "remote": 1e-3}
    assert found["sci_g_per_inference"]["mid"] == pytest.approx(3.62 / 1500)
    fleet = {name: round(ends["mid"] * 1e3, 3) for name, ends in found["fleet"]["carbon_kg"].items()}
    # idle: a 84 400 s, b 85 900 s and c 86 400 s at 0.1 W and 400 g/kWh; the server 85 900 s at 50 W and 100 g/kWh
    assert fleet["idle"] == round(0.937778 + 0.954444 + 0.960 + 119.305556, 3)
    # a second of the day is a milligram of making: 86.4 g for each machine, less what the queries carry
    assert fleet["unallocated_embodied"] == round((86.4 - 2.0) + (86.4 - 0.5) + 86.4 + (86.4 - 0.25), 3)
    assert fleet["total"] == 468.628
    assert found["fleet"]["never_reported"] == ["c"]
    assert found["fleet"]["not_in_inventory"] == 0


def test_a_fleet_is_its_queries_idle_time_and_unallocated_embodied_carbon_to_the_nanogram(tmp_path: Path) -> None:
    report = three_devices(tmp_path)
    fleet = report.fleet
    assert fleet is not None
    for end in ("low", "mid", "high"):
        parts = (fleet.queries_ng, fleet.idle_ng, fleet.unallocated_ng)
        assert getattr(fleet.total_ng, end) == sum(getattr(each, end) for each in parts)
    making_ng = 4 * 86_400 * 10**6 + report.total.embodied_ng.network
    assert fleet.unallocated_ng.mid + sum(report.total.embodied_ng) == making_ng


def test_sums_are_those_of_python_whatever_the_threads(random_ledger: Path) -> None:
    found = [on_duckdb(random_ledger, threads) for threads in (1, 2, 5)]
    assert found[0] == found[1] == found[2]
    given = joined([random_rows(4000, seed) for seed in range(3)]).numbers
    sums = {name: sum(given[name].tolist()) for name in FIGURES if name != "missed"}
    exact = found[0]["exact"]
    assert exact["latency_us"] == sums["latency_us"]
    for kind, unit in (("energy", "uj"), ("operational", "ng"), ("embodied", "ng")):
        parts = exact[f"{kind}_{unit}"]
        assert parts == {part: sums[f"{kind}_{part}_{unit}"] for part in parts}
    assert exact["total_ng"]["low"] == sums["operational_low_ng"] + sums["embodied_low_ng"]
    goal, accuracy = given["goal_accuracy_ppm"], given["accuracy_ppm"]
    is_short = (goal >= 0) & (accuracy >= 0) & (accuracy < goal)
    assert exact["missed"] == int(np.count_nonzero(is_short | (given["is_late"] > 0)))


def test_every_dimension_adds_up_to_the_total(random_ledger: Path) -> None:
    found = on_duckdb(random_ledger, 0)
    assert set(found["by"]) == {"network", "target", "device_model", "region", "far_region", "hour", "day"}
    for named in found["by"].values():
        assert sum(each["inferences"] for each in named) == found["inferences"]
        total = sum(each["carbon_kg"]["total"] for each in named)
        assert total == pytest.approx(found["carbon_kg"]["total"], rel=1e-12)


def test_sums_beyond_64_bits_are_exact(tmp_path: Path) -> None:
    most = 2**62
    ledger = written(tmp_path / "ledger", rows(7, energy_device_uj=most, operational_device_ng=most))
    with engine(EngineOptions(threads=2)) as opened:
        table = opened.read(read_ledger(ledger).files, False)
        cells = tables.cells(tables.accounted(table, True, opened.dialect))
        total = Sums.of(opened.rows(tables.total(cells))[0])
    assert total.energy_uj.device == total.operational_ng.device == 7 * most > 2**64


def test_what_no_query_can_take_is_left_out_and_counted(tmp_path: Path) -> None:
    beyond = {"energy_device_uj": BY_NAME["energy_device_uj"].limit + 1, "log_id": "older collector"}
    found = as_json(account(written(tmp_path / "ledger", rows(5, energy_device_uj=7), rows(2, **beyond))))
    assert (found["inferences"], found["rows"]["impossible"]) == (5, 2)
    assert found["exact"]["energy_uj"]["device"] == 35
    assert found["notices"] == ["2 rows are left out: their figures are beyond what a query can take."]


def test_a_clock_of_years_ago_moves_no_span(tmp_path: Path) -> None:
    dead = rows(1, log_id="dead", time_us=FIRST_US - 2000 * DAY_US)
    report = account(written(tmp_path / "ledger", rows(50), dead))
    assert (report.total.inferences, report.span.since_us) == (51, FIRST_US)
    assert "1 rows lie years or months from all others (2021-05-11)" in notices(report)[0]


@pytest.mark.skipif(not shutil.which("java"), reason="Spark needs Java")
def test_spark_finds_what_duckdb_finds(tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    most = BY_NAME["energy_device_uj"].limit
    inventory = tmp_path / "inventory.csv"
    inventory.write_text(INVENTORY + "device-1,device,0.1,400,60,3\n")
    full = rows(5, energy_device_uj=most, device_id="full", time_us=FIRST_US + DAY_US)
    ledger = written(tmp_path / "ledger {1,2}[3]*?", random_rows(4000, 1), full)
    question = {"ledger": str(ledger), "inventory": str(inventory), "since": "2026-11-01T07:30"}
    found = [_in_own_process(question, engine) for engine in ("spark", "duckdb")]
    assert [each.pop("engine") for each in found] == ["spark", "duckdb"]
    assert found[0] == found[1]
    assert found[0]["exact"]["energy_uj"]["device"] > 5 * most


def _in_own_process(question: dict[str, str], engine: str) -> dict[str, Any]:
    """Spark leaves threads and sockets behind that pytest would take for a leak."""
    code = (
        "import json, sys, pathlib; from autoscale.fleet.report import *; "
        "from autoscale.fleet.export.as_json import as_json; "
        "from autoscale.fleet.report.inventory import read_inventory; asked = json.loads(sys.argv[1]); "
        "question = Question(Span.parse(asked['since']), read_inventory(pathlib.Path(asked['inventory']))); "
        "print(json.dumps(as_json(account(asked['ledger'], question, EngineOptions(sys.argv[2], 'local[2]')))))"
    )
    command = [sys.executable, "-c", code, json.dumps(question), engine]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_spans_part_a_ledger_without_overlap(random_ledger: Path) -> None:
    noon = "2026-11-02T12:00:00"
    whole, before, after = (
        account(random_ledger, Question(span)).total
        for span in (Span(), Span.parse("", noon), Span.parse(noon + "+00:00", ""))
    )
    assert before.plus(after) == whole
    assert 0 < before.inferences < whole.inferences


def test_a_span_takes_its_first_microsecond_and_not_its_last(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger", rows(3, time_us=FIRST_US + np.array([0, DAY_US - 1, DAY_US])))
    assert account(ledger, Question(DAY)).total.inferences == 2


def test_rows_the_collector_did_not_take_are_counted(tmp_path: Path) -> None:
    from autoscale.fleet.ledger.manifest import Change
    from autoscale.fleet.ledger.store import Intake

    with Ledger(tmp_path) as opened:
        counts = {"rejected:negative": 2, "rejected:truncated": 1, "duplicate": 5}
        opened.commit(Intake(rows(4), change=Change(counts=counts)))
    found = as_json(account(tmp_path))["rows"]
    assert (found["accepted"], found["duplicate"]) == (4, 5)
    assert found["rejected"] == {"negative": 2, "truncated": 1}


def test_a_half_written_file_is_left_out_and_named(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger", rows(3), rows(4, time_us=FIRST_US + DAY_US))
    broken = read_ledger(ledger).files[0]
    broken.write_bytes(broken.read_bytes()[:100])
    (broken.parent / "stray.parquet").write_bytes(b"PAR1 of no manifest")
    found = as_json(account(ledger))
    assert found["inferences"] == 4
    assert found["rows"]["damaged"] == {broken.relative_to(ledger).as_posix(): 3}


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("2026-11-02", "2026-11-01", "ends at 2026-11-01"),
        ("2026-11-02", "2026-11-02", "ends at"),
        ("yesterday", "", "'yesterday' is no time"),
    ],
)
def test_spans_that_are_none(since: str, until: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Span.parse(since, until)


def test_what_is_no_ledger_or_has_no_rows_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no ledger"):
        account(tmp_path / "missing")
    with Ledger(tmp_path / "empty"):
        pass
    with pytest.raises(InvalidInput, match="'s3://bucket/ledger' is an address of object storage"):
        account("s3://bucket/ledger")


def test_no_query_is_a_report_of_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path / "empty"):
        pass
    ledger = written(tmp_path / "ledger", rows(3))
    inventory = tmp_path / "inventory.csv"
    inventory.write_text(INVENTORY)
    for folder, span in ((tmp_path / "empty", Span()), (ledger, Span.parse("", "2026-10-01")), (ledger, QUIET)):
        report = account(folder, Question(span, read_inventory(inventory)))
        found = as_json(report)
        assert (found["inferences"], found["devices"], found["carbon_kg"]["total"]) == (0, 0, 0.0)
        assert found["exact"]["total_ng"] == {"low": 0, "mid": 0, "high": 0}
        assert any(each.startswith("No query in this span") for each in found["notices"])
        assert "NaN" not in json.dumps(found)
        for export in (as_html, as_codecarbon, as_impact_manifest):
            assert export(report)
    assert as_json(report)["fleet"]["idle_energy_kwh"] > 0.0  # what idles on a quiet day is still there


def test_an_unknown_engine_names_the_nearest(random_ledger: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'duckdb'"):
        account(random_ledger, options=EngineOptions("duckdbb"))


def test_spark_without_java_says_so(random_ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(InvalidInput, match="needs Java"):
        account(random_ledger, options=EngineOptions("spark"))


@pytest.mark.parametrize(
    ("master", "message"),
    [
        ("", "master is ''; allowed: as in local"),
        ("local[x]", "allowed: as in local"),
        ("local[0]", "allowed: as in local"),
        ("spark://127.0.0.1", "allowed: as in local"),
        ("spark://127.0.0.1:1", "nobody answers there"),
        ("spark://127.0.0.1:65536,127.0.0.1:1", "nobody answers there"),
    ],
)
def test_a_spark_that_is_none_is_an_error_at_once(random_ledger: Path, master: str, message: str) -> None:
    pytest.importorskip("pyspark")
    with pytest.raises(InvalidInput, match=re.escape(message)):
        account(random_ledger, options=EngineOptions("spark", master))


def test_a_missing_package_names_its_extra(random_ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtra, match=r"autoscale-inference\[fleet\]"):
        account(random_ledger)


def test_the_report_is_imported_without_its_engines() -> None:
    code = "import sys, autoscale.fleet.report; print([n for n in ('duckdb', 'pyarrow') if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_methods_and_kinds_of_intensity_are_reported(tmp_path: Path) -> None:
    marginal = rows(1, intensity_device_kind="marginal", methods="energy_j.device=measured")
    found = as_json(account(written(tmp_path / "ledger", rows(3), marginal)))["methods"]
    assert found["energy_j.device"] == {"measured": 1, "modelled": 3}
    assert found["intensity of the device"] == {"average": 3, "marginal": 1}
