"""``autoscale carbon``, as people and scripts run it, against real files and a real server."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from autoscale import cli
from autoscale.carbon import YearlyAverages
from autoscale.carbon.intensity.places import Places
from tests.autoscale.carbon.replay_parts import Replay, carbon_aware_sdk, replaying

KEYS = ("ELECTRICITY_MAPS_TOKEN", "WATTTIME_USER", "WATTTIME_PASSWORD", "CARBON_AWARE_SDK_URL", "CARBON_AWARE_SDK_KIND")
NOON = "2024-05-01T12:10Z"
Run = Callable[..., "Done"]


@pytest.fixture
def replay() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


@dataclass(frozen=True)
class Done:
    """How the command line ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The command line with this command alone, in this process."""
    point = EntryPoint("carbon", "autoscale.carbon.carbon_command:carbon", cli.GROUP)
    monkeypatch.setattr(cli, "entry_points", lambda group: [point])
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    kept = {"COLUMNS": "160", "no_proxy": "127.0.0.1", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*arguments: object, **environment: str) -> Done:
        for name, value in {**kept, **environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["autoscale", "carbon", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return Done(int(end.value.code or 0), printed.out, printed.err)

    return run


def document(run: Run, *arguments: object, **environment: str) -> Any:
    done = run(*arguments, "--json", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def sdk(replay: Replay) -> dict[str, str]:
    carbon_aware_sdk(replay)
    return {"CARBON_AWARE_SDK_URL": replay.url, "CARBON_AWARE_SDK_KIND": "marginal"}


def test_a_place_has_its_yearly_average_with_range_kind_method_and_source(run: Run) -> None:
    printed = document(run, "intensity", "france", "--at", "2026-11-21T11:00+01:00")
    average = YearlyAverages().at("FR", 0.0)
    assert (printed["g_per_kwh"], printed["high_g_per_kwh"]) == (average.g_per_kwh, average.high_g_per_kwh)
    assert (printed["kind"], printed["method"], printed["time"]) == ("average", "default", "2026-11-21T10:00:00Z")
    assert "2023" in printed["source"]
    assert printed["trouble"] is None
    shown = run("intensity", "france").stdout
    assert "31 gCO2e/kWh (29.14 to 56.04), average" in shown
    assert "an average stands in" in shown


def test_without_a_place_every_place_and_source_is_listed(run: Run) -> None:
    printed = document(run, "intensity")
    codes = {each["code"] for each in printed["places"]}
    assert {"DEU", "us-east-1", "eastus", "us-east1", "US-CAL-CISO"} <= codes
    assert len(codes) == len(Places.shipped().entries())
    sources = {each["name"]: each for each in printed["sources"]}
    assert sources["watttime"]["needs"] == ["WATTTIME_USER", "WATTTIME_PASSWORD"]
    assert all(each["what"] for each in sources.values())
    assert "aws:us-east-1" in run("intensity").stdout


def test_a_forecast_marks_the_greenest_hours(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "hours.csv"
    figures = (300, 280, 120, 120, 200)
    path.write_text("time,g_per_kwh\n" + "".join(f"2026-01-01T0{hour}:00,{g}\n" for hour, g in enumerate(figures)))
    asked = ("intensity", "DE", "--source", path, "--at", "2026-01-01T01:30Z", "--forecast", 3, "--kind", "marginal")
    printed = document(run, *asked)
    assert (printed["g_per_kwh"], printed["kind"], printed["method"]) == (280.0, "marginal", "measured")
    rows = [(each["holds_from"][11:13], each["is_greenest"], each["method"]) for each in printed["forecast"]]
    assert rows == [
        ("01", False, "modelled"),
        ("02", True, "modelled"),
        ("03", True, "modelled"),
        ("04", False, "modelled"),
    ]
    assert run(*asked).stdout.count("greenest") == 2


def test_what_a_file_does_not_hold_is_reported_and_replaced(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "hours.csv"
    path.write_text("time,g_per_kwh,zone\n2026-01-01T00:00Z,300,ES\n")
    printed = document(run, "intensity", "DE", "--source", path, "--at", "2026-01-01")
    assert printed["method"] == "default"
    assert "'ES' from 2026-01-01T00:00:00Z to 2026-01-01T01:00:00Z" in printed["trouble"]
    assert "yearly average of Germany in 2025 stands in" in printed["trouble"]
    assert "No forecast" in run("intensity", "DE", "--source", path, "--forecast", "4").stdout


def test_a_live_source_answers_and_forecasts(run: Run, replay: Replay) -> None:
    asked = ("intensity", "azure:eastus", "--source", "carbon-aware-sdk", "--at", NOON, "--forecast", "4")
    printed = document(run, *asked, **sdk(replay))
    assert (printed["g_per_kwh"], printed["kind"], printed["trouble"]) == (70.0, "marginal", None)
    assert printed["source"].startswith("carbon-aware-sdk, eastus")
    assert [each["g_per_kwh"] for each in printed["forecast"]] == [448.4] * 3


def test_a_live_source_that_does_not_answer_is_explained_and_replaced(run: Run, replay: Replay) -> None:
    environment = sdk(replay)
    replay.says("/emissions/bylocation", {}, 503)
    done = run("intensity", "azure:eastus", "--source", "carbon-aware-sdk", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    shown = " ".join(done.stdout.split())
    assert "answered 503" in shown
    assert "the yearly average of US-MIDA-PJM in 2025 stands in" in shown


def test_a_place_that_nobody_knows_gets_a_hint_beside_the_world(run: Run, replay: Replay) -> None:
    printed = document(run, "intensity", "estus", "--source", "carbon-aware-sdk", **sdk(replay))
    assert "average of World in 2025 stands in (unknown place 'estus' (did you mean" in printed["trouble"]


def test_a_time_that_a_live_source_does_not_tell_is_reported(run: Run, replay: Replay) -> None:
    asked = ("intensity", "eastus", "--source", "carbon-aware-sdk", "--at", "2020-01-01")
    printed = document(run, *asked, **sdk(replay))
    assert printed["method"] == "default"
    assert "tells the last hours and the next, not that time" in printed["trouble"]


def test_a_footprint_says_which_method_and_why(run: Run) -> None:
    printed = document(run, "footprint", "mi8pro")
    assert printed["kg"]["low"] < printed["kg"]["mid"] < printed["kg"]["high"]
    assert printed["basis"] == "reported"
    assert "covers the whole machine" in printed["why"]
    assert len(printed["parts"]) == 3
    assert sum(each["kg"]["mid"] for each in printed["parts"]) < printed["kg"]["mid"]
    assert "an hour reserved, g CO2e" in run("footprint", "mi8pro").stdout


def test_an_hour_carries_its_share_of_the_life(run: Run) -> None:
    given = ("footprint", "poweredge-r740", "--lifetime-years", "5")
    whole = document(run, *given)
    part = document(run, *given, "--share", "0.25", "--utilisation", "0.5")
    assert whole["g_per_hour"]["mid"] == pytest.approx(1356.5e3 / (5 * 365.25 * 24), rel=1e-3)
    assert part["g_per_hour"]["mid"] == pytest.approx(whole["g_per_hour"]["mid"] / 2)
    assert whole["lifetime_years"] == {"low": 5.0, "mid": 5.0, "high": 5.0}


def test_scis_worked_value(run: Run) -> None:
    printed = document(run, "footprint", "--kg", "1000", "--lifetime-years", "4")
    assert round(printed["g_per_hour"]["mid"], 1) == 28.5


def test_a_bill_of_materials_of_ones_own_is_summed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    head = 'schema = 1\ntitle = "Mine"\nkind = "server"\nsource = "me"\n'
    path.write_text(
        head + '[[parts]]\nname = "disk"\ndisk = "exos_x16"\ncapacity_gb = 16000\npackages = 0\ncount = 2\n'
    )
    printed = document(run, "footprint", path)
    assert (printed["title"], printed["basis"]) == ("Mine", "bottom-up")
    assert printed["kg"]["mid"] == pytest.approx(2 * 16 * 1.334)
    assert printed["parts"][0]["count"] == 2


def test_without_a_thing_every_thing_is_listed(run: Run) -> None:
    names = [each["name"] for each in document(run, "footprint")]
    assert {"fairphone-3", "poweredge-r740", "base-station", "mi8pro", "fairphone-3-chips"} <= set(names)
    assert "poweredge-r740-lca" in run("footprint").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("intensity", "Grmany"), "did you mean 'germany'"),
        (("intensity", "DE", "--source", "nesso"), "did you mean 'neso'"),
        (("intensity", "DE", "--source", "csv"), "--source hours.csv"),
        (("intensity", "DE", "--source", "absent.csv"), "absent.csv"),
        (("intensity", "DE", "--source", "electricity-maps"), "ELECTRICITY_MAPS_TOKEN"),
        (("intensity", "DE", "--source", "watttime"), "WATTTIME_USER"),
        (("intensity", "DE", "--source", "carbon-aware-sdk"), "CARBON_AWARE_SDK_KIND"),
        (("intensity", "DE", "--at", "tomorrow"), "--at is 'tomorrow'"),
        (("intensity", "DE", "--kind", "marginl"), "did you mean 'marginal'"),
        (("footprint", "fairfone-3"), "did you mean 'fairphone-3'"),
        (("footprint", "absent.toml"), "absent.toml"),
        (("footprint", "--kg", "5"), "with --lifetime-years"),
        (("footprint", "--kg", "nan", "--lifetime-years", "3"), "--kg"),
        (("footprint", "pixel-7", "--kg", "5"), "both 'pixel-7' and --kg 5"),
        (("footprint", "pixel-7", "--lifetime-years", "0"), "--lifetime-years is 0"),
        (("footprint", "pixel-7", "--share", "2"), "share is 2"),
        (("footprint", "pixel-7", "--utilisation", "0"), "utilisation is 0"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
