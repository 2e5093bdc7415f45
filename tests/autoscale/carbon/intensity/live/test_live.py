"""Live intensities, each against a real server that replays answers of its API's shape."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from autoscale.carbon.intensity.base import IntensitySource
from autoscale.carbon.intensity.live import CarbonAwareSdk, ElectricityMaps, LiveOptions, LiveSource, Neso, WattTime
from autoscale.carbon.intensity.live.base import LONGEST_WAIT_S
from autoscale.carbon.intensity.live.http import LARGEST_BYTES, HttpFailure, JsonClient
from autoscale.carbon.intensity.yearly import YearlyAverages
from autoscale.checks.intensity_source import check_intensity_source
from autoscale.errors import InvalidInput
from autoscale.query.outcome import Method
from tests.autoscale.carbon.replay_parts import (
    Answer,
    Replay,
    at,
    carbon_aware_sdk,
    electricity_maps,
    neso,
    replaying,
    watttime,
)

NOW_S = datetime(2024, 5, 1, 12, 10, tzinfo=UTC).timestamp()
HOUR_S = 3600.0
SIGNALS: tuple[Literal["co2_moer", "co2_aoer"], ...] = ("co2_moer", "co2_aoer")


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replay]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with replaying() as replay:
        yield replay


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


def options(clock: Clock, folder: Path | None = None, **zones: str) -> LiveOptions:
    return LiveOptions(zones, folder, clock=clock)


def make(name: str, replay: Replay, its: LiveOptions) -> LiveSource:
    if name == "electricity-maps":
        return ElectricityMaps(its, "key", replay.url)
    if name == "watttime":
        return WattTime(its, "ada", "secret", base_url=replay.url)
    return CarbonAwareSdk("marginal", its, replay.url) if name == "carbon-aware-sdk" else Neso(its, replay.url)


SOURCES = {
    "electricity-maps": (electricity_maps, "DE", "average", 112.0, Method.MODELLED),
    "watttime": (watttime, "CAISO_NORTH", "marginal", 408.233133, Method.MODELLED),
    "carbon-aware-sdk": (carbon_aware_sdk, "eastus", "marginal", 70.0, Method.MODELLED),
    "neso": (neso, "GB", "average", 162.0, Method.MODELLED),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_reads_its_server(name: str, replay: Replay) -> None:
    script, place, kind, g_per_kwh, method = SOURCES[name]
    script(replay)
    source = make(name, replay, options(Clock()))
    answer = source.at(place, NOW_S)
    assert (answer.kind, answer.method, source.trouble) == (kind, method, None)
    assert answer.g_per_kwh == pytest.approx(g_per_kwh)
    assert answer.source.startswith(name)
    assert len(source.forecast(place, NOW_S, 24 * HOUR_S)) >= 3
    check_intensity_source(source, place, NOW_S)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    ("status", "document"),
    [
        (500, {}),
        (429, {}),
        (302, {}),
        (204, None),
        (200, b"<html>"),
        (200, {}),
        (200, []),
        (200, {"data": [{"intensity": 5}], "history": [1]}),
        (200, b'{"history": [{"carbonIntensity": NaN, "datetime": "2024-05-01T12:00:00Z"}]}'),
        (200, b'{"history": [{"carbonIntensity": 1%s, "datetime": "2024-05-01T12:00:00Z"}]}' % (b"0" * 400)),
        (200, b"[" * 100_000),
    ],
)
def test_whatever_a_server_says_the_account_goes_on(name: str, status: int, document: Any, replay: Replay) -> None:
    SOURCES[name][0](replay)
    for path in list(replay.answers):
        replay.says(path, document, status, **({"Location": "http://127.0.0.1:9/"} if status == 302 else {}))
    source = make(name, replay, options(Clock()))
    answer = source.at(SOURCES[name][1], NOW_S)
    assert answer.method is Method.DEFAULT
    assert source.trouble


def test_electricity_maps_sends_its_key_and_never_asks_for_the_callers_place(replay: Replay) -> None:
    electricity_maps(replay)
    plain = replay.answers["/carbon-intensity/history"]
    keys: list[str | None] = []

    def noting(query: dict[str, str], sent: dict[str, str]) -> Answer:
        keys.append(sent.get("auth-token"))
        return plain(query, sent)

    replay.answers["/carbon-intensity/history"] = noting
    source = ElectricityMaps(options(Clock(), home="DE"), "key", replay.url)
    assert source.at("home", NOW_S - HOUR_S).method is Method.MEASURED
    assert keys == ["key"]
    assert replay.asked[0][1]["zone"] == "DE"
    assert replay.asked[0][1]["disableCallerLookup"] == "true"


@pytest.mark.parametrize("place", ["Germany", "DEU", "de", "aws:eu-central-1", "gcp:europe-west3"])
def test_electricity_maps_is_asked_for_the_zone_that_a_place_lies_in(place: str, replay: Replay) -> None:
    electricity_maps(replay)
    assert ElectricityMaps(options(Clock()), "key", replay.url).at(place, NOW_S).g_per_kwh == 112.0


def test_the_invented_figures_of_a_sandbox_key_are_not_taken(replay: Replay) -> None:
    row = {"carbonIntensity": 5, "datetime": at(12), "isEstimated": True, "estimationMethod": "SANDBOX_MODE_DATA"}
    replay.says("/carbon-intensity/history", {"zone": "DE", "history": [row]})
    source = ElectricityMaps(options(Clock()), "key", replay.url)
    assert source.at("DE", NOW_S).method is Method.DEFAULT
    assert "invented" in (source.trouble or "")


def test_direct_emissions_are_not_answered_with_kept_life_cycle_ones(replay: Replay, tmp_path: Path) -> None:
    electricity_maps(replay)
    its = options(Clock(), tmp_path)
    life_cycle = ElectricityMaps(its, "key", replay.url).at("DE", NOW_S)
    replay.asked.clear()
    direct = ElectricityMaps(its, "key", replay.url, emissions="direct").at("DE", NOW_S)
    assert replay.asked[0][1]["emissionFactorType"] == "direct"
    assert "life-cycle" in life_cycle.source
    assert "direct" in direct.source


def test_electricity_maps_answer_for_another_zone_is_not_taken(replay: Replay) -> None:
    replay.says("/carbon-intensity/history", {"zone": "DK-DK2", "history": []})
    source = ElectricityMaps(options(Clock()), "key", replay.url)
    assert source.at("DE", NOW_S).method is Method.DEFAULT
    assert "is of DK-DK2" in (source.trouble or "")


def test_a_plan_without_forecast_still_tells_the_present(replay: Replay) -> None:
    electricity_maps(replay)
    replay.says("/carbon-intensity/forecast", {"error": "not in your plan"}, 403)
    source = ElectricityMaps(options(Clock()), "key", replay.url)
    assert source.at("DE", NOW_S).g_per_kwh == 112.0
    assert source.forecast("DE", NOW_S, 24 * HOUR_S) == ()


def test_watttime_logs_in_once_and_again_when_its_token_is_refused(replay: Replay) -> None:
    watttime(replay)
    clock = Clock()
    source = WattTime(options(clock), "ada", "secret", base_url=replay.url)
    source.at("CAISO_NORTH", NOW_S)
    source._token = "expired"
    clock.now_s += HOUR_S
    source.at("CAISO_NORTH", NOW_S)
    assert [path for path, _ in replay.asked].count("/login") == 2
    assert source.trouble is None
    wrong = WattTime(options(clock), "ada", "wrong", base_url=replay.url)
    assert wrong.at("CAISO_NORTH", NOW_S).method is Method.DEFAULT
    assert "403" in (wrong.trouble or "")


def test_a_marginal_rate_is_never_measured_and_an_average_may_be(replay: Replay) -> None:
    watttime(replay)
    earlier_s = NOW_S - 300.0
    rates = {signal: WattTime(options(Clock()), "ada", "secret", signal, replay.url) for signal in SIGNALS}
    seen = {signal: source.at("CAISO_NORTH", earlier_s) for signal, source in rates.items()}
    assert {signal: (each.kind, each.method) for signal, each in seen.items()} == {
        "co2_moer": ("marginal", Method.MODELLED),
        "co2_aoer": ("average", Method.MEASURED),
    }
    assert replay.asked[-1][1]["signal_type"] == "co2_aoer"


def test_watttimes_index_is_not_taken_for_a_rate(replay: Replay) -> None:
    """The free signal is a percentile, 0 to 100: a small number in the wrong unit, not a clean grid."""
    watttime(replay)
    meta = {"data_point_period_seconds": 300, "units": "percentile"}
    data = [{"point_time": at(12, 5), "value": 12.0}]
    replay.says("/v3/historical", {"data": data, "meta": meta})
    source = WattTime(options(Clock()), "ada", "secret", base_url=replay.url)
    assert source.at("CAISO_NORTH", NOW_S).method is Method.DEFAULT
    assert "units are not lbs_co2_per_mwh" in (source.trouble or "")


@pytest.mark.parametrize("place", ["GB", "UK", "United Kingdom", "azure:uksouth", "gcp:europe-west2"])
def test_neso_answers_for_every_spelling_of_the_country_and_the_clouds_in_it(place: str, replay: Replay) -> None:
    neso(replay)
    assert Neso(options(Clock()), replay.url).at(place, NOW_S).g_per_kwh == 162.0


def test_neso_does_not_speak_for_northern_ireland(replay: Replay) -> None:
    neso(replay)
    answer = Neso(options(Clock()), replay.url).at("GB-NIR", NOW_S)
    assert answer == YearlyAverages().at("GB-NIR", NOW_S)


def test_the_carbon_aware_sdk_is_asked_for_a_region_without_its_provider(replay: Replay) -> None:
    carbon_aware_sdk(replay)
    source = CarbonAwareSdk("marginal", options(Clock()), replay.url)
    assert source.at("azure:eastus", NOW_S).g_per_kwh == 70.0


def test_neso_knows_regions_and_falls_back_on_the_country(replay: Replay) -> None:
    neso(replay)
    source = Neso(options(Clock()), replay.url)
    assert source.at("GB-13", NOW_S).g_per_kwh == 33.0
    assert source.at("GB", NOW_S - HOUR_S).method is Method.MEASURED
    unknown = source.at("GB-99", NOW_S)
    assert (unknown.method, unknown.g_per_kwh) == (Method.DEFAULT, YearlyAverages().at("GB", NOW_S).g_per_kwh)
    assert "GB-1 to GB-17" in (source.trouble or "")


def test_one_request_serves_until_it_is_due(replay: Replay) -> None:
    neso(replay)
    clock = Clock()
    source = Neso(options(clock), replay.url)
    for _ in range(5):
        source.at("GB", NOW_S)
    assert len(replay.asked) == 1
    clock.now_s += 301.0
    source.at("GB", NOW_S)
    clock.now_s -= 1e6  # set back: what was got seems to come from the future
    source.at("GB", NOW_S)
    assert len(replay.asked) == 3


def test_failures_are_asked_less_and_less_often_and_as_the_server_says(replay: Replay) -> None:
    clock = Clock()
    source = Neso(options(clock), replay.url)
    for _ in range(4000):
        source.at("GB", NOW_S)
        clock.now_s += 10.0
    assert 12 <= len(replay.asked) <= 20  # 30 s doubled up to an hour, over 11 hours
    replay.asked.clear()
    clock.now_s += LONGEST_WAIT_S
    replay.answers.clear()
    start = datetime.fromtimestamp(clock.now_s - 6 * HOUR_S, UTC).strftime("%Y-%m-%dT%H:%MZ")
    replay.says(f"/intensity/{start}/fw48h", {}, 429, Retry_After="90000")
    source.at("GB", NOW_S)
    clock.now_s += 80000.0
    source.at("GB", NOW_S)
    assert len(replay.asked) == 1


def test_what_was_got_outlives_the_process_and_the_network(replay: Replay, tmp_path: Path) -> None:
    electricity_maps(replay)
    clock = Clock()
    folder = tmp_path / "cache"
    ElectricityMaps(options(clock, folder), "key", replay.url).at("DE", NOW_S)
    replay.asked.clear()
    again = ElectricityMaps(options(clock, folder), "key", replay.url)
    assert again.at("DE", NOW_S).g_per_kwh == 112.0
    assert replay.asked == []
    replay.answers.clear()
    clock.now_s += 5 * HOUR_S
    later = ElectricityMaps(options(clock, folder), "key", replay.url)
    assert (later.at("DE", clock.now_s).g_per_kwh, later.trouble is None) == (217.0, False)  # the forecast of then
    clock.now_s += 30 * 24 * HOUR_S
    assert later.at("DE", clock.now_s).method is Method.DEFAULT
    assert "key" not in "".join(path.read_text() for path in folder.iterdir())


def test_the_last_sample_is_held_for_the_stated_time(replay: Replay) -> None:
    electricity_maps(replay)
    replay.says("/carbon-intensity/forecast", {}, 404)
    clock = Clock()
    source = ElectricityMaps(options(clock), "key", replay.url)
    held = source.at("DE", NOW_S + 2 * HOUR_S)
    assert (held.g_per_kwh, held.method) == (112.0, Method.MODELLED)
    assert "held" in held.source
    assert source.at("DE", NOW_S + 4 * HOUR_S).method is Method.DEFAULT


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 9}', b'{"version": 1, "history": {"samples": 5}}'])
def test_a_damaged_cache_is_got_anew(damage: bytes, replay: Replay, tmp_path: Path) -> None:
    neso(replay)
    Neso(options(Clock(), tmp_path), replay.url).at("GB", NOW_S)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    assert Neso(options(Clock(), tmp_path), replay.url).at("GB", NOW_S).g_per_kwh == 162.0
    assert len(replay.asked) == 2


def test_a_cache_that_cannot_be_written_is_reported_and_harmless(replay: Replay, tmp_path: Path) -> None:
    neso(replay)
    (tmp_path / "file").write_text("in the way")
    source = Neso(options(Clock(), tmp_path / "file"), replay.url)
    assert source.at("GB", NOW_S).g_per_kwh == 162.0
    assert "keeps no carbon intensities" in (source.trouble or "")


def test_a_redirect_never_gets_the_key(replay: Replay) -> None:
    electricity_maps(replay)
    replay.says("/carbon-intensity/history", {}, 302, Location=f"{replay.url}/elsewhere")
    ElectricityMaps(options(Clock()), "key", replay.url).at("DE", NOW_S)
    assert "/elsewhere" not in [path for path, _ in replay.asked]


def test_an_answer_that_drips_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while True:
                    connection.sendall(b" ")
                    time.sleep(0.02)

        server = threading.Thread(target=drip, daemon=True)
        server.start()
        with pytest.raises(HttpFailure, match="did not end in time"):
            JsonClient(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_s=0.2).get("/")
        server.join(60.0)
        assert not server.is_alive()


def test_more_than_anybody_needs_is_not_read(replay: Replay) -> None:
    replay.says("/all", b" " * (LARGEST_BYTES + 1))
    with pytest.raises(HttpFailure, match="more than 16777216 bytes"):
        JsonClient(replay.url).get("/all")
    replay.says("/all", b" " * (LARGEST_BYTES - 4) + b"null")
    assert JsonClient(replay.url).get("/all") is None


def test_what_is_for_this_machine_goes_to_no_proxy(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    electricity_maps(replay)
    with replaying() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert ElectricityMaps(options(Clock()), "key", replay.url).at("DE", NOW_S).g_per_kwh == 112.0
        assert proxy.asked == []


def test_a_zone_that_is_answered_hides_no_trouble_with_another(replay: Replay) -> None:
    neso(replay)
    source = Neso(options(Clock()), replay.url)
    source.at("GB-99", NOW_S)
    assert source.at("GB", NOW_S).g_per_kwh == 162.0
    assert "GB-1 to GB-17" in (source.trouble or "")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ElectricityMaps(), "ELECTRICITY_MAPS_TOKEN"),
        (lambda: WattTime(user="ada"), "WATTTIME_PASSWORD"),
        (lambda: CarbonAwareSdk("average"), "CARBON_AWARE_SDK_URL"),
        (lambda: CarbonAwareSdk(base_url="http://127.0.0.1:9"), "CARBON_AWARE_SDK_KIND"),
        (lambda: CarbonAwareSdk("marginl", base_url="http://127.0.0.1:9"), "did you mean 'marginal'"),  # type: ignore[arg-type]  # that is the test
        (lambda: ElectricityMaps(token="a\nb"), "holds characters"),
        (lambda: ElectricityMaps(token="k", base_url="http://example.org"), "in the clear"),
        (lambda: Neso(base_url="ftp://example.org"), "address is 'ftp://example.org'"),
        (lambda: Neso(base_url="http://[::1"), "Invalid IPv6 URL; allowed: https://host/path"),
        (lambda: Neso(base_url="http://localhost:port"), "allowed: https://host/path"),
    ],
)
def test_what_is_missing_is_named(
    build: Callable[[], IntensitySource], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in (ElectricityMaps, WattTime, CarbonAwareSdk):
        for name in source.variables:
            monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInput, match=message):
        build()


def test_keys_come_from_the_environment(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    electricity_maps(replay)
    monkeypatch.setenv("ELECTRICITY_MAPS_TOKEN", " key ")
    assert ElectricityMaps(options(Clock()), base_url=replay.url).at("DE", NOW_S).g_per_kwh == 112.0


def test_threads_share_one_request(replay: Replay) -> None:
    neso(replay)
    source = Neso(options(Clock()), replay.url)
    found: list[float] = []
    threads = [threading.Thread(target=lambda: found.append(source.at("GB", NOW_S).g_per_kwh)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [162.0] * 8
    assert len(replay.asked) == 1
