"""`audit export`: a call's records with the proof that they are all there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from greenroom.audit.bundles import bundle
from greenroom.cli.audit.options import (
    DEFAULT_LEDGER,
    WORDS,
    LedgerOption,
    kept_there,
    looking,
    read_all,
    write,
)
from greenroom.cli.options import DEFAULT_STORE, Cid, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, out, printable
from greenroom.cli.progress import steps
from greenroom.domain.errors import InvalidInput
from greenroom.reports.bundled import bundled_report


def export(
    cid: Cid,
    *,
    path: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The bundle, a ZIP file.")
    ],
    extends: Annotated[
        list[Path] | None,
        typer.Option(
            "--extends",
            metavar="FILE",
            help="Show that the log kept to this earlier checkpoint; repeatable.",
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    ledger: LedgerOption = DEFAULT_LEDGER,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Write a bundle: all records of a call, the proof that they are, and a program to check it.

    It holds the records of the call type as well, which say what was allowed when; a report for
    people, as text and as the page of `audit report`; and nothing personal that can be read: that
    stays sealed. Where there is no such call, the bundle proves that. The same checkpoint makes
    the same file, to the byte.

    [dim]greenroom audit export default:123 -o call.zip[/dim]
    """
    if len(cid.split(":")) != 2:  # noqa: PLR2004 - a type and an id
        raise InvalidInput("CID", "type:id, e.g. default:123")
    book, notes = kept_there(ledger), read_all(extends, "--extends")
    with looking(store) as log, steps(WORDS) as told:
        made = bundle(
            book,
            log,
            cid,
            extends=notes,
            report=bundled_report,
            progress=lambda done, of: told("hashed", done, of),
        )
    write(path, made.archive)
    if as_json:
        document({"out": path, "bytes": len(made.archive), "records": made.shown.lengths})
    else:
        out().print(printable(path), markup=False, soft_wrap=True)
        out().print(str(made.shown), markup=False, soft_wrap=True)
