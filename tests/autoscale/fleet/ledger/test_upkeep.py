"""Hourly sums equal the rows to the nanogram; retention leaves them, erasure takes a device out of all."""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from autoscale.errors import InvalidInput
from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.export.html.page import as_html
from autoscale.fleet.fleet_command import fleet
from autoscale.fleet.ledger import new_files, store
from autoscale.fleet.ledger.erasure import Erasure, forget, retain
from autoscale.fleet.ledger.ledgers import of_one_list
from autoscale.fleet.ledger.log_state import LogState
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.store import Intake, Ledger
from autoscale.fleet.ledger.validation import Rules, validate
from autoscale.fleet.ledger.verification import verify
from autoscale.fleet.ledger.view import LedgerView, read_ledger
from autoscale.fleet.report import EngineOptions, Question, Report, Span, account
from autoscale.fleet.report.account import accounted
from autoscale.fleet.report.decisions import decisions
from autoscale.fleet.report.inventory import read_inventory
from tests.autoscale.fleet.ledger_parts import FIRST_US, random_rows, rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)

SAME = ("exact", "by", "inferences", "devices", "counterfactuals", "methods", "span", "savings", "growth")
NOON = "2026-11-02T12:00"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three days; of the larger commit there are sums, of the smaller there are none."""
    monkeypatch.setattr(new_files, "ROLL_UP_ROWS", 500)
    return written(tmp_path / "ledger", random_rows(3000, 1), random_rows(200, 2))


def figures(ledger: Path, span: Span | None = None, sums: bool = False, **question: Any) -> dict[str, Any]:
    asked = Question(span or Span(), from_sums=sums, **question)
    return as_json(account(ledger, asked, EngineOptions(threads=2)))


def folders(ledger: Path) -> dict[str, int]:
    entries = read_ledger(ledger).entries.values()
    return {name: sum(each.folder == name for each in entries) for name in ("records", "sums", "devices")}


@pytest.mark.parametrize("until", ["", NOON, "2026-11-02T12:00:01"])
def test_sums_tell_what_rows_do(ledger: Path, until: str) -> None:
    assert folders(ledger) == {"records": 6, "sums": 3, "devices": 3}
    span = Span.parse("2026-11-01T03:00", until)
    rows_say, sums_say = figures(ledger, span), figures(ledger, span, sums=True)
    for name in SAME:
        assert sums_say[name] == rows_say[name]


def test_where_sums_are_damaged_their_rows_are_read(ledger: Path) -> None:
    before = figures(ledger)
    for path in [*ledger.rglob("*.sums"), *ledger.rglob("*.devices")][1:]:
        path.write_bytes(b"x" * path.stat().st_size)
    after = figures(ledger, sums=True)
    assert (after["exact"], after["devices"]) == (before["exact"], before["devices"])
    assert len(after["rows"]["damaged"]) == 5
    assert "5 files of sums are damaged: the rows are read in their place." in after["notices"]


def test_sums_are_merged_with_their_rows(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = figures(ledger)
    monkeypatch.setattr(store, "MANY", 1)
    with Ledger(ledger) as opened:
        for day in opened.crowded_days():
            opened.compact(day)
    assert folders(ledger) == {"records": 3, "sums": 3, "devices": 3}
    for sums in (False, True):
        assert figures(ledger, sums=sums)["exact"] == before["exact"]


def test_aged_rows_leave_their_sums_and_no_device(ledger: Path) -> None:
    before = figures(ledger)
    with Ledger(ledger) as opened:
        with pytest.raises(InvalidInput, match="days is 0"):
            retain(opened, 0)
        done = retain(opened, 1, datetime(2026, 11, 4, tzinfo=UTC))
        assert retain(opened, 1, datetime(2026, 11, 4, tzinfo=UTC)).rows == 0
    after = figures(ledger)
    for name in ("exact", "by", "counterfactuals", "methods", "growth"):
        assert after[name] == before[name]
    assert after["rows"]["aged"] == done.rows > 1000
    assert any("names" in each or "not named any more" in each for each in after["notices"])
    assert folders(ledger) == {"records": 2, "sums": 5, "devices": 1}
    assert verify(ledger).is_whole
    early = [each for each in ledger.rglob("*") if "day=2026-11-01" in str(each) and each.is_file()]
    assert {each.parts[-3] for each in early} == {"sums"}


def test_a_ledger_whose_name_is_a_pattern_is_read_and_summed_alone(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ledger.parent)
    before, odd = figures(ledger)["exact"], Path("~all[-_]o?-*")
    for each in (odd, "~all-of-them", "~all_of-them"):
        shutil.copytree(ledger, each)
    assert figures(odd, sums=True)["exact"] == figures(odd)["exact"] == before
    with Ledger(odd) as opened:
        assert retain(opened, 1, datetime(2026, 11, 9, tzinfo=UTC)).rows == 3200
        roll_up_months(opened, datetime(2027, 11, 9, tzinfo=UTC))
    assert figures(odd)["exact"] == before


def test_an_inventory_of_aged_rows_spreads_what_no_device_is_named_for(ledger: Path, tmp_path: Path) -> None:
    lines = "".join(f"device-{n},1,5,3\n" for n in range(40))
    (tmp_path / "fleet.csv").write_text("device_id,idle_power_w,making_kg,life_years\n" + lines)
    machines = read_inventory(tmp_path / "fleet.csv")
    before = account(ledger, Question(inventory=machines)).fleet
    with Ledger(ledger) as opened:
        retain(opened, 1, datetime(2026, 11, 9, tzinfo=UTC))
    report = account(ledger, Question(inventory=machines))
    after = report.fleet
    assert before is not None
    assert after is not None
    assert as_json(report)["fleet"]["never_reported"] is None  # whose the sums are nobody can tell
    assert "40 of 40 machines in no row, and may have sent sums" in as_html(report)
    assert after.idle_energy_uj == pytest.approx(before.idle_energy_uj, rel=1e-6)
    assert after.unallocated_ng.mid == pytest.approx(before.unallocated_ng.mid, rel=1e-3)


def test_a_device_is_forgotten_everywhere(ledger: Path) -> None:
    junk = [b"..device-3..", b"..other.."]
    bad = rows(2, device_id=["device-3", "other"], log_id=["l", "m"], probability_ppb=2**40)
    change = Change(
        logs={("device-3", "l"): LogState(5), ("other", "m"): LogState(5)},
        counts={"rejected:out_of_range": 2, "rejected:truncated": 2},
    )
    unreadable = {sha256(each).hexdigest(): (each, 1) for each in junk}
    with Ledger(ledger) as opened:
        opened.commit(Intake(bad, validate(bad, Rules(), FIRST_US), unreadable, change))
    before = figures(ledger)
    ids = [each.texts["device_id"] for each in (random_rows(3000, 1), random_rows(200, 2))]
    theirs = sum(np.array(each.words)[each.codes].tolist().count("device-3") for each in ids)
    with Ledger(ledger) as opened:
        done = forget(opened, "device-3")
        assert opened.manifest.log(("device-3", "l")) is None
        assert opened.manifest.log(("other", "m")) is not None
        assert forget(opened, "device-3").rows == 0
    assert (done.rows, done.quarantined) == (theirs, 2)
    assert not (ledger / "quarantine" / f"{sha256(junk[0]).hexdigest()}.batch").exists()
    for sums in (False, True):
        after = figures(ledger, sums=sums)
        assert (after["inferences"], after["devices"]) == (before["inferences"] - theirs, before["devices"] - 1)
        assert after["rows"]["damaged"] == {}
        assert after["rows"]["forgotten"] == theirs
        assert after["rows"]["rejected"] == {"out_of_range": 1, "truncated": 1}
    assert verify(ledger).is_whole


def test_what_is_interrupted_has_not_happened(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = figures(ledger)
    with Ledger(ledger) as opened:
        monkeypatch.setattr(opened, "roll_up", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            forget(opened, "device-3")
    with Ledger(ledger):  # cleans up
        pass
    assert figures(ledger)["exact"] == before["exact"]
    assert verify(ledger).is_whole


def test_the_commands(ledger: Path) -> None:
    run = CliRunner()
    listed = run.invoke(fleet, ["files", str(ledger), "--kind", "sums"])
    assert [Path(line).parts[-3] for line in listed.stdout.split()] == ["sums"] * 3
    assert run.invoke(fleet, ["forget", str(ledger), "device-1"]).output.endswith("files removed\n")
    assert "aged into hourly sums" in run.invoke(fleet, ["retain", str(ledger), "--days", "1"]).output
    assert figures(ledger)["inferences"] > 0
    assert isinstance(run.invoke(fleet, ["retain", "s3://b/l", "--days", "1"]).exception, InvalidInput)
    assert isinstance(run.invoke(fleet, ["forget", str(ledger / "none"), "x"]).exception, InvalidInput)


def test_what_the_commands_did_is_json_for_scripts(ledger: Path, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[dict[str, Any], str]:
        done = CliRunner().invoke(fleet, [*words, "--json"])
        return json.loads(done.stdout), done.stderr

    assert run("forget", str(ledger), "device-1")[0]["rows"] > 0
    nothing, told = run("forget", str(ledger), "device-1")
    assert nothing == {"rows": 0, "quarantined": 0, "files": 0, "damaged": []}
    assert told == "no row of 'device-1' was there; allowed: a device_id as in its rows, in full\n"
    copied, told = run("export", str(ledger), str(tmp_path / "copies"))
    assert copied["rows"] == run("retain", str(ledger), "--days", "1")[0]["rows"] > 0
    assert told == ""
    assert "'--kind sums' has them" in run("export", str(ledger), str(tmp_path / "copies"))[1]
    assert run("export", str(ledger), str(tmp_path / "copies"), "--kind", "sums")[0]["files"] > 0


def of_a_moved_device(folder: Path) -> list[Path]:
    """A device that was moved to another collector, and sent again what had no answer yet."""
    whole = rows(10, time_us=FIRST_US + np.arange(10) * 1000, energy_device_uj=np.arange(10), sequence=np.arange(10))
    for name, part, state in (("a", np.arange(6), LogState(5)), ("b", np.arange(4, 10), LogState(9, ((0, 3),)))):
        with Ledger(folder / name) as opened:
            opened.commit(Intake(whole.take(part), change=Change(logs={("a", "log"): state})))
    return [folder / "a", folder / "b"]


def test_rows_that_came_into_two_ledgers_count_once(tmp_path: Path) -> None:
    found = as_json(account(of_a_moved_device(tmp_path)))
    assert (found["inferences"], found["exact"]["energy_uj"]["device"]) == (10, 45)
    assert (found["rows"]["repeated"], found["rows"]["missing"]) == (2, 0)
    assert any("in more than one of the ledgers" in each for each in found["notices"])


def test_a_decision_that_came_into_two_ledgers_is_shown_once(tmp_path: Path) -> None:
    shown = decisions(of_a_moved_device(tmp_path), Question())
    assert sorted(each["energy_device_uj"] for each in shown) == list(range(10))


def test_who_reads_the_files_is_told_what_they_lack_and_what_is_in_them_twice(ledger: Path, tmp_path: Path) -> None:
    run = CliRunner()
    whole = run.invoke(fleet, ["files", str(ledger)])
    assert (whole.stderr, len(whole.stdout.splitlines())) == ("", 6)
    next(ledger.glob("records/*/*.parquet")).unlink()
    lacking = run.invoke(fleet, ["files", str(ledger)])
    assert "damaged or gone, and left out: records/day=" in lacking.stderr
    assert len(lacking.stdout.splitlines()) == 5
    shared = run.invoke(fleet, ["files", *map(str, of_a_moved_device(tmp_path))])
    assert "up to 2 queries are in files of more than one ledger" in shared.stderr


def test_what_cannot_be_told_apart_in_two_ledgers_is_said(tmp_path: Path) -> None:
    ledgers = of_a_moved_device(tmp_path)
    with Ledger(ledgers[0]) as opened:
        retain(opened, 1, datetime(2026, 11, 4, tzinfo=UTC))
    found = as_json(account(ledgers))
    assert (found["inferences"], found["rows"]["missing"]) == (12, 0)
    assert any(each.startswith("Up to 2 queries count more than once") for each in found["notices"])


@pytest.mark.parametrize("aged", [(0,), (1,), (0, 1)])
def test_rows_that_were_aged_in_a_copy_count_once(ledger: Path, tmp_path: Path, aged: tuple[int, ...]) -> None:
    before, copy = figures(ledger), tmp_path / "copy"
    shutil.copytree(ledger, copy)
    for each in aged:
        with Ledger((ledger, copy)[each]) as opened:
            gone = retain(opened, 1, datetime(2026, 11, 4, tzinfo=UTC)).rows
    found = as_json(account([ledger, copy]))
    assert found["exact"] == before["exact"]
    assert found["rows"]["repeated"] == 3200
    assert found["rows"]["aged"] == (gone if aged == (0, 1) else 0)
    assert not any("more than once" in each for each in found["notices"])


@pytest.mark.parametrize("is_strict", [False, True])
def test_a_report_of_rows_that_are_aged_meanwhile_begins_anew(ledger: Path, is_strict: bool) -> None:
    question, views = Question(is_strict=is_strict), list[LedgerView]()
    before = account(ledger, question).total

    def made(view: LedgerView) -> Report:
        views.append(view)
        if len(views) == 1:
            with Ledger(ledger) as opened:
                retain(opened, 1, datetime(2026, 11, 4, tzinfo=UTC))
        return accounted([ledger], view, question, EngineOptions())

    found = of_one_list([ledger], made)
    assert (len(views), found.total, found.ledger_view.damaged) == (2, before, ())


def test_of_two_rewrites_at_once_one_waits_or_is_told(ledger: Path) -> None:
    told: list[str] = []

    def rewrite(work: Callable[[Ledger], Erasure]) -> int:
        for _ in range(1000):
            try:
                with Ledger(ledger) as opened:
                    return work(opened).rows
            except InvalidInput as error:
                told.append(str(error))
                time.sleep(0.01)
        return -1

    today = datetime(2026, 11, 3, tzinfo=UTC)
    works = [*(partial(forget, device_id=f"device-{each}") for each in range(4)), partial(retain, days=1, today=today)]
    with ThreadPoolExecutor(len(works)) as pool:
        taken = list(pool.map(rewrite, works))
    assert all("is in use by process" in each for each in told)
    assert min(taken) >= 0
    view = read_ledger(ledger)
    assert (view.counts["forgotten"], view.counts["aged"]) == (sum(taken[:4]), taken[4])
    assert sum(each.rows for each in view.entries.values() if each.is_rows) == 3200 - sum(taken)
    assert account(ledger).total.inferences == 3200 - sum(taken[:4])
    assert verify(ledger).is_whole
