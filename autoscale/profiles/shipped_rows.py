"""The measured rows of the other devices that ship, of a device's kind.

>>> from autoscale.profiles import load_device
>>> {name for name, _ in rows_elsewhere(load_device("pixel9"))}
{'galaxy-s25'}
"""

from collections.abc import Iterator
from functools import cache

from autoscale.profiles.device import DeviceProfile
from autoscale.profiles.measured import TABLE, MeasuredRow, measured_rows
from autoscale.profiles.shipped import device_names, devices_folder
from autoscale.profiles.toml_table import read_toml


def rows_elsewhere(device: DeviceProfile) -> Iterator[tuple[str, MeasuredRow]]:
    """The rows of every device of its kind that ships, with that one's name, but for the device of its own name.

    Raises:
        ProfileError: a row that does not follow the schema.
    """
    for name in _measured_ones(device.kind):
        if name != device.name:
            yield from ((name, row) for row in _rows(name))


@cache
def _measured_ones(kind: str) -> list[str]:
    """The devices of a kind whose files hold rows, as their text shows: to read them as TOML takes far longer."""
    texts = {name: (devices_folder() / f"{name}.toml").read_text(encoding="utf-8") for name in device_names()}
    return [name for name, text in texts.items() if f'\nkind = "{kind}"\n' in text and f"\n[[{TABLE}]]\n" in text]


@cache
def _rows(name: str) -> tuple[MeasuredRow, ...]:
    document = read_toml(devices_folder() / f"{name}.toml")
    return measured_rows(document, document.sources())
