"""`recordings`: the recordings of a call, and the files of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import to_builtins
from rich.table import Column

from greenroom.cli.attendance import duration
from greenroom.cli.opening import asking, call_of, helping_to_find, opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    AsOption,
    Cid,
    DebugOption,
    JsonOption,
    StoreOption,
)
from greenroom.cli.output import document, filled, out, table
from greenroom.recordings import Recording


def recordings(
    cid: Cid,
    *,
    as_user: AsOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """List the recordings of a call in order, with the files that are finished.

    Files are named below the folder that recordings go to.

    [dim]greenroom recordings default:123 --json[/dim]
    """
    with opened(store) as room:
        handle = asking(room, as_user)
        with helping_to_find(handle, cid):
            found = call_of(handle, cid).recordings()
    if as_json:
        document(to_builtins(found))
        return
    if not found:
        out().print("Nothing was recorded of this call.", style="dim")
    for one in found:
        columns = ("Of", "What", Column("From", justify="right"), *_LENGTHS, "File", "Missing")
        out().print(filled(table(*columns, title=_heading(one)), _rows(one)))


_LENGTHS = (Column("Plays", justify="right"), Column("Bytes", justify="right"))


def _heading(one: Recording) -> str:
    """E.g. `default:123/1/1: 2026-01-01 12:00:00 by thierry, on`."""
    how = "on" if one.reason is None else str(one.reason)
    because = f" ({one.because})" if one.because else ""
    return f"{one.id}: {one.started_at:%Y-%m-%d %H:%M:%S} by {one.started_by}, {how}{because}"


def _rows(one: Recording) -> Iterator[Sequence[object]]:
    for track in one.tracks:
        file = track.file
        missing = [file.failure] if file.failure else []
        if file.packets_lost or file.packets_dropped:
            missing.append(f"{file.packets_lost} lost, {file.packets_dropped} dropped")
        yield (
            track.user_id,
            track.kind,
            duration(file.starts_after),
            duration(file.seconds),
            file.bytes,
            file.name,
            "; ".join(missing),
        )
