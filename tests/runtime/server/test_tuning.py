"""Tuning: hills with known tops, configurations that keep what else they say, and a real model on a real server."""

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autoscale.errors import InvalidInput, RepositoryError
from autoscale_runtime.server.configuration import read_configuration
from autoscale_runtime.server.tuning.climb import Setting, best_of, climbed
from autoscale_runtime.server.tuning.tune import LARGEST_BATCH, Tuned, tune, written
from autoscale_runtime.server.tuning.tune_report import _show, tune_and_write
from autoscale_runtime.server.workers.isolated import IS_POSSIBLE
from autoscale_runtime.wire.sender import Look, Tally
from tests.runtime.session_parts import repository

MOST = Setting(LARGEST_BATCH, 8, 8)
powers = st.sampled_from([1, 2, 4, 8])


@given(batch=st.sampled_from([1, 2, 4, 8, 16, 32, 64]), instances=powers, threads=powers, start=powers)
def test_the_top_of_a_hill_is_found(batch: int, instances: int, threads: int, start: int) -> None:
    top = (batch, instances, threads)

    def rate_of(setting: Setting) -> float:
        sides = zip(top, (setting.max_batch_size, setting.instances, setting.threads), strict=True)
        return 100.0 / math.prod(1.0 + abs(math.log2(one / other)) for one, other in sides)

    seen = climbed(Setting(threads=start), MOST, 64, rate_of)
    assert best_of(seen) == Setting(*top)
    assert len(seen) < 7 * 4 * 4


def test_cores_are_shared_out_once() -> None:
    seen = climbed(Setting(threads=2), Setting(1, 2, 2), 2, lambda setting: setting.instances * setting.threads)
    assert all(each.instances * each.threads <= 2 for each in seen)


def test_a_gain_within_the_noise_is_none() -> None:
    seen = climbed(Setting(), MOST, 8, lambda setting: 100.0 + 0.01 * setting.max_batch_size)
    assert max(each.max_batch_size for each in seen) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[server]\nport = 9  # ours\n",
        "[models.net]\nthreads = 7\nmax_queue = 3 # few\n",
        '[models.other]\ngroup = "a"\n[server]\ndrain_s = 2\n',
        "[models]\nother = {threads = 1}\n",
    ],
)
def test_a_configuration_keeps_what_else_it_says(text: str, tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(written(text, "net", Setting(8, 2, 1)))
    said, before = tomllib.loads(file.read_text()), tomllib.loads(text)
    net = {**before.get("models", {}).get("net", {}), "max_batch_size": 8, "instances": 2, "threads": 1}
    assert said["models"] == {**before.get("models", {}), "net": net}
    assert said.get("server") == before.get("server")
    assert text.count("#") == file.read_text().count("#")
    assert read_configuration(file).models["net"]["max_batch_size"] == 8


def test_a_name_with_dots_is_one_name(tmp_path: Path) -> None:
    assert tomllib.loads(written("", "v1.5 net", Setting()))["models"]["v1.5 net"]["threads"] == 1


def test_a_limit_that_nothing_keeps_says_what_it_would_need(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"'net' needs .* s at the least"):
        tune(repository(tmp_path), "net", 1e-7, seconds=0.05)


def test_who_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="unknown model 'nett'"):
        tune(repository(tmp_path), "nett", 0.1, seconds=0.05)
    with pytest.raises(RepositoryError):
        tune(tmp_path / "nowhere", "net", 0.1)
    with pytest.raises(InvalidInput, match="p99 is nan s"):
        tune(tmp_path, "net", math.nan)


@pytest.mark.skipif(not IS_POSSIBLE, reason="models have no processes of their own here")
def test_a_model_is_tuned_and_its_setting_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "server.toml"
    config.write_text("[server]\nmax_queue = 9  # few\n")
    tune_and_write(repository(tmp_path / "models"), "net", 60.0, config, seconds=0.05)
    said = tomllib.loads(config.read_text())
    assert {*said["models"]["net"]} == {"max_batch_size", "instances", "threads"}
    assert "# few" in config.read_text()
    shown = capsys.readouterr().out
    assert "answers a second of which 99 % come within 60.0 s" in shown
    assert f"written to {config}" in shown.replace("\n", "")


def test_a_curve_without_an_answer_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    setting = Setting(1, 1, 1)
    _show(Console(), "net", 0.1, Tuned(setting, {setting: 0.0}, {setting: (Look(1, 0.05, Tally()),)}))
    assert "none came" in capsys.readouterr().out
