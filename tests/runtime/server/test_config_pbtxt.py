"""Triton's config.pbtxt: what is followed, what is refused by name."""

from pathlib import Path

import pytest

from autoscale.errors import RepositoryError
from autoscale_runtime.server.repository.config_pbtxt import ModelConfig, read_config

WHOLE = """
# as Triton's documentation has them
name: "net"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] } ]
output { name: 'y', data_type: TYPE_STRING; dims: 1 label_filename: "words.txt" }
instance_group [ { count: 2 kind: KIND_CPU } ]
version_policy: { specific { versions: [ 1, 3 ] } }
dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 500 }
parameters { key: "k" value: { string_value: "v" } }
"""


def config(folder: Path, text: str, name: str = "net") -> ModelConfig:
    path = folder / "config.pbtxt"
    path.write_text(text)
    return read_config(path, name)


def test_what_this_server_does_is_read(tmp_path: Path) -> None:
    read = config(tmp_path, WHOLE)
    assert (read.max_batch_size, read.instances, read.specific) == (8, 2, (1, 3))
    assert (read.batching.most, read.batching.preferred, read.batching.delay_s) == (8, 8, 0.0005)
    assert read.versions_of([1, 2, 3, 10]) == [1, 3]
    [(_, [x]), (_, [y])] = read.tensors
    assert (x.name, x.datatype, x.dims) == ("x", "FP32", (3, -1))
    assert (y.datatype, y.labels) == ("BYTES", "words.txt")
    assert read.unfollowed == ("parameters",)


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", [1, 2, 10]),
        ("version_policy { latest { num_versions: 2 } }", [2, 10]),
        ("version_policy { all {} }", [1, 2, 10]),
    ],
)
def test_version_policies(tmp_path: Path, policy: str, served: list[int]) -> None:
    assert config(tmp_path, policy).versions_of([10, 1, 2]) == served


def test_labels_lie_in_the_models_folder(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("cat\ndog\n")
    assert config(tmp_path, WHOLE).labels(tmp_path) == (("y", ("cat", "dog")),)
    with pytest.raises(RepositoryError, match="allowed: a file in the model's folder"):
        config(tmp_path, WHOLE.replace("words.txt", "../../etc/passwd")).labels(tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sequence_batching { }", "'sequence_batching' is not done by this server"),
        ("ensemble_scheduling { step [] }", "'ensemble_scheduling'"),
        ('name: "other"', "of a model 'other'; allowed: its folder's name, 'net'"),
        ("instance_group { kind: KIND_GPU }", "KIND_GPU"),
        ('input { name: "x" data_type: TYPE_COMPLEX }', "TYPE_COMPLEX"),
        ("max_batch_size: many", "max_batch_size is 'many'"),
        ('max_batch_size: "8"', "max_batch_size is '8'"),
        ("max_batch_size { }", "max_batch_size is"),
        ("input: 5", "'input' is no message"),
        ("name: {", "not closed"),
        ("input [ { ", "not closed"),
        ("}", "closes what was not opened"),
        ("name", "has no value"),
        ("\x01", "text format"),
        ("a {" * 200, "a field's name should"),
    ],
)
def test_what_it_does_not_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(RepositoryError, match=why):
        config(tmp_path, text)
