"""The series of a file of intensities, by zone."""

from pathlib import Path

from autoscale.carbon.intensity.files.options import FileOptions
from autoscale.carbon.intensity.files.reader import read_intensity_file
from autoscale.carbon.intensity.series import Series


def read_intensity_csv(
    path: str | Path, place: str | None = None, options: FileOptions | None = None
) -> dict[str, Series]:
    """The series of each zone of a file; arguments and errors as for ``read_intensity_file``."""
    return dict(read_intensity_file(path, place, options).series)
