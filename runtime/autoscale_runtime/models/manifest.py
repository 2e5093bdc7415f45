"""A bundle's ``model.toml``: what is written, what is accepted.

It is a network's file (``autoscale.profiles.model_profile_codec``) that also lists tensors and variants, and so the
simulator takes it as it is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.errors import FeedError, ModelError, ProfileError, listing
from autoscale.profiles.model_profile_codec import (
    MANIFEST_SCHEMA,
    manifest_profile,
    profile_lines,
    toml_string,
    variant_accuracy,
)
from autoscale.profiles.toml_table import TomlTable, read_toml
from autoscale.query.model_profile import ModelProfile
from autoscale_runtime.backends.engines import format_of
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.models.state import State, check_state
from autoscale_runtime.models.variant import Variant

MANIFEST: Final = "model.toml"
OPEN: Final = "?"
"""An open dimension."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One network and its variants.

    Several variants may share a precision in different formats (fp32 as ``.onnx`` and as ``.tflite``).

    Attributes:
        name: the network's name.
        profile: its layers and sizes, and the accuracy of each precision.
        inputs: in the network's order.
        outputs: in the network's order.
        variants: at least one.
        state: outputs to the inputs of the stream's next query that they are fed back to.

    Raises:
        ModelError: no variant, two of one precision in one format, or a state that does not fit.
    """

    name: str
    profile: ModelProfile
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    variants: tuple[Variant, ...]
    state: State = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.variants:
            raise ModelError(f"bundle '{self.name}' has no variant; allowed: one or more")
        kinds = Counter(f"{each.precision} {format_of(each.path)}" for each in self.variants)
        twice = [kind for kind, count in kinds.items() if count > 1]
        if twice:
            raise ModelError(f"bundle '{self.name}' has more than one variant of {listing(twice)}")
        try:
            check_state(self.state, self.inputs, self.outputs)
        except FeedError as error:
            raise ModelError(f"bundle '{self.name}': {error}") from error
        accuracies = {each.precision: each.accuracy for each in self.variants if each.accuracy}
        object.__setattr__(self, "profile", replace(self.profile, accuracies=accuracies))


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a folder; whether the files it names are whole is not looked at.

    Raises:
        ModelError: it cannot be read, is not TOML or of another schema; a key that is missing, unknown or wrong.
    """
    try:
        return _manifest(read_toml(folder / MANIFEST), folder)
    except ProfileError as error:
        raise ModelError(f"bundle manifest {error}") from error


def manifest_text(manifest: Manifest) -> str:
    """What ``read_manifest`` reads."""
    first = manifest.variants[0]
    source = f"the model of {first.path.name}, SHA-256 {first.sha256}: counted from its graph, or as given with it"
    lines = [f"schema = {MANIFEST_SCHEMA}", f"name = {toml_string(manifest.name)}"]
    lines += profile_lines(replace(manifest.profile, accuracies={}), source)
    lines += _tensor_lines("inputs", manifest.inputs) + _tensor_lines("outputs", manifest.outputs)
    for out, into in manifest.state.items():
        lines += ["", "[[state]]", f"output = {toml_string(out)}", f"input = {toml_string(into)}"]
    for variant in manifest.variants:
        lines += ["", "[[variants]]", *_variant_lines(variant)]
    return "\n".join(lines) + "\n"


def _tensor_lines(title: str, specs: Sequence[TensorSpec]) -> list[str]:
    lines = []
    for spec in specs:
        shape = ", ".join(toml_string(OPEN) if each is None else str(each) for each in spec.shape)
        lines += ["", f"[[{title}]]", f"name = {toml_string(spec.name)}"]
        lines += [f"dtype = {toml_string(spec.dtype.name)}", f"shape = [{shape}]"]
    return lines


def _variant_lines(variant: Variant) -> list[str]:
    texts = {"precision": variant.precision, "file": variant.path.name, "sha256": variant.sha256}
    lines = [f"{key} = {toml_string(text)}" for key, text in texts.items()]
    if variant.accuracy:
        lines += [f"accuracy = {float(variant.accuracy.value)!r}"]
        lines += [f"accuracy_source = {toml_string(variant.accuracy.source)}"]
    return lines


def _manifest(document: TomlTable, folder: Path) -> Manifest:
    profile = manifest_profile(document)
    inputs, outputs = (tuple(map(_tensor, document.rows(key))) for key in ("inputs", "outputs"))
    variants = tuple(_variant(each, folder) for each in document.rows("variants"))
    state = dict(map(_fed_back, document.rows("state") if "state" in document else ()))
    return Manifest(profile.name, profile, inputs, outputs, variants, state)


def _fed_back(table: TomlTable) -> tuple[str, str]:
    table.check_keys(("output", "input"))
    return table.text("output"), table.text("input")


def _tensor(table: TomlTable) -> TensorSpec:
    table.check_keys(("name", "dtype", "shape"))
    try:
        return TensorSpec(table.text("name"), np.dtype(table.text("dtype")), _shape(table))
    except TypeError as error:
        raise table.fault("dtype", "numpy's, as 'float32'") from error


def _shape(table: TomlTable) -> tuple[int | None, ...]:
    shape: Any = table.content["shape"]
    if not isinstance(shape, list) or not all(each == OPEN or (type(each) is int and each >= 0) for each in shape):
        raise table.fault("shape", f"lengths, and '{OPEN}' for open ones")
    return tuple(None if each == OPEN else each for each in shape)


def _variant(table: TomlTable, folder: Path) -> Variant:
    table.check_keys(("precision", "file", "sha256"), ("accuracy", "accuracy_source"))
    file = table.text("file")
    if Path(file).name != file:
        raise table.fault("file", "the name of a file in the bundle's folder")
    return Variant(table.text("precision"), folder / file, table.text("sha256"), variant_accuracy(table))
