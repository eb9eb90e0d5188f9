"""Where new ids come from."""

from __future__ import annotations

from uuid_utils import uuid7

from greenroom.domain.message import EntryId, EventId, RequestId


class Ids:
    """Ids nobody has used before, in every process: uuid7, so later ids sort after earlier ones.

    A room calls nothing else for ids; give it `greenroom.testing.SequentialIds` to read them.
    """

    def event_id(self) -> EventId:
        """For one event."""
        return EventId(self._new("event"))

    def request_id(self) -> RequestId:
        """For a command that came without one."""
        return RequestId(self._new("request"))

    def entry_id(self) -> EntryId:
        """For one connection of one user."""
        return EntryId(self._new("entry"))

    def call_id(self) -> str:
        """The id part of a cid: 36 characters of `0-9a-f-`."""
        return self._new("call")

    def _new(self, kind: str) -> str:  # noqa: ARG002 - what it is for is for those who override
        return str(uuid7())
