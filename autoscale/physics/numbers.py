"""The type of what every formula takes and gives."""

from typing import Any, TypeAlias

Numbers: TypeAlias = Any
"""A number or an array of them: what serves one query and many has no narrower type that numpy's stubs know."""
