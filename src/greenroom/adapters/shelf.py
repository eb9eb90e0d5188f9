"""Where a stream's snapshot is kept: sealed as its records are, and bound to the last of them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Final

from msgspec.json import Decoder, Encoder

from greenroom.adapters.codec import FindKeys
from greenroom.adapters.recorder import EVERYTHING, LogRecorder
from greenroom.adapters.recorder import Snapshot as Row
from greenroom.adapters.sealing import Sealed, SubjectKey, seal, unseal
from greenroom.domain.message import StreamId
from greenroom.domain.ports import Snapshot
from greenroom.domain.streams import subjects

_MARK: Final = 32
"""Bytes of the mark that a row's state begins with (HMAC-SHA256)."""
_PLAIN: Final = b"p"
_SEALED: Final = b"s"
_PURPOSE: Final = b"greenroom snapshot 1"
_write: Final = Encoder().encode
_read: Final = Decoder(Sealed).decode


class RecorderShelf:
    """The shelf of one stream, by a recorder.

    A row is marked with the store's secret, over all that it says and the very record that its
    state ends with. So nothing is believed that was damaged, was brought here from another place,
    or stems from a log that is no longer this one.
    """

    def __init__(self, recorder: LogRecorder, stream: StreamId, find_keys: FindKeys) -> None:
        self._recorder = recorder
        self._stream = stream
        about = subjects(stream)
        self._about_somebody = bool(about)
        self._keys = find_keys(about) if about else ()

    def snapshot(self) -> Snapshot | None:
        """What is kept and can be believed and opened."""
        row = self._recorder.snapshot(self._stream)
        if row is None:
            return None
        body = row.state[_MARK:]
        mark = self._mark(row.version, row.format, body)
        if mark is None or not hmac.compare_digest(mark, row.state[:_MARK]):
            return None
        state: bytes | None = body[1:]
        if body[:1] == _SEALED:
            state = unseal(_read(body[1:]), self._keys, self._place(row.version, row.format))
        return None if state is None else Snapshot(row.version, row.format, state)

    def keep(self, snapshot: Snapshot, *, personal: bool) -> None:
        """Keep it, in place of an older one."""
        body = self._body(snapshot, personal=personal)
        if body is None:
            return
        mark = self._mark(snapshot.version, snapshot.format, body)
        if mark is None:
            raise ValueError(f"{self._stream} has no version {snapshot.version}")
        row = Row(snapshot.version, snapshot.format, mark + body)
        self._recorder.keep_snapshot(self._stream, row)

    def _body(self, snapshot: Snapshot, *, personal: bool) -> bytes | None:
        """What is stored behind the mark; None where it may not be stored."""
        if not self._about_somebody:
            return _PLAIN + snapshot.state
        keys: list[SubjectKey] = [key for key in self._keys if key is not None]
        if len(keys) == len(self._keys):
            place = self._place(snapshot.version, snapshot.format)
            return _SEALED + _write(seal(snapshot.state, keys, place))
        # Without all keys nothing personal could be read; unless they came and went meanwhile.
        return None if personal else _PLAIN + snapshot.state

    def _mark(self, version: int, form: str, body: bytes) -> bytes | None:
        """What only this store says of this snapshot; None where the log has no such version."""
        rows = self._recorder.stream_rows(self._stream, version - 1, EVERYTHING, 1)
        if not rows or rows[0][2] != version:
            return None
        position, *_, document = rows[0]
        head = json.dumps([self._stream, version, form, position]).encode()
        last = hashlib.sha256(document).digest()
        said = b"".join((_PURPOSE, head, last, body))
        return hmac.digest(self._recorder.secret, said, "sha256")

    def _place(self, version: int, form: str) -> bytes:
        return json.dumps(["snapshot", self._stream, version, form]).encode()
