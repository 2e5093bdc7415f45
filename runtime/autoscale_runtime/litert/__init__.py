"""LiteRT's interpreter with one that decides: every name of ``ai_edge_litert.interpreter``, ``Interpreter`` being ours.

>>> from autoscale_runtime.litert import Interpreter  # doctest: +SKIP
>>> interpreter = Interpreter("model.tflite", num_threads=2)  # doctest: +SKIP

``autoscale_runtime.install`` puts it where applications find it that are not to be changed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoscale_runtime.litert.interpreter import Interpreter as Interpreter


def __getattr__(name: str) -> Any:
    if name == "Interpreter":
        return import_module("autoscale_runtime.litert.interpreter").Interpreter
    from autoscale_runtime.backends.litert import interpreter_module

    return getattr(interpreter_module(), name)
