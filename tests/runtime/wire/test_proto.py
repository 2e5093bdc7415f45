import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from autoscale_runtime._proto import open_inference_pb2 as pb

ROOT = Path(__file__).resolve().parents[3]
DESCRIBE = """
def describe(message):
    fields = [
        [f.name, f.number, f.type, f.is_repeated, f.message_type and f.message_type.full_name,
         f.containing_oneof and f.containing_oneof.name]
        for f in message.fields
    ]
    return {"fields": sorted(fields), "nested": {n.name: describe(n) for n in message.nested_types}}

def service(module):
    methods = module.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
    return {m.name: [m.input_type.full_name, m.output_type.full_name] for m in methods}
"""
TRITON = """
import json
import tritonclient.grpc.service_pb2 as module
messages = {name: describe(each) for name, each in module.DESCRIPTOR.message_types_by_name.items()}
print(json.dumps([messages, service(module)]))
"""


def test_the_committed_code_is_what_the_proto_file_gives() -> None:
    check = [sys.executable, "-m", "benchmarks.proto", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_messages_and_service_are_those_of_triton() -> None:
    # Both define the package inference, which one process cannot hold twice.
    reported = subprocess.run([sys.executable, "-c", DESCRIBE + TRITON], capture_output=True, text=True, timeout=60)
    theirs, their_service = json.loads(reported.stdout)
    names: dict[str, Any] = {}
    exec(DESCRIBE, names)
    for name, message in pb.DESCRIPTOR.message_types_by_name.items():
        assert json.loads(json.dumps(names["describe"](message))) == theirs[name], name
    ours = names["service"](pb)
    assert len(ours) == 12
    assert ours == {name: their_service[name] for name in ours}
