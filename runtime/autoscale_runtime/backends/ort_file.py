"""What a file in ONNX Runtime's own format (``.ort``) says of itself.

FlatBuffers with the fields of ONNX Runtime's ``ort.fbs``: a session holds a model, that a graph, that initializers and
nodes.
"""

import struct
from pathlib import Path
from typing import Final

from autoscale_runtime.backends.flatbuffer import root_of
from autoscale_runtime.backends.onnx_file import OnnxFile

IDENTIFIER: Final = b"ORTM"
_SESSION_MODEL, _MODEL_GRAPH, _GRAPH_WEIGHTS, _GRAPH_NODES, _TENSOR_TYPE, _NODE_OPERATOR = 1, 7, 0, 2, 3, 5


def read_ort(path: Path) -> OnnxFile:
    """Its operators and the types of its weights; nothing in a damaged file."""
    found = OnnxFile()
    try:
        model = root_of(path.read_bytes()).table(_SESSION_MODEL)
        graph = model and model.table(_MODEL_GRAPH)
        if graph:
            found.operators.update(each.text(_NODE_OPERATOR) for each in graph.tables(_GRAPH_NODES))
            found.weight_types.update(each.scalar(_TENSOR_TYPE, "<i") for each in graph.tables(_GRAPH_WEIGHTS))
    except (struct.error, IndexError, ValueError):
        return OnnxFile()
    return found
