"""LiteRT's ``Interpreter`` that decides, per invocation, where it runs.

It is one of LiteRT's own, with everything that one has; inputs and outputs lie in its tensors, whoever worked them out.
Whatever cannot be decided is invoked by it as it was told.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoscale.agents.base import Agent
from autoscale.errors import AutoScaleError
from autoscale.query.goal import Goal, InferenceMode
from autoscale_runtime.backends.litert import interpreter_class
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.drop_in.defaults import current
from autoscale_runtime.drop_in.model_file import ModelFile
from autoscale_runtime.drop_in.told import Telling
from autoscale_runtime.litert.beside import beside

if TYPE_CHECKING:
    Bare = Any
else:
    Bare = interpreter_class()


class Interpreter(Telling, Bare):  # type: ignore[misc]  # LiteRT has no types
    """One model, as LiteRT's and TensorFlow Lite's ``Interpreter`` take it, decided per invocation.

    >>> interpreter = Interpreter("model.tflite")  # doctest: +SKIP
    >>> interpreter.allocate_tensors()  # doctest: +SKIP
    >>> interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)  # doctest: +SKIP
    >>> interpreter.invoke()  # doctest: +SKIP
    >>> interpreter.last.selected, interpreter.last.handed_through  # doctest: +SKIP

    Args:
        model_path: as LiteRT takes it.
        model_content: likewise.
        experimental_delegates: likewise; with any, nothing is decided.
        num_threads: likewise; no target has more.
        goal: what counts as a good answer; of this and what follows, None leaves it to ``install``.
        remotes: place and host to a server's ``host:port``, or to a ``RemoteModel``.
        agent: a registered name, a policy file, or an agent.
        mode: where queries may run; None leaves it to the goal.
        options: the rest of how it decides.
        **keywords: whatever else LiteRT's takes; with any, nothing is decided.

    Raises:
        Exception: what LiteRT raises.
        InvalidInput: how it shall decide is wrong, as ``Session`` says.
    """

    def __init__(
        self,
        model_path: Any = None,
        model_content: bytes | None = None,
        experimental_delegates: Any = None,
        num_threads: int | None = None,
        *arguments: Any,
        goal: Goal | None = None,
        remotes: Mapping[str, str | RemoteModel] | None = None,
        agent: str | Path | Agent | None = None,
        mode: str | None = None,
        options: SessionOptions | None = None,
        **keywords: Any,
    ) -> None:
        defaults = current().said(goal, remotes, agent, mode, options)
        super().__init__(model_path, model_content, experimental_delegates, num_threads, *arguments, **keywords)
        file = ModelFile(model_content if model_path is None else model_path, suffix=".tflite")
        self._autoscale_file = file  # whose bytes lie in a folder for as long
        is_plain = not (experimental_delegates or arguments or keywords)
        reason = "" if is_plain else "delegates or experimental options are given"
        self._autoscale, self._autoscale_tensors = beside(file, num_threads, defaults, reason)

    def invoke(self) -> None:
        """As LiteRT's; ``last`` then tells what was decided and what it cost."""
        deciding, reason = self._autoscale.deciding, self._autoscale.undecided
        if deciding is not None:
            try:
                answer = deciding.run(None, self._autoscale_feeds())
                self._autoscale_keep(answer)
            except AutoScaleError as error:
                if deciding.goal.mode is InferenceMode.ONLY_IN_CLOUD:
                    raise
                reason = str(error)
            except (ValueError, RuntimeError) as error:  # LiteRT's own: its tensors are not as the model declares them
                reason = str(error)
            else:
                self._autoscale.decided()
                return
        self._autoscale.hand(reason, super().invoke)

    def get_signature_runner(self, signature_key: str | None = None) -> Any:
        """As LiteRT's; it decides where the file has one signature."""
        bare = super().get_signature_runner(signature_key)
        return SignatureRunner(bare, self)

    def reset_all_variables(self) -> Any:
        """As LiteRT's: a state that the file keeps begins anew."""
        if self._autoscale.deciding is not None:
            self._autoscale.deciding.reset_state()
        return super().reset_all_variables()

    def __copy__(self) -> "Interpreter":
        """Of the same model, loaded once, as a copy of LiteRT's is."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __reduce__(self) -> Any:
        raise TypeError(
            "an Interpreter cannot be pickled: its model is loaded in this process; "
            "send the model's path and open one there"
        )

    def _autoscale_feeds(self) -> dict[str, Array]:
        """The inputs, wherever the caller put them."""
        return {name: super(Interpreter, self).get_tensor(at) for name, at in self._autoscale_tensors.inputs.items()}

    def _autoscale_keep(self, answer: list[Array]) -> None:
        """Put an answer where the caller looks for it."""
        tensors = self._autoscale_tensors
        for index, array in zip(tensors.outputs.values(), answer, strict=True):
            if index not in tensors.constant:
                super().set_tensor(index, array)


class SignatureRunner:
    """A signature of a file, called with arrays by name; what it is asked otherwise, LiteRT's own answers.

    Args:
        bare: LiteRT's own.
        interpreter: whose signature it is.
    """

    def __init__(self, bare: Any, interpreter: Interpreter) -> None:
        self._bare = bare
        self._interpreter = interpreter

    def __call__(self, **feeds: Array) -> Any:
        """The outputs by name."""
        told = self._interpreter._autoscale
        reason = told.undecided
        if told.deciding is not None:
            try:
                answer = told.deciding.run(None, feeds)
            except AutoScaleError as error:
                if told.deciding.goal.mode is InferenceMode.ONLY_IN_CLOUD:
                    raise
                reason = str(error)
            else:
                told.decided()
                return dict(zip(self._interpreter._autoscale_tensors.outputs, answer, strict=True))
        return told.hand(reason, lambda: self._bare(**feeds))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bare, name)
