"""What a caller asks of a device."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.device.sized_mean import FIXED, Size


@dataclass(frozen=True, slots=True)
class Query:
    """What a caller asks: output names (None for all, in the model's order), feeds, and how large these are."""

    output_names: Sequence[str] | None
    feeds: Feeds
    size: Size = FIXED

    @property
    def nbytes(self) -> int:
        """Bytes of the feeds."""
        return sum(array.nbytes for array in self.feeds.values())

    def kept(self) -> "Query":
        """The query as it is now, whatever its caller does with the arrays."""
        return replace(self, feeds={name: array.copy() for name, array in self.feeds.items()})
