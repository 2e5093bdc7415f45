"""Files of hourly intensities with rows whose figure is empty: how long the others hold, which hours are missing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from autoscale.carbon.intensity.hourly import HourlyIntensity
from autoscale.carbon.intensity.hourly_csv import read_intensity_csv
from autoscale.query.outcome import Method

HOUR_S = 3600.0
START_S = datetime(2022, 1, 1, tzinfo=UTC).timestamp()


def hours(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["time,g_per_kwh", *rows, ""]))
    return path


@pytest.mark.parametrize("count", [3, 25])
def test_every_other_hour_without_a_figure_is_missing(tmp_path: Path, count: int) -> None:
    rows = (
        f"{datetime.fromtimestamp(START_S + i * HOUR_S, UTC).isoformat()},{'' if i % 2 else i}" for i in range(count)
    )
    source = HourlyIntensity(hours(tmp_path / "a.csv", *rows), place="FR")
    seen = [source.at("FR", START_S + i * HOUR_S) for i in range(count)]
    assert [each.g_per_kwh for each in seen] == pytest.approx(list(range(count)))
    assert [each.method for each in seen] == [Method.MODELLED if i % 2 else Method.MEASURED for i in range(count)]
    assert source.spans_s == {"FR": (START_S, START_S + count * HOUR_S)}


def test_each_zone_has_its_own_step_and_one_without_a_figure_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    steps = [("FR", 60, "5"), ("FR", 120, ""), ("DE", 60, "7"), ("DE", 75, ""), ("DE", 90, "9"), ("ES", 60, "")]
    path.write_text(
        "time,g_per_kwh,zone\n" + "".join(f"2022-01-01T0{m // 60}:{m % 60:02},{g},{z}\n" for z, m, g in steps)
    )
    assert {zone: each.step_s for zone, each in read_intensity_csv(path).items()} == {"FR": HOUR_S, "DE": HOUR_S / 4}


def test_a_file_lacks_an_hour_between_its_figures_only(tmp_path: Path) -> None:
    rows = ("2022-01-01T00:00,", "2022-01-01T01:00,1", "2022-01-01T02:00,", "2022-01-01T09:00,2", "2022-01-01T10:00,")
    source = HourlyIntensity(hours(tmp_path / "a.csv", *rows), place="FR")
    assert [hour for hour in range(12) if source.lacks("FR", START_S + hour * HOUR_S)] == list(range(2, 9))
    assert not source.lacks("DE", START_S + 4 * HOUR_S)
