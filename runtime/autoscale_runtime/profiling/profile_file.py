"""The profile that a calibration writes: whole at every moment, and marked as long as something is missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput, ProfileError
from autoscale.files import write_file
from autoscale.interval import Interval
from autoscale.profiles import DeviceProfile, load_device
from autoscale.profiles.device_text import device_text
from autoscale.profiles.measured import MeasuredRow
from autoscale.query.model_profile import ModelProfile
from autoscale_runtime.host.fingerprint import fingerprint
from autoscale_runtime.profiling.runs import Runs
from autoscale_runtime.profiling.subjects import Setting

DIGEST: Final = 16
"""So many digits of a file's SHA-256 tell it from others."""


def check_place(path: Path, may_resume: bool, may_replace: bool) -> None:
    """Refuse a file that cannot become a profile, or that would be lost.

    Raises:
        InvalidInput: not a ``.toml``, no such folder, or there already.
    """
    if path.suffix != ".toml" or not path.stem:
        raise InvalidInput(f"--out is '{path}'; allowed: a file that ends in .toml")
    if not path.parent.is_dir():
        raise InvalidInput(f"--out is '{path}', but the folder '{path.parent}' does not exist")
    if path.exists() and not (may_resume or may_replace):
        raise InvalidInput(
            f"'{path}' exists; allowed: --resume to go on with it, --replace to begin anew, another --out"
        )


def rows_of(path: Path) -> tuple[tuple[MeasuredRow, ...], Mapping[str, ModelProfile]]:
    """What an earlier calibration of this machine measured; nothing where there is no file.

    Raises:
        ProfileError: the file is damaged, no calibration, or one of another machine.
    """
    if not path.exists():
        return (), {}
    device, here = load_device(path), fingerprint()
    if not device.fingerprint:
        raise ProfileError(
            f"{path} was not measured by 'autoscale calibrate'; allowed: its own profile, or another --out"
        )
    if device.fingerprint != here:
        found = f"{path} was measured on another machine, '{device.fingerprint}'; this one is '{here}'"
        raise ProfileError(f"{found}; allowed: another --out")
    return device.measured, device.networks


def row_of(setting: Setting, runs: Runs, energy_j: Interval | None = None, scope: str = "") -> MeasuredRow:
    """A setting's runs as a row; its source says which file ran, and whether anybody disturbed it."""
    day = datetime.now(UTC).date().isoformat()
    source = f"autoscale calibrate, {day}, {runs.how}; {setting.network}, SHA-256 {setting.digest[:DIGEST]}"
    source += f"; joules: {scope}" if energy_j is not None else ""
    return MeasuredRow(setting.network, setting.target, runs.interval(), energy_j, source=source)


def is_row_of(row: MeasuredRow, digests: Iterable[str]) -> bool:
    """Whether a row was measured of one of these files."""
    return any(f"SHA-256 {digest[:DIGEST]}" in row.source for digest in digests)


def write(
    path: Path,
    device: DeviceProfile,
    rows: Sequence[MeasuredRow],
    networks: Mapping[str, ModelProfile],
    incomplete: str = "",
) -> DeviceProfile:
    """Put the profile in place of what is there, all or nothing; what was written.

    Raises:
        InvalidInput: the disk does not take it.
    """
    whole = replace(device, name=path.stem, measured=tuple(rows), networks=networks, incomplete=incomplete)
    try:
        write_file(path, device_text(whole))
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be written: {error.strerror}") from error
    return whole
