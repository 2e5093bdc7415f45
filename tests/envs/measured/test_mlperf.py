"""From MLPerf's rows to a measured table, on rows like theirs and, where they are at hand, on theirs."""

from pathlib import Path

import pytest

from autoscale.errors import InvalidInput, UnknownName
from autoscale_envs.measured.mlperf import System, convert, parse_system

HEAD = "round,system,model,scenario,weight_data_types,mean_ms,p90_ms,mj_per_sample,top1_accuracy_pct"
RUNS = f"""{HEAD}
v2.1,pi-armnn-v22.05-neon,net-quantized,singlestream,int8,20,22,100,70.1
v3.0,pi-armnn-v22.11-neon,net-quantized,singlestream,int8,10,11,50,70.2
v10.0,pi-armnn-v23.1-neon,net-quantized,singlestream,int8,12,13,60,70.3
v3.0,pi-armnn-v22.11-opencl,net-quantized,SingleStream,,15,16,40,
v3.0,pi-tflite-v2.11.0-ruy,net-non-quantized,singlestream,fp32,30,31,200,71.5
v3.0,pi-tflite-v2.11.0-ruy,net-quantized,offline,int8,1,1,1,70
v3.0,Box_TRT_MaxQ,bert-99,singlestream,"int8,fp16",5,6,700,
"""
BOARD = Path("../shared/data/inference_energy/mlperf_power")


def file_of(folder: Path, text: str) -> Path:
    path = folder / "runs.csv"
    path.write_text(text)
    return path


def test_the_newest_round_counts_and_the_spread_is_kept(tmp_path: Path) -> None:
    rows = {(row.device, str(row.target)): row for row in convert(file_of(tmp_path, RUNS))}
    assert [*rows] == [
        ("pi", "device:cpu/int8#armnn"),
        ("pi", "device:gpu/int8#armnn"),
        ("pi", "device:cpu/fp32#tflite"),
        ("box-maxq", "device:cpu/fp16#tensorrt"),
    ]
    newest = rows["pi", "device:cpu/int8#armnn"]
    assert (newest.latency_s, newest.latency_p90_s, newest.energy_j, newest.accuracy) == (
        pytest.approx(0.012),
        pytest.approx(0.013),
        pytest.approx(0.06),
        pytest.approx(0.703),
    )
    assert (newest.runs, newest.latency_spread) == (3, pytest.approx(0.3593, abs=1e-3))
    assert newest.network == "net-quantized"


def test_what_systems_are_made_of_tells_the_processor(tmp_path: Path) -> None:
    (tmp_path / "systems.csv").write_text(
        'round,system,accelerator,framework\nv3.0,Box_TRT_MaxQ,NVIDIA T4,"TensorRT 8.6, CUDA 12.0"\n'
    )
    rows = convert(file_of(tmp_path, RUNS), tmp_path / "systems.csv", {"pi": "pie"}, joined=True)
    assert [str(row.target) for row in rows if row.device == "box-maxq"] == ["device:gpu/fp16#tensorrt"]
    assert {row.network for row in rows if row.device == "pie"} == {"net"}


@pytest.mark.parametrize(
    ("name", "framework", "accelerator", "expected"),
    [
        ("rpi4coral-fan.on-tflite-v2.4.1-ruy", "", "-", System("rpi4coral-fan.on", "tflite", "ruy", "cpu")),
        ("eb6-qaic-v1.8.3.7-aic100", "", "QUALCOMM Cloud AI 100", System("eb6", "qaic", "aic100", "npu")),
        ("AGX_Xavier_TRT_MaxQ", "", "NVIDIA AGX Xavier", System("agx-xavier-maxq", "tensorrt", "", "gpu")),
        ("nuc", "OpenVINO 2023.1", "-", System("nuc", "openvino", "", "cpu")),
        ("mystery", "", "", System("mystery", "", "", "cpu")),
    ],
)
def test_a_systems_name_is_taken_apart(name: str, framework: str, accelerator: str, expected: System) -> None:
    assert parse_system(name, framework, accelerator) == expected


def test_two_variants_of_one_runtime_are_two_engines(tmp_path: Path) -> None:
    lines = [f"v3.0,pi-tflite-v2-{variant},n,singlestream,int8,1,,1," for variant in ("ruy", "xnnpack")]
    text = "\n".join([HEAD, *lines])
    assert [str(row.target) for row in convert(file_of(tmp_path, text))] == [
        "device:cpu/int8#tflite-ruy",
        "device:cpu/int8#tflite-xnnpack",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("round,system\n", "no column 'model', 'scenario', 'mean_ms', 'mj_per_sample'"),
        (f"{HEAD}\n", "holds no run of the scenario 'singlestream'"),
        (f"{HEAD}\nv1,s,m,singlestream,int8,-1,1,x,\n", "line 2, column mean_ms: '-1'"),
        (f"{HEAD}\nv1,s,m,singlestream,int8,,1,1,\n", "line 2, column mean_ms: it is empty"),
        (f"{HEAD}\nv1,s,m,singlestream,int8,1,1,inf,\n", "line 2, column mj_per_sample: 'inf'"),
        (f"{HEAD}\nnew,s,m,singlestream,int8,1,1,1,\n", "line 2, column round: 'new'; allowed: a version"),
        (f"{HEAD}\nv1,,m,singlestream,int8,1,1,1,\n", "line 2, column system: ''"),
        (f"{HEAD}\nv1,s,,singlestream,int8,1,1,1,\n", "line 2, column model: ''"),
    ],
)
def test_what_cannot_be_converted_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        convert(file_of(tmp_path, text))
    assert message in str(caught.value)


def test_a_board_that_is_not_there_and_a_file_that_is_no_text_are_named(tmp_path: Path) -> None:
    path = file_of(tmp_path, f"{HEAD}\nv1,pi-tflite,m,singlestream,int8,1,1,1,\n")
    assert convert(path, boards={"pi": "rpi4"})[0].device == "rpi4"
    with pytest.raises(UnknownName, match="did you mean 'pi'"):
        convert(path, boards={"pie": "rpi4"})
    path.write_bytes(b"round\xff")
    with pytest.raises(InvalidInput, match="is no text in UTF-8"):
        convert(path)


@pytest.mark.skipif(not BOARD.is_dir(), reason="the logs' rows are not at hand")
def test_the_rows_of_the_logs() -> None:
    rows = convert(BOARD / "runs.csv", BOARD / "systems.csv")
    firefly = [row for row in rows if row.device == "firefly"]
    assert len({row.network for row in firefly}) == 95
    assert {row.runs for row in firefly} == {2}, "of rounds v2.1 and v3.0"
    (int8,) = [
        r for r in firefly if (r.network, str(r.target)) == ("mobilenet-v2-1.0-224-quantized", "device:gpu/int8#armnn")
    ]
    assert (int8.latency_s, int8.energy_j) == (pytest.approx(9.9e-3, rel=0.05), pytest.approx(48e-3, rel=0.02))
