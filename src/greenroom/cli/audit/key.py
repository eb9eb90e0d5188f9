"""`audit key`: the key that signs checkpoints."""

from __future__ import annotations

from typing import Annotated

import typer

from greenroom.audit.ledger import KEY_FILE, Ledger
from greenroom.cli.audit.options import DEFAULT_LEDGER, LedgerOption, kept_there
from greenroom.cli.options import DebugOption, JsonOption
from greenroom.cli.output import document, err
from greenroom.domain.errors import InvalidInput


def key(
    *,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="NAME",
            help="Make a key for the log of this name, e.g. [cyan]example.org/calls[/cyan].",
        ),
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Show the key that signatures are checked with; with --origin, make one first.

    Give it to whoever shall believe your checkpoints, by a way of its own. The private half stays
    in the ledger's directory: whoever has it can sign what never happened.

    [dim]greenroom audit key --origin example.org/calls[/dim]
    """
    path = ledger / KEY_FILE
    if origin is not None:
        if path.exists():
            raise InvalidInput("--origin", f"no key in {ledger} yet: one log has one key")
        Ledger.found(ledger, origin)
        err().print(f"A new key is in {path}.", markup=False, soft_wrap=True)
    verifier = kept_there(ledger).verifier
    if as_json:
        document({"origin": verifier.name, "verifier_key": str(verifier)})
    else:
        typer.echo(str(verifier))
