"""Addresses that a client learns of after its offer: trickled in, as a fragment (RFC 8840)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from greenroom.domain.errors import MediaError
from greenroom.media.description import MAX_CANDIDATES, UFRAG, attributes_of, candidates_in

MAX_SIZE: Final = 32_768
"""Characters of a fragment."""
_PREFIX: Final = len("a=candidate:")


@dataclass(frozen=True, slots=True)
class Fragment:
    """What matters of a fragment."""

    ufrag: str
    """Says which connection is meant: that whose offer had the same."""
    candidates: tuple[str, ...]
    """Addresses that packets can be sent to at once, as `a=candidate:` rows have them."""

    @classmethod
    def of(cls, text: object) -> Fragment:
        """Read a fragment; addresses of a sort that is not used here are left out.

        Raises:
            MediaError: it is none, too big, or does not name one connection.
        """
        if not issubclass(type(text), str):  # an object may lie about its class
            raise MediaError(f"expected candidates as text, not {type(text).__name__}")
        said = str.__str__(cast("str", text))
        if len(said) > MAX_SIZE:
            raise MediaError(f"expected candidates of at most {MAX_SIZE} characters")
        rows = [row.strip() for row in said.splitlines()]
        if not all(row[:2] in ("a=", "m=", "") for row in rows):
            raise MediaError("expected rows of a=... and m=... alone (RFC 8840)")
        attributes = attributes_of(rows)
        ufrags = {value for name, value in attributes if name == "ice-ufrag"}
        if len(ufrags) != 1 or not all(UFRAG.fullmatch(one) for one in ufrags):
            raise MediaError("expected the a=ice-ufrag of the offer, and no other")
        if sum(name == "candidate" for name, _ in attributes) > MAX_CANDIDATES:
            raise MediaError(f"expected at most {MAX_CANDIDATES} candidates")
        candidates = tuple(row[_PREFIX:] for row in candidates_in(attributes))
        return cls(next(iter(ufrags)), candidates)
