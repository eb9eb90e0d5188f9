"""`audit prove`: that one record stands in the log."""

from __future__ import annotations

from typing import Annotated

import typer

from greenroom.audit.bundles import record_proof
from greenroom.cli.audit.options import (
    DEFAULT_LEDGER,
    WORDS,
    LedgerOption,
    OutOption,
    kept_there,
    looking,
    write,
)
from greenroom.cli.options import DEFAULT_STORE, DebugOption, StoreOption
from greenroom.cli.progress import steps


def prove(
    position: Annotated[
        int, typer.Argument(metavar="POSITION", help="Of the record, in the whole log.")
    ],
    *,
    out: OutOption = None,
    store: StoreOption = DEFAULT_STORE,
    ledger: LedgerOption = DEFAULT_LEDGER,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Prove that one record stands in the log: itself, its path in the tree, the checkpoint.

    In the format c2sp.org/tlog-proof, which other programs can check as well. `history --json`
    and queries tell positions.

    [dim]greenroom audit prove 42 -o 42.tlog-proof[/dim]
    """
    book = kept_there(ledger)
    with looking(store) as log, steps(WORDS) as told:
        proof = record_proof(book, log, position, lambda done, of: told("hashed", done, of))
    if out is None:
        typer.echo(proof.decode(), nl=False)
    else:
        write(out, proof)
