"""Modules that moved: their old names import until 1.0, with a DeprecationWarning that says the new one."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

MOVED: Final = {
    "autoscale.carbon.checks": "autoscale.checks",
    "autoscale.carbon.places": "autoscale.carbon.intensity.places",
    "autoscale.carbon.range": "autoscale.interval",
    "autoscale.carbon.series": "autoscale.carbon.intensity.series",
    "autoscale.context": "autoscale.query.context",
    "autoscale.cost": "autoscale.physics",
    "autoscale.features": "autoscale.agents.features",
    "autoscale.fleet.inventory": "autoscale.fleet.report.inventory",
    "autoscale.fleet.lifecycle": "autoscale.fleet.report.life_cycle",
    "autoscale.fleet.rows": "autoscale.fleet.ledger.rows",
    "autoscale.fleet.schema": "autoscale.fleet.ledger.schema",
    "autoscale.fleet.span": "autoscale.fleet.ledger.span",
    "autoscale.fleet.store": "autoscale.fleet.ledger.store",
    "autoscale.fleet.validation": "autoscale.fleet.ledger.validation",
    "autoscale.forecast": "autoscale.query.forecast",
    "autoscale.goal": "autoscale.query.goal",
    "autoscale.link_trace": "autoscale.profiles.link_trace",
    "autoscale.model": "autoscale.query.model_profile",
    "autoscale.networks": "autoscale.profiles.networks",
    "autoscale.observation": "autoscale.query.observation",
    "autoscale.outcome": "autoscale.query.outcome",
    "autoscale.policies": "autoscale.agents.policies",
    "autoscale.record": "autoscale.query.record",
    "autoscale.reward": "autoscale.agents.reward",
    "autoscale.target": "autoscale.query.target",
    "autoscale.traces": "autoscale.profiles.link_trace_files",
    "autoscale.transfer": "autoscale.agents.transfer",
    "autoscale_envs.edge": "autoscale_envs.gym.env",
    "autoscale_envs.options": "autoscale_envs.worlds.options",
    "autoscale_envs.predictors": "autoscale_envs.training.predictors",
    "autoscale_envs.scenarios": "autoscale_envs.variance.scenarios",
    "autoscale_envs.tables": "autoscale_envs.worlds.parameters",
    "autoscale_envs.train": "autoscale_envs.training.train",
    "autoscale_envs.vector": "autoscale_envs.gym.vector",
    "autoscale_envs.world": "autoscale_envs.worlds.sim_world",
    "autoscale_envs.worlds.remotes": "autoscale.profiles.remotes",
    "autoscale_runtime.bundle": "autoscale_runtime.models.bundle",
    "autoscale_runtime.carbon_sources": "autoscale.carbon.intensity.live",
    "autoscale_runtime.inspection": "autoscale_runtime.models.inspection",
    "autoscale_runtime.offload.account": "autoscale_runtime.server.query_cost",
    "autoscale_runtime.offload.client": "autoscale_runtime.wire.client",
    "autoscale_runtime.offload.link": "autoscale_runtime.link.shaped_link",
    "autoscale_runtime.offload.server": "autoscale_runtime.server.server",
    "autoscale_runtime.preparation": "autoscale_runtime.models.preparation",
    "autoscale_runtime.tensors": "autoscale_runtime.backends.tensors",
}
"""Old name to new, of the modules that applications, plug-ins and experiments imported."""

PACKAGES: Final = frozenset({"autoscale_runtime.offload"})
"""What is left of a package, all of whose modules moved."""


class MovedModule(ModuleType):
    """Stands under the old name for the module of the new one."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(MOVED[self.__name__]), name)

    def __call__(self, *args: Any, **options: Any) -> object:
        """Call what the package exports now by the name of the module: ``autoscale_envs.train``."""
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **options)


class MovedModules:
    """Finds modules under their old names; a finder and a loader without their base classes, whose module takes longer
    to import than all that ``import autoscale`` needs.

    It goes first: in a checkout that was updated, the old folders may still lie about with their caches, as empty
    packages.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The place of an old name; None for any other."""
        loader: Any = self
        if fullname in MOVED:
            return ModuleSpec(fullname, loader)
        return ModuleSpec(fullname, loader, is_package=True) if fullname in PACKAGES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A module that hands out what the new one holds."""
        return MovedModule(spec.name) if spec.name in MOVED else ModuleType(spec.name, "Where modules were.")

    def exec_module(self, module: ModuleType) -> None:
        """Say where it is now."""
        if module.__name__ in MOVED:
            warnings.warn(f"{module.__name__} is now {MOVED[module.__name__]}", DeprecationWarning, stacklevel=2)


def install() -> None:
    """Make the old names importable; more than once is harmless."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())
