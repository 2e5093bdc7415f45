"""What a query cost the server, as the parameters of its answer: written by ours, read from any.

Beyond the protocol's own words: ``energy_joules``, ``measurement_method`` (of the joules), ``queue_us``,
``compute_us``; ``carbon_operational_g`` and ``carbon_embodied_g``, each with ``..._low_g`` and ``..._high_g``; and of
the electricity ``carbon_intensity_g_per_kwh``, ``..._kind``, ``..._method`` and ``carbon_region``; of the building
``carbon_pue``, which the carbon is multiplied by and the joules are not.
"""

import math
import struct
from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Final, TypeAlias

from autoscale.carbon import Intensity
from autoscale.carbon.intensity.base import KINDS
from autoscale.fleet.ledger.schema import MOST_PUE
from autoscale.query.outcome import CarbonEnds, Method
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.grid.watch import ReportedGrid
from autoscale_runtime.wire.cost import RemoteCost, ServerCost
from autoscale_runtime.wire.identity import MODEL_SHA256, Identity, is_digest
from autoscale_runtime.wire.tensors import varint

Parameters: TypeAlias = Mapping[str, pb.InferParameter]

_ENDS: Final = (
    "carbon_operational_low_g",
    "carbon_operational_high_g",
    "carbon_embodied_low_g",
    "carbon_embodied_high_g",
)

_ends_of: Final = attrgetter(*(name.removeprefix("carbon_") for name in _ENDS))
_NUMBERS: Final = ("energy_joules", "carbon_operational_g", "carbon_embodied_g", *_ENDS)
_TIMES: Final = ("queue_us", "compute_us")
_DOUBLE: Final = struct.Struct("<d")

_MOST: Final = 1e12
"""Joules, grams or microseconds (12 days): whoever reports more would have sums with it overflow."""

_LONGEST_TEXT: Final = 64


def parameters_of(cost: ServerCost, queue_us: int, compute_us: int) -> dict[str, pb.InferParameter]:
    """A cost as parameters."""
    numbers = {
        "energy_joules": cost.energy_j,
        "carbon_operational_g": cost.carbon_operational_g,
        "carbon_embodied_g": cost.carbon_embodied_g,
        **{name: getattr(cost.ends, name.removeprefix("carbon_")) for name in _ENDS},
        "carbon_intensity_g_per_kwh": cost.intensity.g_per_kwh,
        "carbon_pue": cost.pue,
    }
    texts = {
        "measurement_method": str(cost.method),
        "carbon_intensity_kind": cost.intensity.kind,
        "carbon_intensity_method": str(cost.intensity.method),
        "carbon_region": cost.region,
    }
    return {
        **{name: pb.InferParameter(double_param=number) for name, number in numbers.items()},
        **{name: pb.InferParameter(string_param=text) for name, text in texts.items()},
        "queue_us": pb.InferParameter(int64_param=queue_us),
        "compute_us": pb.InferParameter(int64_param=compute_us),
    }


def cost_bytes(cost: ServerCost, queue_us: int, compute_us: int) -> bytes:
    """``parameters_of`` a cost as it is appended to a serialised answer: maps of a message may come in parts.

    What moves with each query is written by hand: so many messages of protobuf's take ten times as long.
    """
    joules, operational, embodied, low, high, low_embodied, high_embodied = _NUMBER_HEADS
    first, second, third, fourth = _ends_of(cost.ends)
    numbers = _FIGURES.pack(
        *(joules, cost[0], operational, cost[1], embodied, cost[2]),
        *(low, first, high, second, low_embodied, third, high_embodied, fourth),
    )
    queue, compute = varint(queue_us if queue_us > 0 else 0), varint(compute_us if compute_us > 0 else 0)
    heads = _time_head("queue_us", len(queue)), _time_head("compute_us", len(compute))
    return b"".join((_STILL.of(cost), numbers, heads[0], queue, heads[1], compute))


class _Still:
    """What changes once a minute, kept as it was last."""

    def __init__(self) -> None:
        self._known: tuple[Intensity | None, object, bytes] = (None, None, b"")

    def of(self, cost: ServerCost) -> bytes:
        """The bytes of the grid's parameters and of the method."""
        intensity, others, written = self._known
        if intensity is not cost.intensity or others != (cost.method, cost.region, cost.pue):
            moving = (*_NUMBERS, *_TIMES)
            still = {name: each for name, each in parameters_of(cost, 0, 0).items() if name not in moving}
            written = pb.ModelInferResponse(parameters=still).SerializeToString()
            self._known = cost.intensity, (cost.method, cost.region, cost.pue), written
        return written


_STILL: Final = _Still()


@lru_cache(maxsize=64)
def _time_head(name: str, number_bytes: int) -> bytes:
    """An entry up to its number, which has so many bytes."""
    return _entry(name, b"\x10" + bytes(number_bytes))[:-number_bytes]


def _entry(name: str, value: bytes) -> bytes:
    """An entry of the map ``parameters``: the field's tag, then key and value, each with its length."""
    key = name.encode()
    inner = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(value)) + value
    return bytes([pb.ModelInferResponse.PARAMETERS_FIELD_NUMBER << 3 | 2]) + varint(len(inner)) + inner


def _number_head(name: str) -> bytes:
    """An entry up to its number."""
    return _entry(name, pb.InferParameter(double_param=1.0).SerializeToString())[: -_DOUBLE.size]


def cost_of(parameters: Parameters, sent_bytes: int, received_bytes: int) -> RemoteCost:
    """What a server reports of a query; what it does not, or in a way that makes no sense, is None.

    Args:
        parameters: of the answer.
        sent_bytes: size of the request.
        received_bytes: size of the answer.
    """
    queue_us, compute_us = _number(parameters, "queue_us"), _number(parameters, "compute_us")
    operational_g, embodied_g = _number(parameters, "carbon_operational_g"), _number(parameters, "carbon_embodied_g")
    return RemoteCost(
        sent_bytes,
        received_bytes,
        None if queue_us is None else queue_us / 1e6,
        None if compute_us is None else compute_us / 1e6,
        _number(parameters, "energy_joules"),
        operational_g,
        embodied_g,
        _method(parameters, "measurement_method"),
        _ends(parameters, operational_g or 0.0, embodied_g or 0.0),
        _grid(parameters),
        _pue(parameters),
    )


def identity_of(answer: pb.ModelInferResponse) -> Identity:
    """What an answer reports; what is no digest, or an endless version, is none."""
    parameter = answer.parameters[MODEL_SHA256] if MODEL_SHA256 in answer.parameters else pb.InferParameter()
    digest = parameter.string_param.lower()
    version = answer.model_version if len(answer.model_version) <= _LONGEST_TEXT else ""
    return Identity(digest if is_digest(digest) else "", version)


def _ends(parameters: Parameters, operational_g: float, embodied_g: float) -> CarbonEnds | None:
    ends = [_number(parameters, name) for name in _ENDS]
    least, most, least_embodied, most_embodied = (math.nan if each is None else each for each in ends)
    if least <= operational_g <= most and least_embodied <= embodied_g <= most_embodied:
        return CarbonEnds(least, most, least_embodied, most_embodied)
    return None


def _grid(parameters: Parameters) -> ReportedGrid | None:
    g_per_kwh, kind = _number(parameters, "carbon_intensity_g_per_kwh"), _text(parameters, "carbon_intensity_kind")
    if g_per_kwh is None or kind not in KINDS:
        return None
    method, region = _method(parameters, "carbon_intensity_method"), _text(parameters, "carbon_region")
    return ReportedGrid(g_per_kwh, "average" if kind == "average" else "marginal", method, region)


def _pue(parameters: Parameters) -> float | None:
    value = _number(parameters, "carbon_pue")
    return value if value is not None and 1.0 <= value <= MOST_PUE else None


def _method(parameters: Parameters, name: str) -> Method:
    reported = _text(parameters, name)
    return Method(reported) if reported in set(Method) else Method.DEFAULT


def _text(parameters: Parameters, name: str) -> str:
    """A word a server gave; empty where there is none, or an endless one."""
    text = parameters[name].string_param if name in parameters else ""
    return text if len(text) <= _LONGEST_TEXT else ""


def _number(parameters: Parameters, name: str) -> float | None:
    """A cost a server gave, or None; a negative one, NaN, a text, or more than any query can cost is none."""
    if name not in parameters:
        return None
    value = getattr(parameters[name], parameters[name].WhichOneof("parameter_choice") or "double_param")
    return float(value) if isinstance(value, int | float) and 0 <= value <= _MOST else None


_NUMBER_HEADS: Final = tuple(map(_number_head, _NUMBERS))
_FIGURES: Final = struct.Struct("<" + "".join(f"{len(head)}sd" for head in _NUMBER_HEADS))
