"""What a session says of its carbon: which grids, which ends, what of the network; and what it must not ask."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnxruntime as ort
import pytest

from autoscale.carbon import Electricity, GivenIntensity, YearlyAverages, data_centre_pue, load_network_share
from autoscale.carbon.intensity.base import Kind
from autoscale.errors import InvalidGoal, UnknownName
from autoscale.profiles import load_device
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Method
from autoscale.query.record import Decision, Record
from autoscale.units import J_PER_KWH
from autoscale_runtime import Session
from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.sensors.base import Sensor
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server, serve
from tests.runtime.session_parts import OUTPUTS, PATIENT, QUIET, Liar, answer, lying, network, repository, rows, written
from tests.waiting import until

X = {"x": rows(3)}
FIGURES = ("energy_j", "carbon_operational_g", "carbon_embodied_g")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    with serve(models) as running:
        yield running


def asked(session: Session) -> Decision:
    session.run(None, X)
    assert session.last is not None
    return session.last


class Draining(Sensor):
    """A battery that was half full and is not charged."""

    name = "draining"

    def sense(self) -> Observation:
        return Observation(battery=0.5, is_charging=False)


def test_off_the_socket_the_battery_counts(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kept: list[Record] = []
    options = replace(QUIET, sensors=[Draining()], electricity=Electricity("FR", 85.0), on_record=kept.append)
    with Session(path, agent="device-best", options=options) as session:
        until(lambda: asked(session) and session.observe().intensity_g_per_kwh["device"] > 99.0)
        asked(session)
    assert (tmp_path / "autoscale" / "charge.json").is_file()
    record = kept[-1]
    assert record.observation.intensity_g_per_kwh["device"] == pytest.approx(100.0)  # 85 through a charger
    outcome = record.decision.outcome
    assert outcome.carbon_operational_g.device == pytest.approx(outcome.energy_j.device * 100.0 / J_PER_KWH)


def test_a_record_tells_the_grids_it_was_accounted_with_the_servers_by_its_own_word(path: Path, models: Path) -> None:
    kept: list[Record] = []
    irish = ServerAccount(load_device("xeon-p100"), Electricity("aws:eu-west-1"))
    options = replace(QUIET, electricity=Electricity("FR", 100.0), on_record=kept.append)
    with (
        serve(models, account=irish) as server,
        Session(path, PATIENT, remotes={"cloud": server.address}, agent="cloud", options=options) as session,
    ):
        asked(session)  # from here on the server has told
        until(lambda: "cloud" in session.observe().intensity_g_per_kwh)
        asked(session)
    record = kept[-1]
    seen, outcome = record.observation.intensity_g_per_kwh, record.decision.outcome
    assert record.regions == {"device": "FRA", "network": "FRA", "cloud": "IRL"}
    assert record.intensity_kinds == dict.fromkeys(("device", "network", "cloud"), "average")
    assert seen == {"device": 100.0, "network": 100.0, "cloud": YearlyAverages().at("IE", 0.0).g_per_kwh}
    assert outcome.carbon_operational_g.device == pytest.approx(outcome.energy_j.device * 100.0 / J_PER_KWH)
    assert outcome.carbon_operational_g.remote == pytest.approx(
        outcome.energy_j.remote * seen["cloud"] * data_centre_pue() / J_PER_KWH
    )
    ends = outcome.known_ends()
    assert ends.operational_low_g < outcome.carbon_operational_g.total < ends.operational_high_g
    assert ends.embodied_low_g < outcome.carbon_embodied_g.total < ends.embodied_high_g


@pytest.mark.parametrize("kind", ["average", "marginal"])
def test_an_account_has_its_share_of_the_network_and_a_decision_what_it_adds(
    path: Path, server: Server, kind: Kind
) -> None:
    options = replace(QUIET, electricity=Electricity("FR", GivenIntensity(100.0, kind)))
    with Session(path, PATIENT, remotes={"cloud": server.address}, agent="cloud", options=options) as session:
        outcome = asked(session).outcome
    share, added = load_network_share("fixed", kind), load_network_share("fixed", "marginal")
    moved_bytes = outcome.energy_j.network / share.energy_j_per_byte.mid
    assert moved_bytes == pytest.approx(round(moved_bytes))
    assert outcome.carbon_embodied_g.network == pytest.approx(moved_bytes * share.embodied_g_per_byte.mid)
    elsewhere_g = outcome.carbon_g - outcome.carbon_operational_g.network - outcome.carbon_embodied_g.network
    added_g = moved_bytes * (added.energy_j_per_byte.mid * 100.0 / J_PER_KWH + added.embodied_g_per_byte.mid)
    assert outcome.objective_value(Goal(objective="carbon")) == pytest.approx(elsewhere_g + added_g)


def test_a_far_machine_that_says_nothing_of_itself_is_not_free(path: Path) -> None:
    reference = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    truth = dict(zip(OUTPUTS, reference.run([*OUTPUTS], X), strict=True))
    options = replace(QUIET, electricity=Electricity("FR", elsewhere={"cloud": "PL"}))
    with (
        lying(Liar(answer(**truth))) as address,
        Session(path, PATIENT, remotes={"cloud": address}, agent="cloud", options=options) as session,
    ):
        outcome = asked(session).outcome
    poland = YearlyAverages().at("PL", 0.0).g_per_kwh
    assert outcome.energy_j.remote > 0.0
    assert outcome.carbon_operational_g.remote == pytest.approx(
        outcome.energy_j.remote * poland * data_centre_pue() / J_PER_KWH
    )
    assert outcome.carbon_embodied_g.remote > 0.0
    assert {outcome.methods[f"{figure}.remote"] for figure in FIGURES} == {Method.DEFAULT}


def test_between_devices_in_one_room_there_is_no_network(path: Path, server: Server) -> None:
    remotes = {"edge:tab": RemoteModel(server.address, "net"), "cloud": RemoteModel(server.address, "net", "gpu")}
    spent = {}
    for agent in ("connected-edge", "cloud"):
        with Session(path, PATIENT, remotes=remotes, agent=agent, options=QUIET) as session:
            spent[agent] = asked(session).outcome
    assert spent["connected-edge"].energy_j.network == 0.0
    assert "energy_j.network" not in spent["connected-edge"].methods
    assert spent["cloud"].energy_j.network > 0.0


def test_a_session_that_may_send_nothing_takes_no_intensity_from_a_server(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELECTRICITY_MAPS_TOKEN", "key")
    options = replace(QUIET, electricity=Electricity("FR", "electricity-maps"))
    with pytest.raises(InvalidGoal, match="ONLY_ON_DEVICE sends nothing; allowed: yearly"):
        Session(path, mode="ONLY_ON_DEVICE", options=options)


@pytest.mark.parametrize("radio", ["wifi", "lte"])
def test_a_radio_that_the_power_table_has_is_taken(path: Path, radio: str) -> None:
    with Session(path, options=replace(QUIET, power_table="mi8pro", radio=radio)) as session:
        assert session.run(None, X)
    with pytest.raises(UnknownName, match="unknown radio of mi8pro"):
        Session(path, options=replace(QUIET, power_table="mi8pro", radio="wify"))
