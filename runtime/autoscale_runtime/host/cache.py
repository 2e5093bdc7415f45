"""Where what can be made or fetched again is kept between two runs."""

import os
from pathlib import Path


def cache_folder(name: str = "") -> Path:
    """A folder of ``autoscale``'s, or its own, in the user's cache (XDG Base Directory Specification 0.8)."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    home = named if named.is_absolute() else Path.home() / ".cache"
    return home / "autoscale" / name
