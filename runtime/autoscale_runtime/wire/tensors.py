"""Arrays to Open Inference Protocol messages and back.

Written with raw contents always, which is several times as fast as typed contents; read in either form. Strings
(BYTES) are ``str`` in arrays of dtype object, as ONNX Runtime has them, and UTF-8 on the wire; a tensor of which some
are not UTF-8 has them as ``bytes``, all of them.
"""

import math
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from autoscale.errors import FeedError, one_of
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Array, TensorSpec, bfloat16, is_bfloat16

BYTES: Final = "BYTES"
BF16: Final = "BF16"

# Data type to (dtype on the wire, the field of InferTensorContents that holds it); FP16 and BF16 travel raw alone.
DATATYPES: Final[dict[str, tuple[np.dtype[Any], str | None]]] = {
    "BOOL": (np.dtype("?"), "bool_contents"),
    "UINT8": (np.dtype("u1"), "uint_contents"),
    "UINT16": (np.dtype("<u2"), "uint_contents"),
    "UINT32": (np.dtype("<u4"), "uint_contents"),
    "UINT64": (np.dtype("<u8"), "uint64_contents"),
    "INT8": (np.dtype("i1"), "int_contents"),
    "INT16": (np.dtype("<i2"), "int_contents"),
    "INT32": (np.dtype("<i4"), "int_contents"),
    "INT64": (np.dtype("<i8"), "int64_contents"),
    "FP16": (np.dtype("<f2"), None),
    "FP32": (np.dtype("<f4"), "fp32_contents"),
    "FP64": (np.dtype("<f8"), "fp64_contents"),
    BYTES: (np.dtype(object), "bytes_contents"),
    BF16: (np.dtype("V2"), None),  # as bare bytes: what numbers they are, ``dtype_of`` knows
}
_NAMES: Final = {dtype: name for name, (dtype, _) in DATATYPES.items() if name != BF16}
_LENGTH: Final = struct.Struct("<I")
_IS_LITTLE: Final = sys.byteorder == "little"
_FEW_BYTES: Final = 4 << 10
"""So many are copied sooner than a view of them is made."""

_LENGTH_DELIMITED: Final = 2
"""How the wire announces a field that is a length and so many bytes."""


Tensor = pb.ModelInferRequest.InferInputTensor | pb.ModelInferResponse.InferOutputTensor


def datatype_of(dtype: np.dtype[Any]) -> str:
    """The protocol's name of a numpy dtype.

    Raises:
        FeedError: the protocol has no such type.

    >>> datatype_of(np.dtype(np.float32))
    'FP32'
    """
    try:
        return BF16 if is_bfloat16(dtype) else _NAMES[dtype.newbyteorder("<")]
    except KeyError:
        one_of("dtype", str(dtype), [str(each) for each in _NAMES], FeedError)
        raise


def dtype_of(datatype: str) -> np.dtype[Any]:
    """The numpy dtype of one of the protocol's types.

    Raises:
        FeedError: the name is none of them.
        MissingExtra: it is BF16, and no package that has it is installed.
    """
    one_of("datatype", datatype, DATATYPES, FeedError)
    return bfloat16() if datatype == BF16 else DATATYPES[datatype][0]


def raw_of(array: Array) -> bytes:
    """An array's elements, row by row, as they travel."""
    return bytes(_buffer(array))


def request_bytes(request: pb.ModelInferRequest, arrays: Iterable[Array]) -> bytes:
    """A serialised request with arrays as its raw contents.

    The wire format lets fields follow each other in any order, so the arrays are appended to the message instead of
    passing through it: one copy of each in place of three.
    """
    return b"".join(with_raw(request.SerializeToString(), pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER, arrays))


def with_raw(message: bytes, number: int, arrays: Iterable[Array]) -> list[bytes | memoryview]:
    """The parts of a serialised message with arrays as its raw contents: a field of that number for each."""
    tag = bytes([number << 3 | _LENGTH_DELIMITED])
    parts: list[bytes | memoryview] = [message]
    for array in arrays:
        buffer = _buffer(array)
        parts += (tag + varint(len(buffer)), buffer)
    return parts


def _buffer(array: Array) -> bytes | memoryview:
    dtype = array.dtype
    if dtype.isnative and _IS_LITTLE and not dtype.hasobject and array.nbytes <= _FEW_BYTES:
        return array.tobytes()
    if not dtype.hasobject:
        wire = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        return wire.reshape(-1).view(np.uint8).data
    encoded = [each if isinstance(each, bytes) else str(each).encode() for each in array.ravel()]
    return b"".join(part for each in encoded for part in (_LENGTH.pack(len(each)), each))


_SHORT: Final = tuple(bytes([number]) for number in range(0x80))


def varint(number: int) -> bytes:
    """A number as the wire has it: seven bits a byte, the lowest first."""
    if number < 0x80:
        return _SHORT[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


def tensors_of(tensors: Sequence[Tensor], raw: Sequence[bytes | memoryview]) -> dict[str, Array]:
    """Name to array, of the inputs of a request or the outputs of a response.

    An array made of raw contents is read-only: it is a view of the message.

    Raises:
        FeedError: a name twice, an unknown data type, a shape that the contents do not fill, a boolean that is neither,
            both raw and typed contents, or fewer or more raw contents than tensors.
    """
    if raw and len(raw) != len(tensors):
        raise FeedError(f"there are {len(raw)} raw contents for {len(tensors)} tensors; allowed: as many, or none")
    arrays: dict[str, Array] = {}
    for index, tensor in enumerate(tensors):
        if tensor.name in arrays:
            raise FeedError(f"tensor '{tensor.name}' is there twice; allowed: each name once")
        arrays[tensor.name] = _array(tensor, raw[index] if raw else None)
    return arrays


def _array(tensor: Tensor, raw: bytes | memoryview | None) -> Array:
    dtype = dtype_of(tensor.datatype)
    if any(each < 0 for each in tensor.shape):
        raise FeedError(f"tensor '{tensor.name}' has the shape {list(tensor.shape)}; allowed: sizes of 0 or more")
    if raw is None:
        flat = _typed(tensor, dtype)
    elif tensor.contents.ListFields():  # another maker's server may write an empty one beside the raw contents
        raise FeedError(f"tensor '{tensor.name}' has both raw and typed contents; allowed: one of them")
    else:
        flat = _untyped(tensor, dtype, raw)
    return _shaped(tensor, flat)


def _typed(tensor: Tensor, dtype: np.dtype[Any]) -> Array:
    field = DATATYPES[tensor.datatype][1]
    if field is None and math.prod(tensor.shape) == 0:
        return np.empty(0, dtype)
    if field is None:
        raise FeedError(f"tensor '{tensor.name}' is {tensor.datatype} in typed contents; allowed: raw contents")
    others = [each.name for each, _ in tensor.contents.ListFields() if each.name != field]
    if others:
        raise FeedError(f"tensor '{tensor.name}' is {tensor.datatype} but has '{others[0]}'; allowed: '{field}'")
    values = getattr(tensor.contents, field)
    if dtype.hasobject:
        return _strings(values)
    try:
        return np.array(values, dtype)
    except OverflowError as error:
        raise FeedError(f"tensor '{tensor.name}' has a value outside {tensor.datatype}: {error}") from error


def _untyped(tensor: Tensor, dtype: np.dtype[Any], raw: bytes | memoryview) -> Array:
    if dtype.hasobject:
        return _strings(list(_elements(tensor, raw)))
    if len(raw) % dtype.itemsize:
        raise FeedError(f"tensor '{tensor.name}' has {len(raw)} raw bytes; allowed: a multiple of {dtype.itemsize}")
    flat = np.frombuffer(raw, dtype)
    if dtype.kind == "b" and (most := flat.view(np.uint8).max(initial=0)) > 1:
        # A runtime computes with the byte: not(2) is 3 there, which is true as well.
        raise FeedError(f"tensor '{tensor.name}' is BOOL and has a byte of {most}; allowed: 0 and 1")
    return flat


def _elements(tensor: Tensor, raw: bytes | memoryview) -> Iterator[bytes]:
    """Each string; no more than the shape takes are looked at, and one more tells that there are too many."""
    at, most = 0, math.prod(tensor.shape) + 1
    while at < len(raw) and most > 0:
        start = at + _LENGTH.size
        end = start + _LENGTH.unpack_from(raw, at)[0] if start <= len(raw) else start
        if end > len(raw):
            raise FeedError(
                f"tensor '{tensor.name}' has {len(raw)} raw bytes; its element at byte {at} ends after them"
            )
        yield bytes(raw[start:end])
        at, most = end, most - 1


def _strings(values: Sequence[bytes]) -> Array:
    array = np.empty(len(values), object)
    try:
        array[:] = [each.decode() for each in values]
    except UnicodeDecodeError:
        array[:] = values
    return array


def _shaped(tensor: Tensor, flat: Array) -> Array:
    shape = tuple(tensor.shape)
    if flat.size != math.prod(shape):
        raise FeedError(
            f"tensor '{tensor.name}' has {flat.size} elements of {tensor.datatype}; "
            f"its shape {list(shape)} takes {math.prod(shape)}"
        )
    try:
        return flat.reshape(shape)
    except ValueError as error:  # more dimensions, or longer ones, than numpy has
        raise FeedError(f"tensor '{tensor.name}' has the shape {list(shape)}: {error}") from error


def metadata_of(spec: TensorSpec) -> pb.ModelMetadataResponse.TensorMetadata:
    """A tensor's description as it travels; an open dimension is -1."""
    shape = [-1 if each is None else each for each in spec.shape]
    return pb.ModelMetadataResponse.TensorMetadata(name=spec.name, datatype=datatype_of(spec.dtype), shape=shape)


def spec_of(metadata: pb.ModelMetadataResponse.TensorMetadata) -> TensorSpec:
    """A tensor's description as read; a negative dimension is open.

    Raises:
        FeedError: an unknown data type.
    """
    shape = tuple(None if each < 0 else each for each in metadata.shape)
    return TensorSpec(metadata.name, dtype_of(metadata.datatype), shape)
