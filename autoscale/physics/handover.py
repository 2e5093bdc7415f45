"""What it takes to hand a tensor from one processor of a device to another: a copy through the memory they share.

What crosses is read once and written once, at the bandwidth that the processor which goes on with it sustains, and
nothing is computed meanwhile: traffic of the tail's own, in the roofline's terms. Starting the second processor is in
its launch time, as for any network it runs.
"""

from dataclasses import replace

from autoscale.physics.roofline import VALUE_BYTES, values_by_kind
from autoscale.query.model_profile import ModelProfile, NetworkCut

_READ_AND_WRITTEN = 2


def tail_here(cut: NetworkCut, precision: str) -> ModelProfile:
    """The tail of a cut as a processor of the same device runs it: what crosses is copied first.

    >>> from autoscale.query.model_profile import ModelProfile, NetworkCut
    >>> tail = ModelProfile("tail", macs=9, values_by_kind={"conv": 5}, input_bytes=400)
    >>> tail_here(NetworkCut(1, ModelProfile("head"), tail), "fp32").values_by_kind["other"]
    200
    """
    moved, copied = values_by_kind(cut.tail), _READ_AND_WRITTEN * cut.crossing_bytes // VALUE_BYTES[precision]
    counts = {kind: round(count) for kind, count in moved.items()}
    return replace(cut.tail, values_by_kind={**counts, "other": counts.get("other", 0) + copied})
