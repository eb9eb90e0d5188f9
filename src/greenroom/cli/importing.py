"""`import-members`: any number of members of one call, from a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from greenroom import Member
from greenroom.cli.opening import NAME, call_of, helping_to_find, opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    Cid,
    DebugOption,
    JsonOption,
    StoreOption,
    parsed_json,
)
from greenroom.cli.output import document, out
from greenroom.cli.progress import steps
from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput

_KEYS: Final = ("user_id", "role", "custom")


def import_members(
    cid: Cid,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="One JSON object a line; - for standard input.")
    ],
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Add the members in a file to a call, however many; update those who are there.

    A line is an object such as {"user_id": "alice", "role": "host", "custom": {"color": "red"}}.
    Run again after an interruption, it passes over who is there already.

    [dim]greenroom import-members livestream:launch members.jsonl[/dim]
    """
    began = time.monotonic()
    with opened(store) as room, _reading(file) as lines, steps({}) as told:
        total = 0 if lines is sys.stdin else _counted(file)
        handle = room.system(NAME)
        with helping_to_find(handle, cid):
            done = call_of(handle, cid).import_members(
                _members(lines), progress=lambda number: told("members", number, total)
            )
    seconds = time.monotonic() - began
    if as_json:
        counts = {"added": done.added, "updated": done.updated, "unchanged": done.unchanged}
        document({**counts, "seconds": round(seconds, 3)})
        return
    said = f"{done.added} added, {done.updated} updated, {done.unchanged} as they were"
    out().print(f"{said}; {seconds:.1f} s.")


@contextmanager
def _reading(file: str) -> Iterator[TextIO]:
    if file == "-":
        yield sys.stdin
        return
    try:
        opened_file = Path(file).open(encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidInput("FILE", f"a file that can be read ({error.strerror})") from None
    with opened_file:
        yield opened_file


def _counted(file: str) -> int:
    """How many lines it has."""
    with Path(file).open("rb") as raw:
        return sum(block.count(b"\n") for block in iter(lambda: raw.read(1 << 20), b""))


def _members(lines: Iterable[str]) -> Iterator[Member]:
    """The member of each line, in their order; empty lines are passed over."""
    for number, line in enumerate(_readable(lines), 1):
        if not line.strip():
            continue
        path = f"line {number}"
        said = parsed_json(line, path)
        if not isinstance(said, dict) or "user_id" not in said:
            raise InvalidInput(path, 'an object such as {"user_id": "alice"}')
        for key in said:
            if key not in _KEYS:
                near = checks.nearest(key, _KEYS)
                raise InvalidInput(
                    f"{path}.{checks.shown(key)}", f"one of {', '.join(_KEYS)}", near
                )
        yield Member(**said)


def _readable(lines: Iterable[str]) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError:
        raise InvalidInput("FILE", "text in UTF-8") from None
