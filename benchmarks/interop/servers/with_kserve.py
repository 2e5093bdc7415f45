"""KServe's ModelServer with the model of a file, PATH, at port PORT of every interface."""

import sys

import onnxruntime
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.utils.numpy_codec import from_np_dtype

path, port = sys.argv[1], int(sys.argv[2])


class OnnxModel(Model):
    def __init__(self):
        super().__init__("net")
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        feeds = {each.name: each.as_numpy() for each in payload.inputs}
        names = [each.name for each in self._session.get_outputs()]
        outputs = []
        for name, array in zip(names, self._session.run(names, feeds), strict=True):
            outputs.append(InferOutput(name, list(array.shape), from_np_dtype(array.dtype)))
            outputs[-1].set_data_from_numpy(array, binary_data=True)
        return InferResponse(payload.id, "net", outputs)


print("starting", flush=True)
ModelServer(http_port=port + 1, grpc_port=port, enable_docs_url=False).start([OnnxModel()])
