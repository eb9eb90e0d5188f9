"""What an operation is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct

from greenroom.domain.turn import Turn

T_contra = TypeVar("T_contra", bound=Turn, contravariant=True)


class Operation(Struct, Generic[T_contra], frozen=True):
    """A checked wish."""

    name: str
    decide: Callable[[T_contra], None]
    """Asks the aggregates; raises Refused where one says no."""
    arguments: Mapping[str, Any] = {}
    """What was asked, in full: a repeat under the same request id must ask the same."""
