"""`audit verify`: a bundle, or the whole store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from greenroom.audit.checking import Findings, check
from greenroom.audit.notes import VerifierKey
from greenroom.audit.trees import Unproven
from greenroom.audit.verifier import judged
from greenroom.cli.audit.options import (
    DEFAULT_LEDGER,
    WORDS,
    KeptOption,
    LedgerOption,
    kept_there,
    looking,
    read_all,
)
from greenroom.cli.failing import REFUSED
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, out, printable, sign
from greenroom.cli.progress import steps
from greenroom.domain.errors import InvalidInput


def verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A bundle or a proof; the store without."),
    ] = None,
    *,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="The log's key, as you were given it."),
    ] = None,
    kept: KeptOption = None,
    store: StoreOption = DEFAULT_STORE,
    ledger: LedgerOption = DEFAULT_LEDGER,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Check a bundle, or that the store still holds what every checkpoint says of it.

    Names the first record that is not what it was. Exit code 1 where something is wrong. A bundle
    is checked with --key, or the ledger's where there is one here; the program `verify.py` in it
    says the same without greenroom.

    [dim]greenroom audit verify --checkpoint kept-elsewhere.checkpoint[/dim]
    """
    notes = read_all(kept, "--checkpoint")
    if bundle is None:
        book = kept_there(ledger)
        with looking(store) as log, steps(WORDS) as told:
            found = check(log, book, notes, lambda done, of: told("read", done, of))
        whole = _show_findings(found, as_json=as_json)
    else:
        whole = _show_verdict(bundle, _believed(key, ledger), notes, as_json=as_json)
    if not whole:
        raise typer.Exit(REFUSED)


def _believed(said: str | None, ledger: Path) -> VerifierKey | None:
    """The key to check with; None for the bundle's own."""
    if said is None:
        return kept_there(ledger).verifier if ledger.exists() else None
    try:
        return VerifierKey.read(said)
    except Unproven as error:
        raise InvalidInput("--key", f"a verifier key ({error})") from error


def _show_verdict(
    bundle: Path, key: VerifierKey | None, kept: Sequence[bytes], *, as_json: bool
) -> bool:
    try:
        told, proved = judged(bundle, key, kept), True
    except Unproven as error:
        told, proved = f"NOT PROVED: {error}.", False
    except OSError as error:
        raise InvalidInput("BUNDLE", f"a file that can be read ({error})") from error
    if as_json:
        document({"proved": proved, "trusted": key is not None, "message": told})
        return proved
    for number, line in enumerate(told.splitlines()):
        before = sign(passed=proved) if number == 0 else " "
        out().print(before, printable(line), markup=False, soft_wrap=True)
    return proved


def _show_findings(found: Findings, *, as_json: bool) -> bool:
    if as_json:
        document({"whole": found.whole, **asdict(found)})
        return found.whole
    said = (
        f"{found.covered:,} of {found.records:,} records compared with {found.checkpoints:,}"
        f" checkpoints: {'unchanged' if found.whole else 'not what was signed'}"
    )
    out().print(sign(passed=found.whole), said, markup=False)
    for fault in found.faults:
        out().print(f"  {printable(fault)}", style="red", markup=False, soft_wrap=True)
    return found.whole
