"""Measured latencies, as the files of ``shared/data/inference_latency`` hold them, with the networks they are of."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from autoscale.physics.fitting import Sample
from autoscale.profiles.networks import load_network, measured_networks, network_names
from autoscale.query.model_profile import LAYER_KINDS, ModelProfile
from autoscale.query.target import Target
from autoscale.units import s_from_ms

FOLDER: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "inference_latency"
"""Beside the checkout; not part of the project."""

LITTLE: Final = "1"
"""ncnn's ``powersave`` on the little cores; 0 is all of them, 2 the big ones."""

_NETWORKS: Final = Path(__file__).with_name("networks.csv")

_NCNN: Final = {
    "squeezenet": "squeezenet-1.1-227",
    "mobilenet": "mobilenet-v1-1-224",
    "mobilenet_v2": "mobilenet-v2-1-224",
    "mobilenet_v3": "mobilenet-v3-large-1-224",
    "mnasnet": "mnasnet-1-224",
    "efficientnet_b0": "efficientnet-b0-224",
    "googlenet": "googlenet-caffe-224",
    "resnet18": "resnet18-224",
    "alexnet": "alexnet-227",
    "vgg16": "vgg16-224",
    "resnet50": "resnet50-224",
    "mobilenet_ssd": "mobilenet-ssd-300",
    "regnety_400m": "regnety-004-224",
    "efficientnetv2_b0": "efficientnetv2-b0-224",
    "shufflenet_v2": "shufflenet-v2-1-224",
    "vision_transformer": "vit-b-16-384",
}
_TFLITE: Final = {
    "Inception_V1_224": "inception-v1-224",
    "Inception_V3_299": "inception-v3-299",
    "Inception_V4_299": "inception-v4-299",
    "Inception_ResNet_V2_299": "inception-resnet-v2-299",
    "ResNet_V2_101_299": "resnet101-299",
    "NASNet_large_331": "nasnet-large-331",
    "SqueezeNet_224": "squeezenet-1.0-224",
    "Mobilenet_V2_1.0_224": "mobilenet-v2-1-224",
}


def networks() -> dict[str, ModelProfile]:
    """The networks that were measured: those counted from their graphs, and those that ship."""
    with _NETWORKS.open(encoding="utf-8", newline="") as file:
        counted = {row["network"]: _network(row) for row in csv.DictReader(file)}
    return {**measured_networks(), **{name: load_network(name) for name in network_names()}, **counted}


def family(network: str) -> str:
    """What a network shares with its other widths, depths and input sizes."""
    with _NETWORKS.open(encoding="utf-8", newline="") as file:
        known = {row["network"]: row["family"] for row in csv.DictReader(file)}
    return known.get(network) or re.sub(r"(-[0-9.]+)+$|[0-9]$", "", network)


def tflite(device: str, column: str, target: Target) -> list[Sample]:
    """TensorFlow Lite's published latencies: a ``column`` of ``cpu_ms``, ``gpu_ms``, ``nnapi_ms``.

    GPU figures are of fp32 networks that the delegate computes in fp16.
    """
    precision = "fp32" if target.processor == "gpu" else target.precision
    rows = [row for row in _rows("tflite_pixel_latency.csv") if row["device"] == device and row[column]]
    found = {
        name: s_from_ms(float(row[column]))
        for row in rows
        if row["precision"] == precision and (name := _tflite_name(row["model"], row["input_px"])) is not None
    }
    return [Sample(name, target, latency_s) for name, latency_s in found.items()]


def slim(column: str, target: Target) -> list[Sample]:
    """MobileNet v3 on one large core of a Pixel, from TensorFlow's slim models: a ``column`` as ``pixel3_ms``."""
    return [
        Sample(name, target, s_from_ms(float(row[column])))
        for row in _rows("tf_slim_mobilenet_pixel_latency.csv")
        if row["precision"] == target.precision and row[column] and (name := _slim_name(row["model"])) is not None
    ]


def ncnn(platform: str, target: Target, powersave: str = "") -> list[Sample]:
    """The first run of ncnn on a platform with as many threads as the target has, int8 rows where the target is int8.

    The least of its loops is taken: what the platform does undisturbed.
    """
    rows = [
        row
        for row in _rows("ncnn_benchncnn_latency.csv")
        if platform in row["platform"]
        and row["target"] == target.processor
        and target.threads in (None, int(row["num_threads"]))
        and powersave in ("", row["powersave"])
    ]
    ending = "_int8" if target.precision == "int8" else ""
    found: dict[str, float] = {}
    for row in rows:
        name = _NCNN.get(row["model"].removesuffix("_int8"))
        if name is not None and row["model"].endswith("_int8") == bool(ending):
            found.setdefault(name, s_from_ms(float(row["min_ms"])))
    return [Sample(name, target, latency_s) for name, latency_s in found.items()]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _network(row: dict[str, str]) -> ModelProfile:
    layers, macs, values = (
        {kind: int(row[f"{kind}_{what}"]) for kind in LAYER_KINDS} for what in ("layers", "macs", "values")
    )
    return ModelProfile(
        row["network"],
        conv=layers["conv"],
        depthwise_conv=layers["depthwise_conv"],
        fully_connected=layers["fully_connected"],
        recurrent=layers["recurrent"],
        other=layers["other"],
        macs=sum(macs.values()),
        macs_by_kind=macs,
        parameters=int(row["parameters"]),
        values_by_kind=values,
        spatial_macs=int(row["spatial_macs"]),
    )


def _tflite_name(model: str, pixels: str) -> str | None:
    family, _, width = model.removesuffix(f"_{pixels}").rpartition("_")
    if family in ("Mobilenet_V1", "MnasNet"):
        return f"{family.lower().replace('_', '-')}-{float(width):g}-{pixels}"
    return _TFLITE.get(f"{model.removesuffix(f'_{pixels}')}_{pixels}")


def _slim_name(model: str) -> str | None:
    if not model.startswith("mobilenet_v3") or "minimalistic" in model:
        return None
    _, _, size, width, pixels = model.split("_")
    return f"mobilenet-v3-{size}-{float(width):g}-{pixels}"
