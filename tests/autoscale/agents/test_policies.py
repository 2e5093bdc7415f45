"""Policy files: what is saved comes back; what is damaged or foreign is refused; nothing is half-written."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.agents.base import Arrays, make_agent
from autoscale.agents.policies import load_policy, save_policy
from autoscale.agents.q_learning import QLearning, QLearningOptions
from autoscale.errors import PolicyError
from autoscale.files import atomic_write
from tests.agent_names import every_agent
from tests.autoscale.agents.toy_parts import FEW, MANY, Run, ToyWorld


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    agent = make_agent("corrector", FEW)
    Run(ToyWorld(FEW, noise=0.1), agent, 20)
    save_policy(agent, tmp_path / "policy.npz")
    return tmp_path / "policy.npz"


@pytest.mark.parametrize("name", every_agent())
def test_what_is_saved_comes_back(name: str, tmp_path: Path) -> None:
    agent = make_agent(name, FEW, seed=3)
    Run(ToyWorld(FEW, noise=0.1), agent, 50)
    save_policy(agent, tmp_path / "policy")
    loaded = load_policy(tmp_path / "policy", FEW)
    assert (loaded.name, loaded.targets, loaded.options()) == (name, FEW, agent.options())
    states = agent.state(), loaded.state()
    assert states[0].keys() == states[1].keys()
    assert all(np.array_equal(states[0][key], states[1][key]) for key in states[0])


def test_options_come_back(tmp_path: Path) -> None:
    options = QLearningOptions(learning_rate=0.25, initial="forecast")
    save_policy(QLearning(FEW, options), tmp_path / "policy.npz")
    loaded = load_policy(tmp_path / "policy.npz")
    assert isinstance(loaded, QLearning)
    assert loaded.hyper == options


def test_no_pickle_is_inside(saved: Path) -> None:
    with zipfile.ZipFile(saved) as file:
        assert all(not np.load(io.BytesIO(file.read(name))).dtype.hasobject for name in file.namelist())


def test_every_truncation_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in {*range(0, len(whole), max(1, len(whole) // 200)), 1, 2, 3, 4, len(whole) - 1}:
        saved.write_bytes(whole[:length])
        with pytest.raises(PolicyError, match=r"policy\.npz"):
            load_policy(saved)


@settings(max_examples=300)
@given(data=st.data())
def test_a_flipped_bit_is_refused_or_harmless(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    agent = make_agent("corrector", FEW)
    save_policy(agent, path)
    damaged = bytearray(path.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        loaded = load_policy(path)
    except PolicyError as error:
        assert "policy.npz" in str(error)
    else:
        assert all(np.array_equal(values, loaded.state()[key]) for key, values in agent.state().items())


def write(path: Path, header: Any, arrays: Arrays) -> None:
    encoded = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with path.open("wb") as file:
        np.savez(file, header=encoded, **arrays)


GOOD: dict[str, Any] = {
    "format": "autoscale-policy",
    "version": 1,
    "agent": "q-learning",
    "targets": [str(target) for target in FEW],
    "options": {},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not a policy of AutoScale"),
        ({"version": 2}, "has version 2; this release reads version 1"),
        ({"agent": "q-lerning"}, "did you mean 'q-learning'"),
        ({"agent": 7}, "policy"),
        ({"targets": ["device:tpu/fp32"]}, "unknown processor 'tpu'"),
        ({"targets": [5]}, "targets"),
        ({"targets": 5}, "targets"),
        ({"targets": []}, "one or more different targets"),
        ({"options": {"momentum": 1}}, "does not take the options"),
        ({"options": {"epsilon": 3}}, "epsilon is 3"),
        ({"options": {"epsilon": "x"}}, "policy"),
        ({"options": []}, "policy"),
    ],
)
def test_a_strange_header_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "policy.npz", GOOD | change, QLearning(FEW).state())
    with pytest.raises(PolicyError, match=message):
        load_policy(tmp_path / "policy.npz")


@pytest.mark.parametrize("header", [[], None, "text", {"format": "autoscale-policy", "version": 1}])
def test_a_header_that_is_none_is_refused(header: Any, tmp_path: Path) -> None:
    write(tmp_path / "policy.npz", header, {})
    with pytest.raises(PolicyError, match=r"not a policy|lacks 'agent', 'options', 'targets'"):
        load_policy(tmp_path / "policy.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"table": np.zeros((3, 3)), "visited": np.zeros(3072)},
        {"table": np.full((3072, 5), "x"), "visited": np.zeros(3072, bool)},
        {"table": np.full((3072, 5), np.nan), "visited": np.zeros(3072, bool)},
    ],
)
def test_strange_arrays_are_refused(arrays: Arrays, tmp_path: Path) -> None:
    write(tmp_path / "policy.npz", GOOD, arrays)
    with pytest.raises(PolicyError):
        load_policy(tmp_path / "policy.npz")


def _npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, weights=np.zeros(3))


def _npz_of_numbers(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.zeros(3))


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"table": [1.0]}))


def _pickle_inside(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.array([{"format": "autoscale-policy"}], dtype=object))


def _zip_of_text(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("header", "{}")


FOREIGN: list[Callable[[Path], object]] = [
    _npy,
    _npz,
    _npz_of_numbers,
    _pickled,
    _pickle_inside,
    _zip_of_text,
    Path.mkdir,
    lambda path: path.write_text("hello"),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(bytes(1000)),
]


@pytest.mark.parametrize("make", FOREIGN)
def test_a_foreign_file_is_refused(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "policy.npz")
    with pytest.raises(PolicyError, match=r"policy\.npz"):
        load_policy(tmp_path / "policy.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere.npz does not exist"):
        load_policy(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("targets", [MANY, FEW[:-1]])
def test_other_targets_are_refused(targets: Any, saved: Path) -> None:
    with pytest.raises(PolicyError, match=r"was made for 'device:cpu/fp32', .*; this device has '"):
        load_policy(saved, targets)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"policy .*nowhere.p\.npz cannot be written"):
        save_policy(make_agent("cloud", FEW), tmp_path / "nowhere" / "p.npz")


class Unwritable(QLearning):
    """Fails half-way: its second array is no array."""

    def state(self) -> Arrays:
        return {"table": self.table, "visited": np.array([object()], dtype=object)}


def test_a_failed_write_leaves_the_old_file_whole(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(ValueError, match="allow_pickle"):
        save_policy(Unwritable(FEW), saved)
    assert saved.read_bytes() == before
    assert [each.name for each in saved.parent.iterdir()] == [saved.name]


def test_a_write_that_cannot_begin_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none/policy\.npz'$"), atomic_write(tmp_path / "none" / "policy.npz"):
        pass


def test_an_atomic_write_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"newer")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_over_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(PolicyError, match="cannot be written"):
        save_policy(make_agent("cloud", FEW), tmp_path / "folder")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_no_file_of_another_kind_is_told_to_be_unpickled(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"\x08\x08 no policy")
    with pytest.raises(PolicyError, match=r"it is no \.npz file"):
        load_policy(tmp_path / "graph.onnx")
