"""How often a law is tried whose every example takes a while."""

from __future__ import annotations

from typing import Final

from hypothesis import Phase, settings

NO_SHRINKING: Final = (Phase.explicit, Phase.reuse, Phase.generate)
"""For laws about whole courses of wishes, of which a smaller one is long in coming."""
_OF_A_BUILD: Final = 100
"""Examples of other laws in a build (the profile `ci`)."""


def times(in_a_build: int) -> int:
    """So many examples; more, in proportion, where others are tried more often (`deep`)."""
    return in_a_build * max(settings().max_examples // _OF_A_BUILD, 1)
