"""Puts the sessions that decide where applications look for ONNX Runtime's and LiteRT's, and takes them away again."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from autoscale.agents.base import Agent
from autoscale.query.goal import Goal
from autoscale_runtime.backends.litert import PACKAGES
from autoscale_runtime.backends.onnxruntime import OnnxRuntime
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.drop_in.defaults import Defaults, current, pop, push

ORT_MODULES: Final = ("onnxruntime", "onnxruntime.capi.onnxruntime_inference_collection")
"""Where applications import ``InferenceSession`` from."""

_KEPT: Final[list[tuple[ModuleType, str, Any]]] = []
"""What stood there before, once for all installs."""

_INSTALLS: Final[list[Defaults]] = []


def install(
    goal: Goal | None = None,
    *,
    remotes: Mapping[str, str | RemoteModel] | None = None,
    agent: str | Path | Agent | None = None,
    options: SessionOptions | None = None,
) -> None:
    """Let ``onnxruntime.InferenceSession``, and LiteRT's ``Interpreter``, be ours from here on.

    What an application imported by name before stays what it was: call this first. It may be called again, with other
    defaults; each call is undone by one of :func:`uninstall`.

    Args:
        goal: what counts as a good answer, in sessions that do not say so; of all four, None leaves it as it was.
        remotes: place and host to a server's ``host:port``, or to a ``RemoteModel``.
        agent: a registered name, a policy file, or an agent.
        options: the rest.

    Raises:
        InvalidInput: a value of another type.
    """
    push(current().said(goal, remotes, agent, None, options))
    _INSTALLS.append(current())
    if len(_INSTALLS) == 1:
        _put_in_place()


def uninstall() -> None:
    """Undo the last :func:`install`; without one nothing happens. Sessions that were made go on as they are."""
    if not _INSTALLS:
        return
    _INSTALLS.pop()
    pop()
    if not _INSTALLS:
        while _KEPT:
            module, name, value = _KEPT.pop()
            setattr(module, name, value)


def _put_in_place() -> None:
    if OnnxRuntime.is_available():
        from autoscale_runtime.ort.inference_session import InferenceSession

        for name in ORT_MODULES:
            _replace(name, "InferenceSession", InferenceSession)
    if any(find_spec(package) for package in PACKAGES):
        from autoscale_runtime.litert import Interpreter

        for package in PACKAGES:
            with suppress(ModuleNotFoundError):
                _replace(f"{package}.interpreter", "Interpreter", Interpreter)


def _replace(module_name: str, name: str, value: Any) -> None:
    module = importlib.import_module(module_name)
    _KEPT.append((module, name, getattr(module, name)))
    setattr(module, name, value)
