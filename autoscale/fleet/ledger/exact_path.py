"""Paths for engines that take them for patterns: as it stands, ``all*`` is another ledger's ``all-of-2025`` too."""

import re
from pathlib import Path
from typing import Final

_IN_CLASSES: Final = str.maketrans({each: f"[{each}]" for each in "*?["})
_OF_HADOOP: Final = re.compile(r"[{}\[\]*?\\]")


def for_duckdb(path: Path) -> str:
    """What matches the path alone; it takes ``~`` for a home.

    >>> for_duckdb(Path("all*/[1].parquet"))
    'all[*]/[[]1].parquet'
    """
    return str(path.absolute() if str(path).startswith("~") else path).translate(_IN_CLASSES)


def for_spark(path: Path) -> str:
    r"""Likewise; whole, since it is read elsewhere.

    >>> for_spark(Path("/all*/{1,2}.parquet"))
    '/all\\*/\\{1,2\\}.parquet'
    """
    return _OF_HADOOP.sub(r"\\\g<0>", str(path.resolve()))
