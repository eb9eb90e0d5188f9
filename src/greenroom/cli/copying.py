"""`copy`: a store moved to another place, from one kind of database to the other."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

from greenroom.adapters.checking import must_find_keys
from greenroom.adapters.copying import Copied
from greenroom.adapters.copying import copy as carry_over
from greenroom.adapters.key_store import opened_keys
from greenroom.adapters.migration import migrate
from greenroom.cli.options import KEYS, DebugOption, JsonOption
from greenroom.cli.output import document, filled, out, table
from greenroom.cli.progress import steps
from greenroom.domain.errors import StoreError

_WORDS: Final = {
    "store_secret": "secret",
    "subject_keys": "keys",
    "greenroom_effects": "notifications",
    "greenroom_effects_follower": "notifications noted",
    "greenroom_effects_rings": "rings",
    "greenroom_attempts": "refused attempts",
    "greenroom_attempts_counted": "refused attempts counted",
}


def copy(
    *,
    source: Annotated[str, typer.Option("--from", metavar="URL", help="The store that there is.")],
    target: Annotated[
        str, typer.Option("--to", metavar="URL", help="A missing file, or an empty database.")
    ],
    to_keys: Annotated[
        str | None,
        typer.Option(
            "--to-keys", metavar="URL", help="Where the copy is to have its keys, apart from it."
        ),
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Copy a store, SQLite to PostgreSQL or back: users notice no difference.

    Positions, answers under request ids, cursors, erasures, notifications and refused attempts
    stay as they are. Keys that are elsewhere stay there, and serve the copy (name them by --keys);
    --to-keys moves keys out of the store.
    Stop whoever writes to the source first. Interrupted at any point, the same command goes on;
    until it is done and both sides were compared row by row, no room opens on the target.

    [dim]greenroom copy --from sqlite:///calls.db --to postgresql://user@host/calls[/dim]
    """
    begun = time.monotonic()
    keys = to_keys or KEYS.get()
    must_find_keys(source, KEYS.get())  # or the copy would be done, and no room open on it
    with steps(_WORDS) as told, opened_keys(to_keys, create=True) as apart:
        try:
            copied = carry_over(source, target, told, to_keys=apart)
        except StoreError as error:
            if type(error) is StoreError:
                error.add_note("The source is as it was; the same command goes on from here.")
            raise
        migrate(target, lambda position, of: told("views", position, of), keys=keys)
    seconds = time.monotonic() - begun
    if as_json:
        document({**asdict(copied), "seconds": round(seconds, 3)})
    else:
        _show(copied, seconds)


def _show(copied: Copied, seconds: float) -> None:
    console = out()
    console.print(
        filled(
            table("Copied", "Rows"),
            ((_WORDS.get(name, name), f"{rows:,}") for name, rows in copied.rows.items()),
        )
    )
    again = f", going on from position {copied.began_after:,}" if copied.began_after else ""
    console.print(
        f"{copied.target} is the same as {copied.source} up to position {copied.position:,},"
        f" after {seconds:.1f} s{again}.",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"SHA-256 of all rows on both sides: {copied.digest}", soft_wrap=True)
