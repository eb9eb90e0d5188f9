"""What an operation is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from greenroom.domain.turn import Turn

T_contra = TypeVar("T_contra", bound=Turn, contravariant=True)


@dataclass(frozen=True, slots=True)
class Operation(Generic[T_contra]):
    """A checked wish."""

    name: str
    decide: Callable[[T_contra], None]
    """Asks the aggregates; raises Refused where one says no."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What was asked, in full: a repeat under the same request id must ask the same."""
