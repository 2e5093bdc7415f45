"""Records of queries given to whoever wants them; nobody's query fails for that."""

import logging
from collections.abc import Callable
from typing import Final

from autoscale.query.record import Record

_LOG: Final = logging.getLogger("autoscale.session")


def give_record(on_record: Callable[[Record], None], record: Callable[[], Record]) -> None:
    """Have a query recorded, which has been answered: where that fails, its record is lost, and a warning says so.

    Args:
        on_record: ``SessionOptions.on_record``.
        record: makes it.
    """
    try:
        on_record(record())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # that of a cancelled task is no Exception, and would reach another query's caller
        _LOG.warning("on_record failed, and that query's record is lost: %s: %s", type(error).__name__, error)
