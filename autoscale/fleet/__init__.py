"""The fleet's ledger: one row for every query of every device, in whole microjoules, nanograms and microseconds.

``ledger`` says what a row is and keeps them, ``report`` accounts for them, ``export`` writes what a report says.
"""

from typing import TYPE_CHECKING

from autoscale.lazy import lazy_names

if TYPE_CHECKING:
    from autoscale.fleet.ledger.rows import Rows, Texts
    from autoscale.fleet.ledger.store import Ledger
    from autoscale.fleet.ledger.view import LedgerView, read_ledger

__all__ = [
    "Ledger",
    "LedgerView",
    "Rows",
    "Texts",
    "read_ledger",
]

__getattr__ = lazy_names(
    __name__,
    {
        "autoscale.fleet.ledger.rows": "Rows Texts",
        "autoscale.fleet.ledger.store": "Ledger",
        "autoscale.fleet.ledger.view": "LedgerView read_ledger",
    },
)
