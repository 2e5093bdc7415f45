"""Packages of other authors for tests: a module with backends, and the entry points that register them."""

import importlib
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREAMBLE: Final = """
import time
import numpy as np
from autoscale.errors import ModelError, TargetError
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Backend, Runner
from autoscale_runtime.backends.tensors import TensorSpec
"""


@contextmanager
def plugged_in(folder: Path, module: str, source: str, **backends: str) -> Iterator[None]:
    """The backends (name to class) of a module are installed, as ``pip install`` would, until the block ends."""
    site = folder / f"site-{module}"
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(PREAMBLE + textwrap.dedent(source))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    points = "".join(f"{name} = {module}:{kind}\n" for name, kind in backends.items())
    (info / "entry_points.txt").write_text(f"[autoscale.backends]\n{points}")
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        sys.modules.pop(module, None)
        importlib.invalidate_caches()
