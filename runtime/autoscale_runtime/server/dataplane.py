"""What the server does, free of any transport: find the model, wait for a place, run, and report the cost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Final

from autoscale.errors import UnknownName, listing, one_of
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.server.admission import Admission
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.repository import Models, ServedModel
from autoscale_runtime.wire.cost import ServerCost

NAME: Final = "autoscale"
VERSION: Final = installed_version("autoscale-inference")
EXTENSIONS: Final = ("energy", "carbon")
"""What the server reports beyond the protocol: the cost of a query, in the parameters of its answer."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One request.

    Attributes:
        model: name of the model.
        version: as text; empty for the highest.
        feeds: input name to array.
        output_names: None for all outputs.
        timeout_s: seconds its caller still waits; None for ever.
    """

    model: str
    version: str
    feeds: Feeds
    output_names: Sequence[str] | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class InferResult:
    """The answer to a query and what it took."""

    model: ServedModel
    outputs: dict[str, Array]
    queue_s: float
    compute_s: float
    cost: ServerCost


class DataPlane:
    """Models behind one queue, with one account. Thread-safe."""

    def __init__(self, models: Models, admission: Admission, account: ServerAccount) -> None:
        self.models = models
        self.account = account
        self._admission = admission

    def model(self, name: str, version: str = "") -> ServedModel:
        """The model of that name, in that version or the highest.

        Raises:
            UnknownName: there is none, or not in that version.
        """
        one_of("model", name, self.models)
        versions = self.models[name]
        if not version:
            return versions[max(versions)]
        if version not in {str(each) for each in versions}:
            raise UnknownName(f"model '{name}' has no version '{version}'; allowed: {listing(versions)}")
        return versions[int(version)]

    def has(self, name: str, version: str = "") -> bool:
        """Whether that model is served, in that version if one is given."""
        try:
            self.model(name, version)
        except UnknownName:
            return False
        return True

    def infer(
        self, query: InferRequest, on_leaving: Callable[[Callable[[], None]], object] = lambda leave: None
    ) -> InferResult:
        """Answer one query.

        Args:
            query: what is asked.
            on_leaving: see ``Admission.slot``.

        Raises:
            UnknownName: no such model or version.
            Overloaded: too many queries wait already.
            DeadlineExceeded: the caller left, or its time ran out, before its turn came.
            FeedError: the feeds or output names are not the model's.
            TargetError: the model failed.
        """
        model = self.model(query.model, query.version)
        with self._admission.slot(query.timeout_s, on_leaving) as queue_s:
            mark = self.account.begin()
            begun_s = time.perf_counter()
            answer = model.runner.run(query.output_names, query.feeds)
            compute_s = time.perf_counter() - begun_s
            cost = self.account.cost(mark, compute_s, model.target)
        names = query.output_names or [each.name for each in model.runner.outputs]
        outputs = dict(zip(names, answer.outputs, strict=True))
        return InferResult(model, outputs, queue_s, compute_s, cost)
