"""The right answer to a query, from this bundle itself, where no target of the session can give it."""

import threading
from collections.abc import Sequence

from autoscale.errors import ModelError, TargetUnavailable
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.query import Query
from autoscale_runtime.models import bare_model
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.variant import Variant


def reference_of(bundle: Bundle) -> Variant:
    """The variant to whose answers others are held: the first in fp32, else the first."""
    return next((each for each in bundle.variants if each.precision == "fp32"), bundle.variants[0])


class RightAnswers:
    """Loads the reference when it is first asked: a session pinned to a remote target may never need it.

    Thread-safe.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._path = reference_of(bundle).path
        self._runner: Runner | None = None
        self._lock = threading.Lock()

    def __call__(self, query: Query) -> Sequence[Array]:
        """The outputs that are asked for.

        Raises:
            TargetError: nothing here runs the model.
        """
        with self._lock:
            if self._runner is None:
                try:
                    self._runner = bare_model.load(self._path)
                except (ModelError, ImportError) as error:
                    raise TargetUnavailable(f"nothing here runs '{self._path}': {error}") from error
        return self._runner.run(query.output_names, query.feeds).outputs
