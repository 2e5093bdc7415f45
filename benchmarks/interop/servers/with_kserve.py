"""KServe's ModelServer with the models of files, PATH..., at port PORT of every interface."""

import sys
from pathlib import Path

import onnxruntime
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.utils.numpy_codec import from_np_dtype

*paths, port = sys.argv[1:]


class OnnxModel(Model):
    def __init__(self, path):
        super().__init__(Path(path).parents[1].name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        feeds = {each.name: each.as_numpy() for each in payload.inputs}
        names = [each.name for each in self._session.get_outputs()]
        outputs = []
        for name, array in zip(names, self._session.run(names, feeds), strict=True):
            outputs.append(InferOutput(name, list(array.shape), from_np_dtype(array.dtype)))
            outputs[-1].set_data_from_numpy(array, binary_data=True)
        return InferResponse(payload.id, self.name, outputs)


server = ModelServer(http_port=int(port) + 1, grpc_port=int(port), enable_docs_url=False)
server.start([OnnxModel(each) for each in paths])
