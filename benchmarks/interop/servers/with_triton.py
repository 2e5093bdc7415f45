"""Triton with the models of files, PATH..., at loopback's port PORT, two instances each behind its Python backend.

The server is the one within NVIDIA's package ``pytriton``, whose parts are laid out as Triton wants them.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import onnxruntime
import pytriton

*paths, port = sys.argv[1:]
home = Path(pytriton.__file__).parent / "tritonserver"
libraries = Path(pytriton.__file__).parents[1] / "nvidia_pytriton.libs"
TYPES = {"tensor(float)": "TYPE_FP32"}
MODEL = """
import sys
sys.path[:0] = {packages!r}
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession({path!r}, options, providers=["CPUExecutionProvider"])
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._outputs = [each.name for each in self._session.get_outputs()]

    def execute(self, requests):
        return [self._answer(each) for each in requests]

    def _answer(self, request):
        feeds = {{name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}}
        arrays = self._session.run(self._outputs, feeds)
        return triton.InferenceResponse([triton.Tensor(*each) for each in zip(self._outputs, arrays)])
"""


def write_model(repository, path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    lines = ['backend: "python"', "instance_group [{ kind: KIND_CPU count: 2 }]"]
    for way, nodes in (("input", session.get_inputs()), ("output", session.get_outputs())):
        for each in nodes:
            dims = ", ".join(str(size if isinstance(size, int) else -1) for size in each.shape)
            lines.append(f'{way} [{{ name: "{each.name}" data_type: {TYPES[each.type]} dims: [{dims}] }}]')
    folder = repository / Path(path).parents[1].name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text("\n".join(lines))
    (folder / "1" / "model.py").write_text(MODEL.format(packages=[each for each in sys.path if each], path=path))


def lay_out(folder):
    backend = folder / "backends" / "python"
    backend.mkdir(parents=True)
    stub = home / "python_backend_stubs" / f"3.{sys.version_info.minor}" / "triton_python_backend_stub"
    for each in (*(home / "backends" / "python").iterdir(), stub):
        (backend / each.name).symlink_to(each)
    for path in paths:
        write_model(folder / "models", path)


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
with tempfile.TemporaryDirectory() as place:
    lay_out(Path(place))
    command = [
        home / "bin" / "tritonserver",
        f"--model-repository={place}/models",
        f"--backend-directory={place}/backends",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={port}",
        "--allow-http=false",
        "--allow-metrics=false",
    ]
    found = os.environ.get("LD_LIBRARY_PATH", "")
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{found}".rstrip(":")}
    with subprocess.Popen(command, env=environment) as server:
        try:
            sys.exit(server.wait())
        finally:
            server.terminate()
