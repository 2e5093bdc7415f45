"""The ways into a LiteRT file: its main graph, or each of its signatures where there are several."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autoscale_runtime.backends.litert_tensor import LiteRTTensor
from autoscale_runtime.backends.tensors import Array, Feeds

Tensors = dict[str, LiteRTTensor]
Details = Mapping[str, Mapping[str, Any]]
"""A tensor's name to what the interpreter says of it."""


class LiteRTGraph(ABC):
    """One way in.

    Attributes:
        inputs: its inputs by the names that callers use.
        outputs: likewise; two names may stand for one tensor, and an output may be an input that is passed through.
    """

    def __init__(self, inputs: Tensors, outputs: Tensors) -> None:
        self.inputs = inputs
        self.outputs = outputs

    @abstractmethod
    def run(self, feeds: Feeds, wanted: Iterable[str]) -> dict[str, Array]:
        """The outputs of those names.

        Raises:
            ValueError, RuntimeError: the interpreter refuses.
        """


class MainGraph(LiteRTGraph):
    """The file's first graph, whose tensors stay allocated from query to query."""

    def __init__(self, interpreter: Any, inputs: Tensors, outputs: Tensors) -> None:
        super().__init__(inputs, outputs)
        self._interpreter = interpreter
        self._shapes: list[tuple[int, ...]] | None = None

    def run(self, feeds: Feeds, wanted: Iterable[str]) -> dict[str, Array]:
        """Resize where open dimensions changed, invoke, read."""
        shapes = [feeds[name].shape for name in self.inputs]
        if shapes != self._shapes:
            self._resize(shapes)
        for name, tensor in self.inputs.items():
            self._interpreter.set_tensor(tensor.index, tensor.write(feeds[name]))
        self._interpreter.invoke()
        tensors = {name: self.outputs[name] for name in wanted}
        return {name: each.read(self._interpreter.get_tensor(each.index)) for name, each in tensors.items()}

    def _resize(self, shapes: list[tuple[int, ...]]) -> None:
        self._shapes = None
        for tensor, shape in zip(self.inputs.values(), shapes, strict=True):
            if None in tensor.spec.shape:
                self._interpreter.resize_tensor_input(tensor.index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


class SignatureGraph(LiteRTGraph):
    """One of several signatures, which the interpreter resizes and allocates itself.

    Args:
        runner: the interpreter's own runner of the signature.
        names: what callers call its inputs and outputs to what the signature calls them.
    """

    def __init__(self, runner: Any, inputs: Tensors, outputs: Tensors, names: Mapping[str, str]) -> None:
        super().__init__(inputs, outputs)
        self._runner = runner
        self._names = names

    def run(self, feeds: Feeds, wanted: Iterable[str]) -> dict[str, Array]:
        """One call of the interpreter's runner."""
        given = {self._names[name]: tensor.write(feeds[name]) for name, tensor in self.inputs.items()}
        answer = self._runner(**given)
        return {name: self.outputs[name].read(answer[self._names[name]]) for name in wanted}


def graphs_of(interpreter: Any, path: Path) -> list[LiteRTGraph]:
    """Every way into a file whose interpreter has its tensors allocated.

    A single signature names the tensors of the main graph. Of several, each is a way in; what two of them call by one
    name, and is not the same input, is called ``signature/name``.

    Raises:
        UnsupportedModel: a tensor's dtype is not a number or a truth value.
    """
    keys = list(interpreter.get_signature_list())
    runners = {key: interpreter.get_signature_runner(key) for key in keys}
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(keys) == 1:
        given, gives = runners[keys[0]].get_input_details(), runners[keys[0]].get_output_details()
        if _places(given.values()) == _places(inputs):
            return [MainGraph(interpreter, _in_order(given, inputs, path), _in_order(gives, outputs, path))]
    if keys:
        return _signatures(runners, path)
    return [MainGraph(interpreter, _by_own_names(inputs, path), _by_own_names(outputs, path))]


def _signatures(runners: Mapping[str, Any], path: Path) -> list[LiteRTGraph]:
    given = {key: _tensors(each.get_input_details(), path) for key, each in runners.items()}
    gives = {key: _tensors(each.get_output_details(), path) for key, each in runners.items()}
    specs = {str(tensor.spec): name for tensors in given.values() for name, tensor in tensors.items()}
    kinds = Counter(specs.values())
    times = Counter(name for tensors in gives.values() for name in tensors)
    graphs: list[LiteRTGraph] = []
    for key, runner in runners.items():
        inputs = {(f"{key}/{name}" if kinds[name] > 1 else name): name for name in given[key]}
        outputs = {(f"{key}/{name}" if times[name] > 1 else name): name for name in gives[key]}
        graphs.append(
            SignatureGraph(
                runner,
                {new: given[key][old].named(new) for new, old in inputs.items()},
                {new: gives[key][old].named(new) for new, old in outputs.items()},
                {**inputs, **outputs},
            )
        )
    return graphs


def _in_order(named: Details, details: Iterable[Mapping[str, Any]], path: Path) -> Tensors:
    """A signature's tensors in the order of the graph's; it has them in that of their names."""
    order = {int(detail["index"]): place for place, detail in reversed(list(enumerate(details)))}
    ranked = sorted(named.items(), key=lambda each: order.get(int(each[1]["index"]), len(order)))
    return _tensors(dict(ranked), path)


def _by_own_names(details: Iterable[Mapping[str, Any]], path: Path) -> Tensors:
    listed = list(details)
    names = own_names((int(detail["index"]), str(detail["name"])) for detail in listed)
    return _tensors(dict(zip(names, listed, strict=True)), path)


def _tensors(details: Details, path: Path) -> Tensors:
    return {name: LiteRTTensor.of(detail, name, path) for name, detail in details.items()}


def _places(details: Iterable[Mapping[str, Any]]) -> set[tuple[int, str]]:
    return {(int(detail["index"]), str(detail["name"])) for detail in details}


def own_names(tensors: Iterable[tuple[int, str]]) -> list[str]:
    """What callers call a graph's inputs, or its outputs: their names in the file, without what TensorFlow puts around.

    Files may be stripped of names, or give one twice: a tensor without one, or whose name another has, has its place
    among them behind it (``x_1``).

    Args:
        tensors: of each its number in the file and its name there.
    """
    owners: dict[str, int] = {}
    names = []
    for place, (number, given) in enumerate(tensors):
        name = plain_name(given)
        if not name or owners.get(name, number) != number:
            name = f"{name or 'tensor'}_{place}"
        while owners.setdefault(name, number) != number:
            name += "_"
        names.append(name)
    return names


def plain_name(name: str) -> str:
    """Without what TensorFlow puts around it."""
    return name.removeprefix("serving_default_").removesuffix(":0")
