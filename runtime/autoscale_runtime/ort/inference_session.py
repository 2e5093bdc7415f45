"""``onnxruntime.InferenceSession`` that decides, per query, where it runs.

It is one of ONNX Runtime's own, with everything that one has; a session that decides stands beside it and shares its
model. Whatever cannot be decided is run by it as it was told, with its answers and its errors.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autoscale.agents.base import Agent
from autoscale.errors import AutoScaleError
from autoscale.query.goal import Goal, InferenceMode
from autoscale_runtime.backends.onnxruntime import inference_session_class, onnx_runtime
from autoscale_runtime.backends.tensors import check_feeds
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.drop_in.defaults import current
from autoscale_runtime.drop_in.model_file import check_fits, model_file
from autoscale_runtime.drop_in.told import Telling, Told
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.host.process import generation
from autoscale_runtime.ort.as_asked import AsAsked, quiet
from autoscale_runtime.ort.beside import beside

if TYPE_CHECKING:
    Bare = Any
else:
    Bare = inference_session_class()

_LOG: Final = logging.getLogger("autoscale.session")

_PARENTS: list[Any] = []
"""What a forked process has of its parent's: to let it go would wait for threads that are not there."""


class InferenceSession(Telling, Bare):  # type: ignore[misc]  # ONNX Runtime has no types
    """One model, as ``onnxruntime.InferenceSession`` takes it, decided per query.

    >>> session = InferenceSession("model.onnx", providers=["CPUExecutionProvider"])  # doctest: +SKIP
    >>> outputs = session.run(None, {"input": image})  # doctest: +SKIP
    >>> session.last.selected, session.last.handed_through  # doctest: +SKIP

    The other targets are opened as this one was asked for: with the same options, at no more threads.

    Args:
        path_or_bytes: as ONNX Runtime takes it, or a bundle made by ``autoscale prepare``.
        sess_options: of ONNX Runtime.
        providers: likewise. Where they lead to an accelerator, that is a target beside the CPU.
        provider_options: likewise.
        goal: what counts as a good answer; of this and what follows, None leaves it to :func:`install`.
        remotes: place and host to a server's ``host:port``, or to a ``RemoteModel``.
        agent: a registered name, a policy file, or an agent.
        mode: where queries may run; None leaves it to the goal.
        options: the rest of how it decides.
        **keywords: whatever else ONNX Runtime's takes.

    Raises:
        Exception: what ONNX Runtime raises.
        InvalidInput: how it shall decide is wrong, as ``Session`` says.
    """

    def __init__(
        self,
        path_or_bytes: Any,
        sess_options: Any = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
        *,
        goal: Goal | None = None,
        remotes: Mapping[str, str | RemoteModel] | None = None,
        agent: str | Path | Agent | None = None,
        mode: str | None = None,
        options: SessionOptions | None = None,
        **keywords: Any,
    ) -> None:
        self._autoscale_defaults = current().said(goal, remotes, agent, mode, options)
        self._autoscale_file = model_file(path_or_bytes)
        self._autoscale_keywords = keywords
        kind = onnx_runtime().SessionOptions
        asked = self._autoscale_options = sess_options if isinstance(sess_options, kind) else kind()
        check_fits(self._autoscale_file.source)
        with quiet(asked):
            # What is no SessionOptions is ONNX Runtime's to refuse; it takes all that is false for none.
            given = sess_options or asked
            super().__init__(self._autoscale_file.source, given, providers, provider_options, **keywords)
        self._autoscale = self._autoscale_beside()
        self._autoscale_generation = generation()

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: Any = None) -> Any:
        """As ONNX Runtime's; ``last`` then tells what was decided and what it cost."""
        reason = self._autoscale_reason(input_feed, run_options)
        deciding = self._autoscale.deciding
        if not reason and deciding is not None:
            try:
                outputs = deciding.run(output_names, input_feed)
            except AutoScaleError as error:
                if deciding.goal.mode is InferenceMode.ONLY_IN_CLOUD:
                    raise
                reason = str(error)
            else:
                self._autoscale.decided()
                return outputs
        bare = super().run
        return self._autoscale.hand(reason, lambda: bare(output_names, input_feed, run_options))

    def run_async(
        self, output_names: Any, input_feed: Any, callback: Any, user_data: Any, run_options: Any = None
    ) -> None:
        """As ONNX Runtime's; in the callback ``last`` tells what was decided. What is wrong is told as it tells it."""
        reason = self._autoscale_reason(input_feed, run_options) or self._autoscale_wrong(output_names, input_feed)
        if not reason and callable(callback):
            answering = _answering(generation())
            answering.submit(self._autoscale_call_back, output_names, input_feed, callback, user_data)
            return
        bare = super().run_async
        call = lambda: bare(output_names, input_feed, callback, user_data, run_options)  # noqa: E731
        self._autoscale.hand(reason or "the callback cannot be called", call)

    def run_with_iobinding(self, iobinding: Any, run_options: Any = None) -> Any:
        """As ONNX Runtime's, undecided: the buffers are bound to one of its devices."""
        bare = super().run_with_iobinding
        return self._autoscale.hand("buffers are bound to a device", lambda: bare(iobinding, run_options))

    def run_with_ort_values(self, output_names: Any, input_dict_ort_values: Any, run_options: Any = None) -> Any:
        """As ONNX Runtime's, undecided: its values lie on one of its devices."""
        bare = super().run_with_ort_values
        call = lambda: bare(output_names, input_dict_ort_values, run_options)  # noqa: E731
        return self._autoscale.hand("feeds are OrtValues", call)

    def run_with_ortvaluevector(self, *args: Any, **keywords: Any) -> Any:
        """As ONNX Runtime's, undecided: its values lie on one of its devices."""
        bare = super().run_with_ortvaluevector
        return self._autoscale.hand("feeds are OrtValues", lambda: bare(*args, **keywords))

    def set_providers(self, providers: Any = None, provider_options: Any = None) -> None:
        """As ONNX Runtime's; what there is to decide is looked at anew, and what was learned is forgotten."""
        self._autoscale.close()
        with quiet(self._autoscale_options):
            super().set_providers(providers, provider_options)
        self._autoscale = self._autoscale_beside()

    def __copy__(self) -> "InferenceSession":
        """Of the same model, loaded once, as a copy of ONNX Runtime's is."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __reduce__(self) -> Any:
        raise TypeError(
            "an InferenceSession cannot be pickled: its model is loaded in this process; "
            "send the model's path and open one there"
        )

    def _autoscale_reason(self, feeds: object, run_options: object) -> str:
        """Why a query is not decided, whatever it asks; empty where it is."""
        if self._autoscale_generation != generation():
            self._autoscale_open_again()
        if self._autoscale.deciding is None:
            return self._autoscale.undecided
        if run_options is not None:
            return "run options are given"
        return "" if _are_arrays(feeds) else "a feed is neither an array nor a list by a name, or holds bytes"

    def _autoscale_wrong(self, output_names: Any, feeds: Any) -> str:
        """What is wrong with a query, before it is answered behind; empty for nothing."""
        deciding = self._autoscale.deciding
        try:
            check_feeds(deciding.get_inputs() if deciding is not None else (), feeds)
            known = {each.name for each in self.get_outputs()}
            unknown = [each for each in output_names or () if each not in known]
        except (AutoScaleError, TypeError, AttributeError) as error:
            return str(error)
        return f"no such outputs: {unknown}" if unknown else ""

    def _autoscale_call_back(self, output_names: Any, feeds: Any, callback: Any, user_data: Any) -> None:
        try:
            outputs, problem = InferenceSession.run(self, output_names, feeds), ""
        except Exception as error:  # ONNX Runtime's, or ours under ONLY_IN_CLOUD: the callback is who is told
            outputs, problem = [], str(error)
        try:
            callback(outputs, user_data, problem)
        except Exception:
            _LOG.exception("the callback of run_async failed")

    def _autoscale_open_again(self) -> None:
        """In a forked process: the parent's threads are not here, and ONNX Runtime would wait for them."""
        _PARENTS.append((self._sess, self._autoscale))
        with quiet(self._autoscale_options):
            super().set_providers(*_providers(self))
        self._autoscale = self._autoscale_beside()
        self._autoscale_generation = generation()

    def _autoscale_beside(self) -> Told:
        file = self._autoscale_file
        asked = AsAsked(self, file, self._autoscale_options, self._autoscale_keywords)
        return beside(asked, file, self._autoscale_defaults)


@cache
def _answering(generation: int) -> ThreadPoolExecutor:
    """The threads that answer ``run_async``; a forked process has none of its parent's."""
    return ThreadPoolExecutor(usable_cores(), "autoscale-async")


_KINDS = (np.ndarray, list)


def _providers(session: Any) -> tuple[list[str], list[dict[str, str]]]:
    options = session.get_provider_options()
    return list(options), list(options.values())


def _are_arrays(feeds: object) -> bool:
    return isinstance(feeds, dict) and all(
        type(n) is str and type(a) in _KINDS and not _has_bytes(a) for n, a in feeds.items()
    )


def _has_bytes(given: Any) -> bool:
    """Whether text is given as bytes: ONNX Runtime takes what Python prints of them, a session what they say."""
    return type(given) is np.ndarray and given.dtype.kind == "O" and any(type(each) is bytes for each in given.flat)
