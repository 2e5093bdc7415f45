"""How a check says no."""


def require(fact: bool, message: str) -> None:
    """Raise an AssertionError with the message, unless the fact holds."""
    # Not the statement: python -O would drop it, and a check that checks nothing is worse than none.
    if not fact:
        raise AssertionError(message)
