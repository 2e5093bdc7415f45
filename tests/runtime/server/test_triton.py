"""An independent client, tritonclient, in a process of its own, unchanged."""

import json
import subprocess
import sys
from typing import Any

import pytest

from autoscale_runtime.server.server import Server

SCRIPT = """
import json, sys
import numpy as np
import tritonclient.grpc as triton

client = triton.InferenceServerClient(sys.argv[1])
reported = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": [client.is_model_ready("scale"), client.is_model_ready("scale", "2"), client.is_model_ready("no")],
    "server": client.get_server_metadata(as_json=True),
    "model": client.get_model_metadata("two", as_json=True),
}

def infer(model, arrays, outputs=None, **options):
    inputs = []
    for name, array in arrays.items():
        inputs.append(triton.InferInput(name, array.shape, triton.utils.np_to_triton_dtype(array.dtype)))
        inputs[-1].set_data_from_numpy(array)
    asked = outputs and [triton.InferRequestedOutput(name) for name in outputs]
    return client.infer(model, inputs, outputs=asked, **options)

import tritonclient.utils
triton.utils = tritonclient.utils
x = np.arange(8, dtype=np.float32).reshape(2, 4)
reported["scale"] = infer("scale", {"x": x}).as_numpy("y").tolist()
reported["scale_3"] = infer("scale", {"x": x}, model_version="3").as_numpy("y").tolist()
a, b = np.array([1, 4, 9], np.int32), np.array([1, 2, 3], np.int32)
answer = infer("two", {"a": a, "b": b}, ["diff", "root"], request_id="7")
reported["two"] = {name: answer.as_numpy(name).tolist() for name in ("diff", "root")}
reported["absent"] = answer.as_numpy("sum") is None
response = answer.get_response()
reported["id"] = response.id
reported["parameters"] = {
    name: [each.WhichOneof("parameter_choice"), getattr(each, each.WhichOneof("parameter_choice"))]
    for name, each in response.parameters.items()
}
dtypes = ("bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64").split()
arrays = {f"in_{name}": np.array([0, 1, 1], name) for name in dtypes}
arrays["in_object"] = np.array([b"a", "\\u00fc".encode(), b""], object)
answer = infer("identity", arrays)
came = {name: answer.as_numpy(name.replace("in_", "out_")) for name in arrays}
reported["same"] = {name: bool((came[name] == array).all()) for name, array in arrays.items()}
reported["strings"] = [each.decode() for each in answer.as_numpy("out_object")]
try:
    infer("no", {"x": x})
except tritonclient.utils.InferenceServerException as error:
    reported["error"] = [error.status(), error.message()]
print(json.dumps(reported))
"""


@pytest.fixture(scope="module")
def reported(server: Server) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, server.address], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_it_finds_the_server_and_the_model_ready(reported: dict[str, Any]) -> None:
    assert reported["live"]
    assert reported["ready"]
    assert reported["model_ready"] == [True, False, False]


def test_it_reads_the_metadata(reported: dict[str, Any]) -> None:
    assert reported["server"]["name"] == "autoscale"
    assert reported["model"]["versions"] == ["1"]
    assert reported["model"]["inputs"][0] == {"name": "a", "datatype": "INT32", "shape": ["3"]}
    assert [each["name"] for each in reported["model"]["outputs"]] == ["sum", "diff", "root"]


def test_it_gets_right_answers(reported: dict[str, Any]) -> None:
    assert reported["scale"] == [[0, 10, 20, 30], [40, 50, 60, 70]]
    assert reported["scale_3"] == [[0, 3, 6, 9], [12, 15, 18, 21]]
    assert reported["two"] == {"diff": [0, 2, 6], "root": [1, 2, 3]}
    assert reported["absent"]
    assert reported["id"] == "7"


def test_every_data_type_comes_back_as_it_went(reported: dict[str, Any]) -> None:
    assert len(reported["same"]) == 13
    assert all(reported["same"].values()), reported["same"]
    assert reported["strings"] == ["a", "ü", ""]


def test_it_reads_the_cost(reported: dict[str, Any]) -> None:
    assert {name: kind for name, (kind, _) in reported["parameters"].items()} == {
        "energy_joules": "double_param",
        "carbon_operational_g": "double_param",
        "carbon_embodied_g": "double_param",
        "queue_us": "int64_param",
        "compute_us": "int64_param",
        "measurement_method": "string_param",
        "carbon_operational_low_g": "double_param",
        "carbon_operational_high_g": "double_param",
        "carbon_embodied_low_g": "double_param",
        "carbon_embodied_high_g": "double_param",
        "carbon_intensity_g_per_kwh": "double_param",
        "carbon_intensity_kind": "string_param",
        "carbon_intensity_method": "string_param",
        "carbon_region": "string_param",
        "carbon_pue": "double_param",
        "model_sha256": "string_param",
    }
    assert reported["parameters"]["energy_joules"][1] > 0.0
    assert reported["parameters"]["measurement_method"][1] == "modelled"


def test_it_understands_a_refusal(reported: dict[str, Any]) -> None:
    status, message = reported["error"]
    assert status == "StatusCode.NOT_FOUND"
    assert "unknown model 'no'" in message
