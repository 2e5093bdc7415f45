"""``autoscale carbon intensity`` on a file with a hole: what it says of an hour within it, beside it and outside."""

import json
from pathlib import Path

import pytest

from autoscale.carbon.intensity_command import intensity


@pytest.mark.parametrize(
    ("clock", "trouble"),
    [
        ("00:30", None),
        ("04:00", "the hour of 2022-01-01T04:00:00Z is missing in the file; the yearly average of France in 2022"),
        ("09:00", "the file tells of 'FR' from 2022-01-01T00:00:00Z to 2022-01-01T09:00:00Z; the yearly average"),
    ],
)
def test_an_hour_in_a_long_hole_is_reported_as_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clock: str, trouble: str | None
) -> None:
    path = tmp_path / "hours.csv"
    rows = (f"2022-01-01T0{hour}:00Z,{'' if 2 <= hour <= 7 else 50},FR\n" for hour in range(9))
    path.write_text("time,g_per_kwh,zone\n" + "".join(rows))
    intensity("FR", str(path), f"2022-01-01T{clock}Z", as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["trouble"] or "").startswith(trouble or "")
    assert (printed["trouble"] is None) == (printed["method"] == "measured") == (trouble is None)
