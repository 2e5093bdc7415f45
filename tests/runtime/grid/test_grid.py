"""The grids behind a session: who tells, what the battery holds, what a remote machine says of itself."""

import json
import logging
import math
import threading
from pathlib import Path
from time import sleep

import pytest

from autoscale.carbon import Electricity, GivenIntensity, Intensity, IntensitySource, YearlyAverages
from autoscale.carbon.intensity.charge_mix import EFFICIENCY
from autoscale.errors import InvalidInput, TraceError, UnknownName
from autoscale.query.observation import Observation
from autoscale.query.outcome import Method
from autoscale_runtime.grid.charge import ChargeLog, charge_file
from autoscale_runtime.grid.watch import GridWatch, ReportedGrid
from tests.waiting import LONGEST_WAIT_S, until

NIGHT, NOON = 100.0, 400.0
HOUR_S = 3600.0


class ByHour(IntensitySource):
    """100 g/kWh in the first twelve hours of a day, 400 in the others, measured."""

    def __init__(self, kind: str = "average") -> None:
        self.kind = "average" if kind == "average" else "marginal"

    def at(self, place: str, time_s: float) -> Intensity:
        g = NIGHT if time_s / HOUR_S % 24 < 12 else NOON
        return Intensity(g, g, g, self.kind, "by hour", time_s, Method.MEASURED)


def update(
    log: ChargeLog, charge: float, hour: float, is_charging: bool | None = False, kind: str = "average"
) -> float:
    return log.update(ByHour(kind), "FR", charge, is_charging, hour * HOUR_S).g_per_kwh


def test_on_the_socket_the_grid_counts_and_off_it_what_was_charged() -> None:
    log = ChargeLog(None)
    assert update(log, 0.5, 1.0, is_charging=True) == pytest.approx(NIGHT / EFFICIENCY)
    assert update(log, 1.0, 2.0, is_charging=True) == pytest.approx(NIGHT / EFFICIENCY)
    assert update(log, 1.0, 14.0, is_charging=True) == pytest.approx(NOON / EFFICIENCY)  # full: the socket feeds it
    assert update(log, 0.8, 15.0) == pytest.approx(NIGHT / EFFICIENCY)  # at noon, with the night's electricity


def test_a_charge_mixes_with_what_is_left() -> None:
    log = ChargeLog(None)
    update(log, 0.3, 11.0)
    assert update(log, 0.4, 13.0) == pytest.approx((0.3 * NIGHT + 0.1 * (NIGHT + 2 * NOON) / 3) / 0.4 / EFFICIENCY)


def test_the_mix_is_there_again_after_the_app_was_ended(tmp_path: Path) -> None:
    path = tmp_path / "state" / "charge.json"
    update(ChargeLog(path), 0.9, 1.0)
    assert update(ChargeLog(path), 0.5, 20.0) == pytest.approx(NIGHT / EFFICIENCY)
    assert update(ChargeLog(path), 1.0, 44.5) == pytest.approx((0.5 * NIGHT + 0.5 * NOON) / EFFICIENCY)


def test_an_unwatched_charge_came_in_after_the_battery_was_last_seen(tmp_path: Path) -> None:
    log = ChargeLog(tmp_path / "charge.json")
    for half_hour in range(2, 25):
        update(log, 0.5, half_hour / 2)
    again = ChargeLog(tmp_path / "charge.json")
    assert update(again, 1.0, 13.0) == pytest.approx((0.5 * NIGHT + 0.5 * NOON) / EFFICIENCY)


def test_a_charge_that_stays_is_kept_once_an_hour_and_after_the_clock_was_set_back(tmp_path: Path) -> None:
    path, kept_h = tmp_path / "charge.json", []
    for hour in (5.0, 5.5, 5.9, 6.0, 6.5, 2.0, 2.5):
        update(ChargeLog(path), 0.5, hour)
        kept_h.append(json.loads(path.read_text())["time_s"] / HOUR_S)
    assert kept_h == [5.0, 5.0, 5.0, 6.0, 6.0, 2.0, 2.0]


KEPT: dict[str, object] = {
    "version": 1,
    "time_s": 0.0,
    "charge": 0.9,
    "carbon": [1e-4] * 3,
    "kind": "average",
    "method": "default",
}
WRONG: list[dict[str, object]] = [
    {"carbon": [3, 2, 1]},
    {"charge": math.nan},
    {"charge": 10**400},
    {"charge": 7},
    {"time_s": math.nan},
    {"kind": "mean"},
    {"kind": []},
]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', *(json.dumps(KEPT | each) for each in WRONG)])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "charge.json"
    path.write_text(content)
    assert update(ChargeLog(path), 0.5, 13.0) == pytest.approx(NOON / EFFICIENCY)
    assert json.loads(path.read_text())["charge"] == 0.5


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = ChargeLog(tmp_path / "file" / "charge.json")
    assert [update(log, 0.5, 1.0), update(log, 0.4, 2.0)] == pytest.approx([NIGHT / EFFICIENCY] * 2)


def test_after_a_change_from_average_to_marginal_the_mix_begins_anew() -> None:
    log = ChargeLog(None)
    update(log, 0.5, 1.0)
    assert update(log, 0.6, 13.0, kind="marginal") == pytest.approx(NOON / EFFICIENCY)


def test_an_empty_battery_and_a_clock_that_was_set_back_are_no_trouble() -> None:
    log = ChargeLog(None)
    assert update(log, 0.0, 13.0) == pytest.approx(NOON / EFFICIENCY)
    update(log, 0.5, 13.0)
    assert update(log, 0.6, 1.0) > 0.0


def test_the_charge_file_follows_the_users_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert charge_file() == tmp_path / "autoscale" / "charge.json"


def test_places_have_their_own_grids() -> None:
    grids = GridWatch(Electricity("FR", elsewhere={"cloud": "aws:eu-west-1"})).now
    yearly = YearlyAverages()
    assert grids.regions == {"device": "FRA", "network": "FRA", "cloud": "IRL"}
    assert grids.observation.intensity_g_per_kwh == {
        "device": yearly.at("FR", 0.0).g_per_kwh,
        "network": yearly.at("FR", 0.0).g_per_kwh,
        "cloud": yearly.at("IE", 0.0).g_per_kwh,
    }
    assert set(grids.kinds.values()) == {"average"}


def test_where_nobody_configured_where_it_is_the_region_is_not_known_and_the_world_counts() -> None:
    grids = GridWatch(Electricity()).now
    assert (grids.regions, grids.observation.intensity_g_per_kwh["device"]) == ({}, 422.4)


def test_a_far_machines_word_counts_and_stays() -> None:
    watch = GridWatch(Electricity("FR", elsewhere={"cloud": "IE"}))
    reported = ReportedGrid(56.0, "average", Method.MODELLED, "Sweden")
    watch.report("cloud", reported)
    first = watch.now
    watch.report("cloud", reported)
    assert watch.now is first
    watch.refresh()
    assert (watch.now.intensities["cloud"].g_per_kwh, watch.now.regions["cloud"]) == (56.0, "SWE")


def test_a_region_that_no_ledger_knows_is_not_taken_from_a_far_machine() -> None:
    watch = GridWatch(Electricity("FR", elsewhere={"cloud": "IE"}))
    watch.report("cloud", ReportedGrid(56.0, "average", Method.MODELLED, "our-cellar"))
    assert watch.now.regions == {"device": "FRA", "network": "FRA"}


def test_the_battery_decides_the_devices_intensity() -> None:
    now_s = [1.0 * HOUR_S]
    watch = GridWatch(Electricity("FR", ByHour()), ChargeLog(None), lambda: now_s[0])
    watch.refresh(lambda: Observation(battery=0.5, is_charging=False))
    now_s[0] = 13.0 * HOUR_S
    watch.refresh(lambda: Observation(battery=0.4, is_charging=False))
    assert watch.now.intensities["device"].g_per_kwh == pytest.approx(NIGHT / EFFICIENCY)
    assert watch.now.intensities["network"].g_per_kwh == NOON


class Slow(ByHour):
    """A server that does not answer."""

    is_live = True

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answers = threading.Event(), threading.Event()
        self.has_answered = False

    def at(self, place: str, time_s: float) -> Intensity:
        self.asked.set()
        self.answers.wait(LONGEST_WAIT_S)
        self.has_answered = True
        return super().at(place, time_s)


def test_nobody_waits_for_a_server_that_does_not_answer() -> None:
    source = Slow()
    watch = GridWatch(Electricity("NOT-A-COUNTRY", source))
    watch.start()
    assert source.asked.wait(LONGEST_WAIT_S)
    assert watch.now.intensities["device"].g_per_kwh == 422.4
    watch.close()
    assert not source.has_answered
    source.answers.set()


class Moody(ByHour):
    """A plugged-in source: says what troubles it, or raises what no source should."""

    is_live = True

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.said: str | None = "no key"
        self.error: Exception | None = None

    @property
    def trouble(self) -> str | None:
        return self.said

    def at(self, place: str, time_s: float) -> Intensity:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return super().at(place, time_s)


def test_what_is_wrong_is_logged_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    source = Moody()
    watch = GridWatch(Electricity("FR", source), refresh_s=0.001)

    def logged_after_some_rounds() -> list[str]:
        enough = source.asked + 10
        until(lambda: watch.read() and source.asked > enough)
        return [each.getMessage() for each in caplog.records]

    with caplog.at_level(logging.WARNING, "autoscale.grid"):
        watch.start()
        assert logged_after_some_rounds() == ["carbon intensity: no key"]
        source.error = ValueError("a bug")
        assert logged_after_some_rounds()[1:] == ["carbon intensity: it stays as it was: ValueError('a bug')"]
        source.error = source.said = None
        assert len(logged_after_some_rounds()) == 2
    watch.close()


def test_a_source_is_a_name_a_file_a_figure_or_an_object(tmp_path: Path) -> None:
    (tmp_path / "hours.csv").write_text("time,g_per_kwh\n1970-01-01T00:00Z,50\n1970-01-01T01:00Z,60\n")
    assert Electricity("FR", tmp_path / "hours.csv").opened().at("FR", HOUR_S).g_per_kwh == 60.0
    assert Electricity("FR", str(tmp_path / "hours.csv")).opened().at("FR", 0.0).g_per_kwh == 50.0
    assert Electricity("FR", "56").opened().at("FR", 0.0).g_per_kwh == 56.0
    own = GivenIntensity(1.0)
    assert Electricity("FR", own).opened() is own
    with pytest.raises(UnknownName, match="did you mean 'yearly'"):
        Electricity("FR", "yerly").opened()
    with pytest.raises(InvalidInput, match="allowed: the file itself"):
        Electricity("FR", "csv").opened()
    with pytest.raises(TraceError, match="not a readable CSV"):
        Electricity("FR", "nothing.csv").opened()
    with pytest.raises(UnknownName, match="did you mean 'cloud'"):
        Electricity("FR", elsewhere={"clowd": "IE"})


class Counting(ByHour):
    """A server that counts who asks."""

    is_live = True
    asked = 0

    def at(self, place: str, time_s: float) -> Intensity:
        self.asked += 1
        return super().at(place, time_s)


def test_a_live_source_is_left_alone_while_nobody_reads() -> None:
    source = Counting()
    watch = GridWatch(Electricity("FR", source), refresh_s=0.01)
    watch.start()
    until(lambda: source.asked == 2)  # device and network, once
    sleep(0.1)
    assert source.asked == 2
    watch.read()
    until(lambda: source.asked == 4)
    watch.close()


class LosesAPlace(ByHour):
    """Knows one place no longer."""

    lost = ""

    def at(self, place: str, time_s: float) -> Intensity:
        if place == self.lost:
            raise UnknownName(f"unknown place '{place}'")
        return super().at(place, time_s)


def test_a_place_that_its_source_fails_for_leaves_the_others_current() -> None:
    source, now_s = LosesAPlace(), [0.0]
    watch = GridWatch(Electricity("FR", source, elsewhere={"cloud": "IE"}), clock=lambda: now_s[0])
    source.lost, now_s[0] = "IE", 13 * HOUR_S
    with pytest.raises(UnknownName, match="'IE'"):
        watch.refresh()
    seen = {part: each.g_per_kwh for part, each in watch.now.intensities.items()}
    assert (seen["device"], seen["cloud"]) == (NOON, NIGHT)


def test_where_the_devices_own_place_fails_the_battery_is_left_for_the_next_round() -> None:
    source, now_s = LosesAPlace(), [0.0]
    watch = GridWatch(Electricity("FR", source, elsewhere={"cloud": "IE"}), ChargeLog(None), lambda: now_s[0])
    source.lost, now_s[0] = "FR", 13 * HOUR_S
    with pytest.raises(UnknownName, match="'FR'"):
        watch.refresh(lambda: Observation(battery=0.5, is_charging=False))
    seen = {part: each.g_per_kwh for part, each in watch.now.intensities.items()}
    assert (seen["device"], seen["cloud"]) == (NIGHT, NOON)


def test_electricity_says_what_its_file_does_not(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("when;grid\n1970-01-01 01:00;0,5\n1970-01-01 02:00;0,6\n")
    told = {"time_column": "when", "figure_column": "grid", "unit": "kg/kWh", "timezone": "+01:00"}
    plain = Electricity("DE", tmp_path / "mine.csv", reading=told).opened()
    assert plain.at("DE", HOUR_S).g_per_kwh == 600.0
    direct = Electricity("DE", tmp_path / "mine.csv", reading={**told, "emissions": "direct"}).opened().at("DE", 0.0)
    assert direct.g_per_kwh == pytest.approx(1.08 * 500.0 + 38.0)
    assert "taken as life cycle" in direct.source
    with pytest.raises(InvalidInput, match="did you mean 'unit'"):
        Electricity("DE", "mine.csv", reading={"unti": "kg/kWh"})
    with pytest.raises(InvalidInput, match="with a CSV or JSON file"):
        Electricity("DE", "typical", reading={"unit": "kg/kWh"})
