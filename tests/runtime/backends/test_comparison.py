"""What is told of answers that hold infinity, or no numbers at all."""

import numpy as np

from autoscale_runtime.backends.comparison import other_finiteness


def test_bytes_of_something_else_are_told_without_a_warning() -> None:
    """Of a server that writes its numbers the other way round, some are signalling NaN, which numpy warns of."""
    signalling = np.array([0x7F800001], np.uint32).view(np.float32)
    told = other_finiteness([np.ones(1, np.float32)], [signalling])
    assert told == "its answer has nan where the reference's has 1: both must be finite, or neither"
