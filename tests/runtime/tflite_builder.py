"""Writes .tflite files operator by operator, with the schema that ai-edge-litert ships."""

import flatbuffers
import numpy as np
import pytest

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
FLOAT, INT32, UINT8, INT8, BOOL, FLOAT16 = 0, 2, 3, 9, 6, 1
DTYPES = {FLOAT: np.float32, FLOAT16: np.float16, INT32: np.int32, UINT8: np.uint8, INT8: np.int8}


class Builder:
    """Writes a .tflite file operator by operator."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes, self.model.subgraphs = [], []
        self.model.buffers = [schema.BufferT()]
        self.model.signatureDefs = []
        self.subgraph()

    def subgraph(self):
        self.at = schema.SubGraphT()
        self.at.tensors, self.at.operators, self.at.inputs, self.at.outputs = [], [], [], []
        self.model.subgraphs.append(self.at)

    def tensor(self, name, shape, kind=FLOAT, signature=None, data=None, scale=None):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), kind
        tensor.shapeSignature = signature
        tensor.buffer = 0
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(data, DTYPES[kind]).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.at.tensors.append(tensor)
        return len(self.at.tensors) - 1

    def input(self, name, shape, **more):
        index = self.tensor(name, shape, **more)
        self.at.inputs.append(index)
        return index

    def weight(self, *shape, kind=FLOAT):
        return self.tensor(f"w{len(self.at.tensors)}", shape, kind, data=np.ones(shape))

    def ints(self, *values):
        return self.tensor(f"i{len(self.at.tensors)}", [len(values)], INT32, data=values)

    def add(self, code, inputs, shape, options=None, custom=None, kind=FLOAT, signature=None):
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.customCode, entry.version = code, custom, 1
        entry.deprecatedBuiltinCode = min(code, 127)
        self.model.operatorCodes.append(entry)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs = list(inputs)
        operator.outputs = [self.tensor(f"t{len(self.at.tensors)}", shape, kind, signature)]
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
        self.at.operators.append(operator)
        return operator.outputs[0]

    def signature(self, key, inputs, outputs, subgraph=0):
        """Name the tensors of a sub-graph: each a mapping of name to tensor."""
        definition = schema.SignatureDefT()
        definition.signatureKey, definition.subgraphIndex = key, subgraph
        definition.inputs, definition.outputs = ([self._map(*each) for each in m.items()] for m in (inputs, outputs))
        self.model.signatureDefs.append(definition)

    def _map(self, name, index):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        return entry

    def save(self, path, *outputs):
        if outputs:
            self.at.outputs = list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


OPS = schema.BuiltinOperator
