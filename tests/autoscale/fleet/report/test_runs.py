"""Runs of CodeCarbon's emissions.csv, in the columns of each of its generations."""

from pathlib import Path

import pytest

from autoscale.errors import InvalidInput
from autoscale.fleet.report.life_cycle import read_life_cycle
from autoscale.fleet.report.runs import codecarbon_runs

OF_2021 = (
    "timestamp,experiment_id,project_name,duration,emissions,energy_consumed,country_name,country_iso_code,region,"
    "on_cloud,cloud_provider,cloud_region"
)
OF_2 = (
    "timestamp,project_name,run_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,cpu_energy,gpu_energy,"
    "ram_energy,energy_consumed,country_name,country_iso_code,region,cloud_provider,cloud_region,os,python_version,"
    "codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,tracking_mode,on_cloud,"
    "pue"
)
OF_3 = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_utilization_percent,"
    "ram_utilization_percent,ram_used_gb,cpu_power,gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,"
    "water_consumed,country_name,country_iso_code,region,cloud_provider,cloud_region,os,python_version,codecarbon_version,"
    "cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,tracking_mode,on_cloud,pue,wue"
)
HERE = {
    "timestamp": "2024-05-27T10:49:55",
    "project_name": "train",
    "country_name": "France",
    "country_iso_code": "FRA",
    "cpu_model": '"Xeon(R), 2.20GHz"',
    "on_cloud": "N",
}


def line(header: str, **values: str | float) -> str:
    given = HERE | values
    return ",".join(str(given.get(name, "")) for name in header.split(","))


def written(folder: Path, header: str, *lines: str) -> Path:
    path = folder / "emissions.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("header", [OF_2021, OF_2, OF_3], ids=["2021", "2", "3"])
def test_every_generation_of_columns_is_read(tmp_path: Path, header: str) -> None:
    first = line(header, run_id="a", experiment_id="one", duration=3600.5, emissions=0.05, energy_consumed=1.0)
    second = line(header, run_id="b", experiment_id="one", duration=2, emissions=0, energy_consumed=0.5)
    runs = codecarbon_runs(written(tmp_path, header, first, second))
    assert [(each.energy_kwh, each.duration_s, each.logged_g, each.year) for each in runs] == [
        (1.0, 3600.5, 50.0, 2024),
        (0.5, 2.0, 0.0, 2024),
    ]
    assert all(each.place is not None and each.place.code == "FRA" for each in runs)


def test_what_was_flushed_of_a_run_is_not_more_of_it(tmp_path: Path) -> None:
    flushed = [
        line(OF_3, run_id=run, duration=10 * so_far, emissions=0.01 * so_far, energy_consumed=0.1 * so_far)
        for run, so_far in (("a", 1), ("b", 1), ("a", 3), ("a", 2))  # sorted anew, or put together from files
    ]
    runs = codecarbon_runs(written(tmp_path, OF_3, *flushed))
    assert [each.duration_s for each in runs] == [30.0, 10.0]


def test_tasks_of_one_run_are_runs(tmp_path: Path) -> None:
    header = f"task_name,{OF_2}".removesuffix(",pue")
    tasks = [line(header, task_name=name, run_id="a", duration=5, emissions=0, energy_consumed=1) for name in "xy"]
    assert len(codecarbon_runs(written(tmp_path, header, *tasks))) == 2


def test_a_building_that_is_in_the_energy_is_not_added_again(tmp_path: Path) -> None:
    written(tmp_path, OF_2, line(OF_2, run_id="a", duration=5, emissions=0.1, energy_consumed=1.5, pue=1.5))
    given = '[phases.training]\ncodecarbon = "emissions.csv"\nintensity_g_per_kwh = 100\n'
    for pue, grams in (("", 150.0), ("pue = 1.1", 110.0)):
        (tmp_path / "life.toml").write_text(given + pue)
        (phase,) = read_life_cycle(tmp_path / "life.toml").phases
        assert phase.operational_g == pytest.approx(grams)


def test_a_shifted_row_is_not_taken_for_one_of_another_project(tmp_path: Path) -> None:
    good = line(OF_3, run_id="a", duration=5, emissions=0.1, energy_consumed=1)
    for shifted, values in ((f"x,{good}", 38), (good.replace(",train", "", 1), 36)):
        with pytest.raises(InvalidInput, match=f"line 3: {values} values; allowed: 37"):
            codecarbon_runs(written(tmp_path, OF_3, good, shifted), "train")


def test_rows_that_are_none_are_all_named(tmp_path: Path) -> None:
    good = {"duration": 5, "emissions": 0.1, "energy_consumed": 1}
    lines = (
        line(OF_2, **good),
        line(OF_2, **(good | {"emissions": 400})),  # grams
        line(OF_2, **(good | {"energy_consumed": "nan"})),
        line(OF_2, **(good | {"timestamp": "yesterday"})),
        line(OF_2, **(good | {"pue": 0.5})),
        line(OF_2, **good).replace(",,", ",", 1),  # appended without a column that was empty
        line(OF_2, **(good | {"energy_consumed": 360_000})),  # joules
        line(OF_2, **(good | {"duration": -1})),
    )
    with pytest.raises(InvalidInput) as refused:
        codecarbon_runs(written(tmp_path, OF_2, *lines))
    told = str(refused.value)
    for each in (
        "line 3: emissions are 400 kg of 1 kWh; allowed: up to 3 kg/kWh",
        "line 4: energy_consumed is 'nan'",
        "line 5: timestamp is 'yesterday'",
        "line 6: pue is '0.5'",
        "line 7: 30 values; allowed: 31",
        "and 2 more",
    ):
        assert each in told
    assert "line 2" not in told


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_log_that_a_spreadsheet_saved_is_the_same_log(tmp_path: Path, encoding: str) -> None:
    given = {"run_id": "a", "duration": 3600.5, "emissions": 0.05, "energy_consumed": 1.5, "pue": 1.2, "region": "Île"}
    plain = codecarbon_runs(written(tmp_path, OF_2, line(OF_2, **given)))
    cells = [str((HERE | given).get(name, "")).replace(".", ",") for name in OF_2.split(",")]
    saved = tmp_path / "saved.csv"
    saved.write_bytes("\r\n".join((OF_2.replace(",", ";"), ";".join(cells), "")).encode(encoding))
    assert codecarbon_runs(saved) == plain


def saved(folder: Path, **values: str) -> Path:
    """A log of one run as a spreadsheet saved it."""
    given = HERE | {"duration": "3600", "emissions": "0,5", "energy_consumed": "1,2"} | values
    names = OF_2021.split(",")
    path = folder / "saved.csv"
    path.write_text("\n".join((";".join(names), ";".join(given.get(name, "") for name in names), "")), "utf-8")
    return path


@pytest.mark.parametrize("timestamp", ["27.05.2024 10:49", "5/27/2024 10:49", "3/4/2024 10:49", "2024-05-27 10:49"])
def test_the_year_of_a_run_is_read_from_any_countrys_date(tmp_path: Path, timestamp: str) -> None:
    assert [each.year for each in codecarbon_runs(saved(tmp_path, timestamp=timestamp))] == [2024]


def test_thousands_are_told_from_decimals_by_the_logs_other_numbers(tmp_path: Path) -> None:
    (run,) = codecarbon_runs(saved(tmp_path, emissions="1.050,5", energy_consumed="2.101"))
    assert (run.logged_g, run.energy_kwh) == (1050500.0, 2101.0)
    (run,) = codecarbon_runs(saved(tmp_path, emissions="1.0505", energy_consumed="2.101"))
    assert (run.logged_g, run.energy_kwh) == (1050.5, 2.101)
    with pytest.raises(InvalidInput, match=r"line 2: emissions is '1\.050' may be thousands or decimals"):
        codecarbon_runs(saved(tmp_path, emissions="1.050", energy_consumed="2.101"))
    with pytest.raises(InvalidInput, match=r"'2\.1' has a decimal point, and others a comma"):
        codecarbon_runs(saved(tmp_path, emissions="1,05", energy_consumed="2.1"))
