"""The fleet's ledger: one row for every query of every device, in whole microjoules, nanograms and microseconds.

``ledger`` says what a row is and keeps them, ``report`` accounts for them, ``export`` writes what a report says.
"""

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
