"""Targets: parsing and printing are inverses; junk is refused in words that help."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidTarget
from autoscale.query.target import PLACES, PRECISIONS, PROCESSORS, Target

hosts = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True) | st.just("")
settings = st.one_of(
    st.tuples(st.none(), st.none()),
    st.tuples(st.integers(1_000_000, 9_999_999_999_999), st.none()),
    st.tuples(st.none(), st.integers(1, 9_999_999)),
)
targets = st.builds(
    lambda place, processor, precision, host, setting, engine: Target(
        place, processor, precision, host, *setting, engine
    ),
    *(st.sampled_from(names) for names in (PLACES, PROCESSORS, PRECISIONS)),
    hosts,
    settings,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True) | st.just(""),
)


@given(targets)
def test_parse_reads_what_is_printed(target: Target) -> None:
    assert Target.parse(str(target)) == target
    assert hash(Target.parse(str(target))) == hash(target)
    assert repr(target) == f"Target('{target}')"


@given(targets, st.integers(1, 9_999_999))
def test_a_cut_is_a_setting_of_another_machine_s_target(target: Target, cut: int) -> None:
    bare = replace(target, frequency_hz=None, threads=None)
    if bare.is_remote:
        assert Target.parse(str(replace(bare, cut=cut))) == replace(bare, cut=cut) != bare
        assert replace(bare, cut=cut).link == bare.link
    else:
        with pytest.raises(InvalidTarget, match="another machine"):
            replace(bare, cut=cut)


@given(targets, targets, st.integers(1, 9_999_999))
def test_a_cut_on_this_device_says_what_runs_its_head(tail: Target, head: Target, cut: int) -> None:
    tail = replace(tail, place="device")
    head = replace(head, place="device", host="", precision=tail.precision)
    if (head.processor, head.engine) == (tail.processor, tail.engine):
        with pytest.raises(InvalidTarget, match="one processor"):
            replace(tail, cut=cut, head=head)
        return
    target = replace(tail, cut=cut, head=head)
    assert Target.parse(str(target)) == target != tail == target.whole


def test_a_head_on_the_cpu_at_its_highest_setting_goes_without_saying() -> None:
    assert Target.parse("cloud:gpu/fp32@cut20-cpu") == Target.parse("cloud:gpu/fp32@cut20")
    assert str(Target.parse("cloud:gpu/fp32@cut20-dsp")) == "cloud:gpu/fp32@cut20-npu"


@given(st.text(max_size=40))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = Target.parse(text)
    except InvalidTarget as error:
        assert text in str(error) or any(part in str(error) for part in text.split(":"))
    else:
        assert Target.parse(str(target)) == target


@given(
    st.from_regex(
        r"(device|edge|cluod):([a-z]{1,4}:)?(cpu|dsp|tpu)/(int8|fp64)(@[0-9.]{0,9}(MHz|t|GHz)?)?(#[a-z#-]{0,4})?",
        fullmatch=True,
    )
)
def test_nearly_right_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = Target.parse(text)
    except InvalidTarget:
        return
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the shape is place"),
        ("cpu/fp32", "the shape is place"),
        ("device:cpu/fp32 ", "the shape is place"),
        ("device:cpu/fp32\n", "the shape is place"),
        (
            "devise:cpu/fp32",
            "unknown place 'devise' \\(did you mean 'device'\\?\\); allowed: 'device', 'edge', 'cloud'",
        ),
        ("device:tpu/fp32", "unknown processor 'tpu'"),
        ("device:cpu/it8", "did you mean 'int8'"),
        ("device:cpu/fp32@0t", "'0t' in .* is not a setting"),
        ("device:cpu/fp32@0MHz", "is not a setting"),
        ("device:cpu/fp32@1.0000001MHz", "is not a setting"),
        ("device:cpu/fp32@2GHz", "allowed: '1766MHz', '2t'"),
        ("device:cpu/fp32@" + "9" * 5000 + "t", "is not a setting"),
        ("device:cpu/fp32@" + "9" * 400 + "MHz", "is not a setting"),
        ("edge:-x:cpu/fp32", "the shape is place"),
        ("device:cpu/fp32#", "the shape is place"),
        ("device:cpu/fp32#a#b", "the shape is place"),
        ("device:cpu/fp32#open vino", "the shape is place"),
        ("device:cpu/fp32#openvino@2t", "the shape is place"),
        (None, "a target is None, of type NoneType"),
    ],
)
def test_junk_is_refused(text: Any, message: str) -> None:
    with pytest.raises(InvalidTarget, match=message):
        Target.parse(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Target("device", "cpu", "fp32", threads=0),
        lambda: Target("device", "cpu", "fp32", threads=-2),
        lambda: Target("device", "cpu", "fp32", frequency_hz=0),
        lambda: Target("device", "cpu", "fp32", frequency_hz=-1_000_000),
        lambda: Target("device", "cpu", "fp32", frequency_hz=1_000_000, threads=1),
        lambda: Target("cloud", "cpu", "fp32", threads=1, cut=1),
        lambda: Target("cloud", "cpu", "fp32", cut=0),
        lambda: Target("device", "cpu", "fp32", cut=1),
        lambda: Target("edge", "cpu", "fp32", host="a b"),
        lambda: Target("edge", "cpu", "fp32", host="a:b"),
        lambda: Target("device", "cpu", "fp32", engine="open vino"),
        lambda: Target("device", "cpu", "fp32", engine="#"),
    ],
)
def test_what_could_not_be_read_back_cannot_be_made(make: object) -> None:
    assert callable(make)
    with pytest.raises(InvalidTarget):
        make()


def test_the_engine_is_the_last_word() -> None:
    target = Target("device", "cpu", "int8", threads=2, engine="openvino")
    assert str(target) == "device:cpu/int8@2t#openvino"
    assert target != Target.parse("device:cpu/int8@2t")
    assert Target.parse("device:gpu/fp32#my-gpu_2.0").engine == "my-gpu_2.0"


def test_dsp_is_a_name_of_npu() -> None:
    assert Target("device", "dsp", "int8") == Target.parse("device:dsp/int8") == Target.parse("device:npu/int8")


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("device:cpu/fp32", ""),
        ("device:me:cpu/fp32", ""),
        ("cloud:gpu/fp32", "cloud"),
        ("edge:tab-s6:npu/int8", "edge:tab-s6"),
    ],
)
def test_the_link_it_is_reached_by(text: str, link: str) -> None:
    assert Target.parse(text).link == link
    assert Target.parse(text).is_remote == bool(link)
