"""What devices learned, made one: nobody waits for anybody, and one device's part cannot be told."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from autoscale import Context, Goal, Observation, Outcome, Target, make_agent
from autoscale.agents.correction.hierarchy import QUANTITIES
from autoscale.agents.correction.pooling import CELLS, CLIP, REACH, Pool, Privacy, Statement
from autoscale.agents.corrector import Corrector
from autoscale.agents.policies import load_policy, save_policy
from autoscale.errors import InvalidInput, PolicyError
from autoscale.fleet.pool_command import pool_command
from autoscale.query.forecast import Forecast
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Split

TARGETS = tuple(map(Target.parse, ("device:cpu/fp32", "device:npu/int8", "cloud:gpu/fp32")))
OPEN = Privacy(math.inf, least_devices=1)


def statement(value: float, tried: int = 3, network: str = "net", weight: float = 5.0) -> Statement:
    seen = np.where(np.arange(3) < tried, weight, 0.0)
    return Statement({network: np.where(seen > 0.0, value, math.nan) * np.ones((QUANTITIES, 1))}, {network: seen})


def dice() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_mean_of_devices_is_what_a_new_one_starts_from() -> None:
    pool = Pool(TARGETS)
    pool.add("a", statement(0.1))
    pool.add("b", statement(0.3, tried=1))
    found = pool.release(OPEN, dice())["net"]
    assert found[0].tolist() == pytest.approx([0.2, 0.1, 0.1])


def test_a_devices_latest_statement_counts_once_in_any_order() -> None:
    pool, other = Pool(TARGETS), Pool(TARGETS)
    for device, value in (("a", 0.5), ("b", 0.3), ("a", 0.1)):
        pool.add(device, statement(value))
    for device, value in (("a", 0.1), ("b", 0.3)):
        other.add(device, statement(value))
    assert len(pool) == 2
    assert np.array_equal(pool.release(OPEN, dice())["net"], other.release(OPEN, dice())["net"])


def test_one_devices_weight_is_bounded() -> None:
    targets = tuple(Target.parse(f"device:cpu/fp32@{number}t") for number in range(1, 200))
    wild = np.full((QUANTITIES, len(targets)), 50.0)
    bounded = Statement({"net": wild}, {"net": np.arange(1.0, 200.0)}).bounded()
    assert np.isfinite(bounded.residual["net"]).all(axis=0).sum() <= CELLS
    assert np.nanmax(np.abs(bounded.residual["net"])) <= CLIP
    assert np.sqrt(np.nansum(np.square(bounded.residual["net"]))) <= REACH + 1e-9


def test_what_few_devices_tried_is_not_told() -> None:
    pool = Pool(TARGETS)
    for number in range(25):
        pool.add(str(number), statement(0.2, tried=3 if number < 10 else 2))
    found = pool.release(Privacy(math.inf, least_devices=20), dice())["net"]
    assert found[0].tolist() == pytest.approx([0.2, 0.2, 0.0])


def test_noise_hides_a_device_and_not_the_fleet() -> None:
    pool = Pool(TARGETS)
    for number in range(3000):
        pool.add(str(number), statement(0.3))
    privacy = Privacy(2.0)
    told = np.array([pool.release(privacy, np.random.default_rng(seed))["net"] for seed in range(50)])
    assert abs(told.mean() - 0.3) < 0.02
    assert told.std() > CLIP / 3000  # more than any one device could move it by


@pytest.mark.parametrize("wrong", [{"epsilon": 0.0}, {"delta": 0.0}, {"least_devices": 0}, {"epsilon": math.nan}])
def test_bad_privacy_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Privacy(**wrong)  # type: ignore[arg-type]


def test_other_targets_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"statement of 'net' is \(3, 2\)"):
        Pool(TARGETS).add("a", Statement({"net": np.zeros((3, 2))}, {"net": np.zeros(2)}))


def taught(seed: int) -> Corrector:
    """A corrector of a device on which the NPU takes twice what the profile says."""
    agent, noise = Corrector(TARGETS, seed), np.random.default_rng(seed)
    told = Forecast(*(np.array(each) for each in ([0.02, 0.03, 0.04], [0.05, 0.04, 0.06], [1e-6] * 3, [0.7] * 3)))
    for _ in range(40):
        context = Context(ModelProfile("net"), Observation(), Goal(), np.arange(3), lambda: told)
        index = agent.select(context).index
        joules = float(told.energy_j[index] * (2.0 if index == 1 else 1.0) * noise.lognormal(0.0, 0.05))
        agent.learn(context, index, Outcome(0.02, Split(joules)), -1.0)
    return agent


def test_a_new_device_starts_from_what_the_fleet_found(tmp_path: Path) -> None:
    files = []
    for number in range(30):
        files.append(str(tmp_path / f"device-{number}.npz"))
        save_policy(taught(number), files[-1])
    save_policy(make_agent("q-learning", TARGETS), tmp_path / "other.npz")
    (tmp_path / "broken.npz").write_bytes(b"no policy")
    app = typer.Typer()
    app.command()(pool_command)
    odd = [str(tmp_path / "other.npz"), str(tmp_path / "broken.npz")]
    asked = ["--out", str(tmp_path / "start.npz"), "--epsilon", "inf", "--least-devices", "10", "--json"]
    done = CliRunner().invoke(app, [*files, *odd, *asked])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["devices"] == 30
    assert list(facts["skipped"]) == odd
    start = load_policy(tmp_path / "start.npz")
    told = Forecast(*(np.array(each) for each in ([0.02, 0.03, 0.04], [0.05, 0.04, 0.06], [1e-6] * 3, [0.7] * 3)))
    context = Context(ModelProfile("net"), Observation(), Goal(), np.arange(3), lambda: told)
    assert int(start.probabilities(context).argmax()) == 0
    assert int(Corrector(TARGETS).probabilities(context).argmax()) == 1
    again = Corrector(TARGETS)
    again.restore(start.state())
    assert np.array_equal(again.probabilities(context), start.probabilities(context))


def test_a_statement_holds_the_fleets_part(tmp_path: Path) -> None:
    agent = taught(0)
    alone = agent.statement().residual["net"][0, 1]
    assert alone == pytest.approx(math.log(2.0), abs=0.1)
    agent.start_from({"net": np.full((QUANTITIES, 3), 0.25)})
    assert agent.statement().residual["net"][0, 1] == pytest.approx(alone + 0.25)
    with pytest.raises(PolicyError, match="fleet's part of 'net'"):
        agent.start_from({"net": np.zeros((QUANTITIES, 2))})


def test_noise_is_as_much_as_is_needed() -> None:
    """Against Balle and Wang's own condition, and never more than the classical bound."""
    for epsilon in (0.1, 0.5, 0.99):
        exact, classical = Privacy(epsilon).noise(1.0), math.sqrt(2.0 * math.log(1.25e6)) / epsilon
        assert 0.5 * classical < exact <= classical


def test_noise_never_lifts_what_few_tried_above_the_floor() -> None:
    targets = [Target.parse(f"device:cpu/fp32@{step}MHz") for step in range(300, 312)]
    seen, said = np.ones(len(targets)), np.full((3, len(targets)), 0.3)
    for seed in range(40):
        pool = Pool(targets)
        for device in range(30):
            name = "of one alone" if device == 0 else "common"
            pool.add(str(device), Statement({name: said}, {name: seen}))
        released = pool.release(Privacy(1.0, 1e-6, 20), np.random.default_rng(seed))
        assert not released["of one alone"].any()
