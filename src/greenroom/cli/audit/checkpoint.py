"""`audit checkpoint`: sign what the log is now."""

from __future__ import annotations

import typer

from greenroom.audit.notes import to_base64
from greenroom.cli.audit.options import (
    DEFAULT_LEDGER,
    WORDS,
    LedgerOption,
    OutOption,
    kept_there,
    looking,
    write,
)
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document
from greenroom.cli.progress import steps


def checkpoint(
    *,
    out: OutOption = None,
    store: StoreOption = DEFAULT_STORE,
    ledger: LedgerOption = DEFAULT_LEDGER,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Sign what the log is now, and print the checkpoint.

    Only what is new since the last one is read and hashed; where nothing is, that one is printed.
    A log that does not begin with what the last one says is refused. Keep copies where whoever
    can write to the store and to the ledger cannot: they are what protects you.

    [dim]greenroom audit checkpoint -o 2026-11-23.checkpoint[/dim]
    """
    book = kept_there(ledger)
    with looking(store) as log, steps(WORDS) as told:
        signed = book.checkpoint(log, lambda done, of: told("hashed", done, of))
    if out is not None:
        write(out, signed.note)
    if as_json:
        made = signed.checkpoint
        document(
            {
                "origin": made.origin,
                "size": made.size,
                "root": to_base64(made.root),
                "chains": made.chains,
                "chains_root": to_base64(made.chains_root),
                "note": signed.note.decode(),
            }
        )
    elif out is None:
        typer.echo(signed.note.decode(), nl=False)
