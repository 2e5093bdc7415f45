"""The text of a bundle's ``model.toml``: what is written, what is accepted."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.errors import ModelError, listing, nearest
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.models.bundle import MANIFEST, Bundle, Variant

SCHEMA: Final = 1
OPEN: Final = "?"
"""An open dimension."""

Keys = Mapping[str, type | tuple[type, ...]]
_COUNTS: Final = (
    "conv",
    "depthwise_conv",
    "fully_connected",
    "recurrent",
    "macs",
    "parameters",
    "parameter_bytes",
    "input_bytes",
    "output_bytes",
)
_TOP: Final[Keys] = {
    "schema": int,
    "name": str,
    "profile": dict,
    "inputs": list,
    "outputs": list,
    "variants": list,
}
_PROFILE: Final[Keys] = {**dict.fromkeys(_COUNTS, int), "macs_by_kind": dict}
_TENSOR: Final[Keys] = {"name": str, "dtype": str, "shape": list}
_VARIANT: Final[Keys] = {"precision": str, "file": str, "sha256": str}
_ACCURACY: Final[Keys] = {"accuracy": (int, float), "accuracy_source": str}


def emit(bundle: Bundle) -> str:
    """The manifest of a bundle; ``parse`` is its inverse."""
    profile = bundle.profile
    lines = [f"schema = {SCHEMA}", f"name = {_string(bundle.name)}", "", "[profile]"]
    lines += [f"{name} = {getattr(profile, name)}" for name in _COUNTS]
    lines += ["", "[profile.macs_by_kind]"]
    lines += [f"{_string(kind)} = {macs}" for kind, macs in profile.macs_by_kind.items()]
    for title, specs in (("inputs", bundle.inputs), ("outputs", bundle.outputs)):
        for spec in specs:
            lines += ["", f"[[{title}]]", *_tensor_lines(spec)]
    for variant in bundle.variants:
        lines += ["", "[[variants]]", *_variant_lines(variant)]
    return "\n".join(lines) + "\n"


def parse(text: str, folder: Path) -> Bundle:
    """The bundle a manifest describes, its files in ``folder``; whether they are whole is not looked at.

    Raises:
        ModelError: not TOML, another schema, or a key that is missing, unknown or of a wrong type.
    """
    where = str(folder / MANIFEST)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"bundle manifest '{where}' is not TOML: {error}") from error
    schema = document.get("schema")
    if schema != SCHEMA:
        raise ModelError(f"{where}: schema is {schema}; this release reads {SCHEMA}")
    _check(document, _TOP, where)
    name = document["name"]
    return Bundle(
        name,
        _profile(name, document["profile"], f"{where} [profile]"),
        tuple(_tensor(each, f"{where} [[inputs]]") for each in document["inputs"]),
        tuple(_tensor(each, f"{where} [[outputs]]") for each in document["outputs"]),
        tuple(_variant(each, folder, f"{where} [[variants]]") for each in document["variants"]),
    )


def _tensor_lines(spec: TensorSpec) -> list[str]:
    shape = ", ".join(_string(OPEN) if each is None else str(each) for each in spec.shape)
    return [f"name = {_string(spec.name)}", f"dtype = {_string(spec.dtype.name)}", f"shape = [{shape}]"]


def _variant_lines(variant: Variant) -> list[str]:
    lines = [
        f"precision = {_string(variant.precision)}",
        f"file = {_string(variant.path.name)}",
        f"sha256 = {_string(variant.sha256)}",
    ]
    if variant.accuracy:
        lines += [
            f"accuracy = {variant.accuracy.value!r}",
            f"accuracy_source = {_string(variant.accuracy.source)}",
        ]
    return lines


def _string(text: str) -> str:
    """A TOML basic string: JSON's escapes, and DEL, which TOML escapes too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check(table: Any, keys: Keys, where: str, optional: Keys | None = None) -> None:
    if not isinstance(table, dict):
        raise ModelError(f"{where} is {table!r}; allowed: a table")
    known = {**keys, **(optional or {})}
    for key in table:
        if key not in known:
            raise ModelError(f"{where}: unknown key '{key}'{nearest(key, known)}; allowed: {listing(known)}")
    for key in keys:
        if key not in table:
            raise ModelError(f"{where}: key '{key}' is missing")
    for key, value in table.items():
        if isinstance(value, bool) or not isinstance(value, known[key]):
            raise ModelError(f"{where}: {key} is {value!r}; allowed: a value of type {_kinds(known[key])}")


def _kinds(kinds: type | tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))


def _profile(name: str, table: dict[str, Any], where: str) -> ModelProfile:
    _check(table, _PROFILE, where)
    _check(table["macs_by_kind"], dict.fromkeys(table["macs_by_kind"], int), f"{where} macs_by_kind")
    return ModelProfile(name=name, **table)


def _tensor(table: Any, where: str) -> TensorSpec:
    _check(table, _TENSOR, where)
    shape = [None if each == OPEN else each for each in table["shape"]]
    if not all(each is None or (type(each) is int and each >= 0) for each in shape):
        raise ModelError(f"{where}: shape is {table['shape']}; allowed: lengths, and '{OPEN}' for open ones")
    try:
        return TensorSpec(table["name"], np.dtype(table["dtype"]), tuple(shape))
    except TypeError as error:
        raise ModelError(f"{where}: dtype is '{table['dtype']}'; allowed: numpy's, as 'float32'") from error


def _variant(table: Any, folder: Path, where: str) -> Variant:
    _check(table, _VARIANT, where, _ACCURACY)
    if ("accuracy" in table) != ("accuracy_source" in table):
        raise ModelError(f"{where}: accuracy and accuracy_source come together")
    file = table["file"]
    if Path(file).name != file:
        raise ModelError(f"{where}: file is '{file}'; allowed: the name of a file in the bundle's folder")
    accuracy = Accuracy(table["accuracy"], table["accuracy_source"]) if "accuracy" in table else None
    return Variant(table["precision"], folder / file, table["sha256"], accuracy)
