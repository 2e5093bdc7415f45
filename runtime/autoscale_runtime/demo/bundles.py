"""The demonstration's networks in every precision, made once by the same code as ``autoscale prepare``."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from autoscale.errors import ModelError
from autoscale.files import write_arrays
from autoscale.query.model_profile import Accuracy
from autoscale_runtime.backends.onnxruntime import OnnxRuntime, onnx_runtime
from autoscale_runtime.demo.networks import Network
from autoscale_runtime.host.cache import cache_folder
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.preparation.prepare import prepare

RECIPE: Final = 3
"""Raised when ``prepare`` makes other variants of the same network than it did."""

EVALUATION_SEED: Final = 1


def bundles_of(networks: Sequence[Network], step: Callable[[str], None]) -> list[Bundle]:
    """The networks' bundles as this ONNX Runtime makes them, out of the user's cache or made now, side by side.

    Raises:
        ModelError: one cannot be made or written.
    """
    folders = [_folder_of(each) for each in networks]
    missing = [(network, folder) for network, folder in zip(networks, folders, strict=True) if not _is_there(folder)]
    if missing:
        step(f"preparing {', '.join(network.name for network, _ in missing)}")
        with ProcessPoolExecutor(min(usable_cores(), len(missing)), get_context("spawn")) as pool:
            list(pool.map(_make, *zip(*reversed(missing), strict=True)))  # those of most work first
    return [Bundle.read(folder) for folder in folders]


def _folder_of(network: Network) -> Path:
    maker = str(onnx_runtime().__version__)  # an older one may not load what a newer one made
    made_of = hashlib.sha256(network.model_path.read_bytes() + f"{maker} {RECIPE}".encode()).hexdigest()[:12]
    return cache_folder() / "bundles" / made_of / network.name


def _is_there(folder: Path) -> bool:
    try:
        Bundle.read(folder)
    except ModelError:
        return False  # not there yet, or damaged: made anew
    return True


def _make(network: Network, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="autoscale-demo-") as scratch:
        samples = Path(scratch) / "samples.npz"
        stacked = [sample.feeds for sample in network.calibration(network.calibrated_on)]
        write_arrays(samples, {name: np.stack([feeds[name] for feeds in stacked]) for name in stacked[0]})
        draft = prepare(network.model_path, samples, None, Path(scratch) / network.name, keep=("fp16", "int8")).bundle
        validated(draft, network).write(folder)


def validated(bundle: Bundle, network: Network) -> Bundle:
    """The bundle with accuracies against the true labels instead of agreement with fp32."""
    samples = network.samples(network.evaluated_on, EVALUATION_SEED)
    source = f"mean score on {network.evaluated_on} labelled samples of {network.title}"
    backend, accuracies = OnnxRuntime(), {}
    for variant in bundle.variants:
        runner = backend.load(variant.path, backend.targets(variant.precision)[0])
        scores = [network.score(runner.run(None, sample.feeds).outputs, sample) for sample in samples]
        accuracies[variant.precision] = Accuracy(float(np.mean(scores)), source)
        runner.close()
    variants = tuple(replace(each, accuracy=accuracies[each.precision]) for each in bundle.variants)
    return replace(bundle, variants=variants)
