"""The demonstration's networks in every precision, made once by the same code as ``autoscale prepare``."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
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
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.preparation.prepare import prepare

RECIPE: Final = 2
"""Raised when ``prepare`` makes other variants of the same network than it did."""

EVALUATION_SEED: Final = 1


def bundle_of(network: Network, step: Callable[[str], None]) -> Bundle:
    """The network's bundle as this ONNX Runtime makes it, out of the user's cache or made now.

    Raises:
        ModelError: it cannot be made or written.
    """
    maker = str(onnx_runtime().__version__)  # an older one may not load what a newer one made
    made_of = hashlib.sha256(network.model_path.read_bytes() + f"{maker} {RECIPE}".encode()).hexdigest()[:12]
    folder = cache_folder() / "bundles" / made_of / network.name
    try:
        return Bundle.read(folder)
    except ModelError:
        pass  # not there yet, or damaged: made anew
    step(f"preparing {network.title}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="autoscale-demo-") as scratch:
        samples = Path(scratch) / "samples.npz"
        stacked = [sample.feeds for sample in network.calibration(network.calibrated_on)]
        write_arrays(samples, {name: np.stack([feeds[name] for feeds in stacked]) for name in stacked[0]})
        draft_folder = Path(scratch) / network.name
        draft = prepare(network.model_path, samples, None, draft_folder, step, keep=("fp16", "int8")).bundle
        return validated(draft, network).write(folder)


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
