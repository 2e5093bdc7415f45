"""Loops (``loops``) as LLVM compiles them for this very processor."""

import ctypes
from typing import Any, Final

import numpy as np

from autoscale.extras import package
from autoscale_envs.worlds.loops import Array, Loops

FASTEST: Final = 3
"""LLVM's highest level of optimising, which computes several environments at once."""


class Compiled:
    """What a formula gives, for arrays over environments.

    Args:
        loops: which the formula was written down as; it takes a third of a second.

    Raises:
        MissingExtra: llvmlite is not installed.
    """

    def __init__(self, loops: Loops) -> None:
        self._engine = _compile(loops.code())
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        names = [f"loop{number}" for number in range(len(loops.between) + 1)]
        self._loops = [kind(self._engine.get_function_address(name)) for name in names]
        self._inputs, self._outputs, self._between = loops.inputs, loops.outputs, loops.between
        self._arguments = loops.arguments  # whose addresses are of use as long as they are held
        self._addresses = np.array([0 if each is None else address(each) for each in loops.arguments])
        self._where = address(self._addresses)

    def __call__(self, *inputs: Array) -> list[Array]:
        """The arrays it gives, of those that it is given."""
        for argument, array in zip(self._inputs, inputs, strict=True):
            if array is not self._arguments[argument]:  # many are those of the last run, and to ask takes a microsecond
                self._arguments[argument] = array
                self._addresses[argument] = address(array)
        outputs = []
        for dtype, shape, argument in self._outputs:
            outputs.append(np.empty(shape, dtype))
            self._addresses[argument] = address(outputs[-1])
        self._loops[0](self._where)
        for between, loop in zip(self._between, self._loops[1:], strict=True):
            if between is not None:
                ufunc, source, result = between
                ufunc(source, out=result)
            loop(self._where)
        return outputs


def _compile(code: str) -> Any:
    llvm = package("llvmlite.binding", "fast-sim", "to compile steps of many environments", "llvmlite")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    host = {"cpu": llvm.get_host_cpu_name(), "features": llvm.get_host_cpu_features().flatten()}
    machine = llvm.Target.from_default_triple().create_target_machine(**host, opt=FASTEST)
    module = llvm.parse_assembly(code)
    options = llvm.create_pipeline_tuning_options(speed_level=FASTEST)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


def address(array: Array) -> int:
    """Where an array's first number stands."""
    return int(array.__array_interface__["data"][0])
