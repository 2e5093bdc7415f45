"""Completes the profile of a bare file whose inputs are open, once a query tells their shapes."""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from threading import Thread
from typing import Final

import numpy as np

from autoscale.errors import AutoScaleError
from autoscale.query.model_profile import LAYER_KINDS
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.models.bundle import Bundle

_LOG: Final = logging.getLogger("autoscale.session")


class OpenShapes:
    """A bundle whose profile may still be lacking. Thread-safe.

    Counting a large graph takes a second or two, which no query waits for: it happens behind the first one.

    Args:
        bundle: as it was read.
        completed: called with the bundle with its profile.
        given: the inputs whose shapes the caller gave, with which a bare file was counted.
    """

    def __init__(
        self, bundle: Bundle, completed: Callable[[Bundle], None], given: Collection[str] = frozenset()
    ) -> None:
        self._bundle = bundle
        self._given = given
        self._completed = completed
        self._thread: Thread | None = None

    @property
    def bundle(self) -> Bundle:
        """With all that can be known of it by now; waits for a count that is under way."""
        self.wait()
        return self._bundle

    def wait(self) -> None:
        """Until a count that is under way has ended: it reads the model's file, and asks the engines that are there."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def learn(self, feeds: Feeds) -> None:
        """Begin to count with the shapes of a query, where the profile is none of them.

        It has no layers then, or it is a bare file's, counted with 1 for what is open, and the query has more.
        """
        shapes = {name: array.shape for name, array in feeds.items() if isinstance(array, np.ndarray)}
        open_lengths = [
            have
            for spec in self._bundle.inputs
            if spec.name not in self._given
            for want, have in zip(spec.shape, shapes.get(spec.name, ()), strict=False)
            if want is None
        ]
        has_layers = any(getattr(self._bundle.profile, kind) for kind in LAYER_KINDS)
        is_bare = not self._bundle.variants[0].sha256
        is_assumed = is_bare and any(each != 1 for each in open_lengths)
        if open_lengths and (is_assumed or not has_layers) and self._thread is None:
            self._thread = Thread(target=self._count, args=(shapes,), name="autoscale-inspection", daemon=False)
            self._thread.start()

    def _count(self, shapes: dict[str, tuple[int, ...]]) -> None:
        from autoscale_runtime.models.inspection import inspect  # what few sessions need

        bundle = self._bundle
        try:
            profile = inspect(bundle.variants[0].path, shapes).profile(bundle.name)
            self._bundle = replace(bundle, profile=replace(profile, accuracies=bundle.profile.accuracies))
            self._completed(self._bundle)
        except AutoScaleError as error:  # nothing that reads its graph is installed, or it cannot be counted
            _LOG.info("the layers of '%s' are not counted: %s", bundle.name, error)
        except Exception:  # a file may be anybody's, and this thread has no caller
            _LOG.warning("the layers of '%s' cannot be counted", bundle.name, exc_info=True)
