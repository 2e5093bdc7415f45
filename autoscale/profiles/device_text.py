"""A device as its TOML file: what ``load_device`` reads, written back with its measured rows.

>>> from autoscale.profiles import load_device
>>> text = device_text(load_device("rpi5"))
>>> text.splitlines()[1]
'name = "rpi5"'
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from autoscale.profiles.device import DeviceProfile
from autoscale.profiles.figure import Figure, Value
from autoscale.profiles.measured import measured_lines
from autoscale.profiles.model_profile_codec import own_network_lines, toml_string
from autoscale.profiles.schema import DEVICE, VERSION
from autoscale.query.outcome import Method

COUNTED: Final = "The network's file, counted by autoscale inspect"


def device_text(device: DeviceProfile) -> str:
    """A device's file; ``load_device`` reads it, where the file is called as the device.

    ``dataclasses.replace(device, name=..., measured=..., networks=..., fingerprint=...)`` says what else it shall hold.
    """
    keys = _source_keys(device)
    lines = [f"schema = {VERSION}", *text_lines({"name": device.name, "title": device.title, "kind": device.kind})]
    marks = {"fingerprint": device.fingerprint, "incomplete": device.incomplete}
    lines += text_lines({key: text for key, text in marks.items() if text})
    lines += ["", "[sources]", *(f"{key} = {toml_string(source)}" for source, key in keys.items())]
    for table in filter(None, DEVICE):
        lines += _table_lines(device, table, keys)
    lines += own_network_lines(device.networks.values(), keys.get(COUNTED, ""))
    return "\n".join([*lines, *measured_lines(device.measured, keys)]) + "\n"


def _source_keys(device: DeviceProfile) -> dict[str, str]:
    """Citation to its key; they are numbered, because a profile keeps no keys."""
    cited = [each.source for table in DEVICE for each in _figures(device, table)]
    cited += [row.source for row in device.measured]
    cited += [COUNTED] if device.networks else []
    return source_keys(cited)


def source_keys(cited: Iterable[str]) -> dict[str, str]:
    """Citations, once each, to the keys that a file has for them."""
    return {source: f"s{number}" for number, source in enumerate(dict.fromkeys(cited), start=1)}


def _table_lines(device: DeviceProfile, table: str, keys: Mapping[str, str]) -> list[str]:
    figures = _figures(device, table)
    if not figures:
        return []
    processor = device.processors.get(table)
    texts = {"name": processor.name, "precisions": list(processor.precisions)} if processor else {}
    return ["", f"[{table}]", *text_lines(texts), *(figure_line(each, keys) for each in figures)]


def _figures(device: DeviceProfile, table: str) -> list[Figure]:
    keys = [f"{table}.{key}" for key in DEVICE[table].figures]
    return [device.figures[key] for key in keys if key in device.figures]


def text_lines(texts: Mapping[str, str | Sequence[str]]) -> Iterator[str]:
    """Texts, and lists of them, as lines of TOML."""
    for key, value in texts.items():
        yield f"{key} = {toml_string(value) if isinstance(value, str) else _array(map(toml_string, value))}"


def figure_line(figure: Figure, keys: Mapping[str, str]) -> str:
    """A figure as a line of TOML, under the last part of its key."""
    fields: dict[str, Any] = {"value": _number(figure.value), "source": f'"{keys[figure.source]}"'}
    if figure.method is not Method.MEASURED:
        fields["method"] = f'"{figure.method}"'
    if figure.low is not None and figure.high is not None:
        fields |= {"low": _number(figure.low), "high": _number(figure.high)}
    inner = ", ".join(f"{key} = {value}" for key, value in fields.items())
    return f"{figure.key.rpartition('.')[2]} = {{ {inner} }}"


def _number(value: Value) -> str:
    return _array(map(repr, value)) if isinstance(value, tuple) else repr(value)


def _array(texts: Iterable[str]) -> str:
    return f"[{', '.join(texts)}]"
