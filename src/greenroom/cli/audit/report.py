"""`audit report`: everything that was recorded of a call, on a page of one file."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from greenroom.audit.bundles import bundle
from greenroom.audit.ledger import KEY_FILE
from greenroom.cli.audit.options import DEFAULT_LEDGER, LedgerOption, kept_there, looking, write
from greenroom.cli.opening import asking, call_of, helping_to_find, inside, must_have_been, opened
from greenroom.cli.options import DEFAULT_STORE, Cid, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, err
from greenroom.domain.errors import LogRewritten
from greenroom.domain.message import CallId
from greenroom.history import HistoryReader
from greenroom.reports.call_report import NO_CHECKPOINT, Standing, call_report

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Where the page is written.")
]


def report(
    cid: Cid,
    *,
    output: OutputOption = Path("call.html"),
    personal: Annotated[
        bool,
        typer.Option("--personal", help="Show custom data and the like, where not erased."),
    ] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Write a page about a call: who was there, every event and its cause, and the way through.

    One file, to be opened in any browser without a network, and printed. The arrow keys step
    through the history. Where there is a ledger, the page says what it proves, as of a new
    checkpoint. Deleted calls have a report too.

    [dim]greenroom audit report default:123 -o call.html[/dim]
    """
    with opened(store) as room:
        handle, core = asking(room, None), inside(room)
        call = call_of(handle, cid)
        with helping_to_find(handle, cid):
            must_have_been(room, call.cid)
        records = [*chain.from_iterable(core.numbered(HistoryReader(call.cid)))]
        proof = _proof(store, ledger, call.cid, len(records))
        page = call_report(call.cid, records, at=core.now(), proof=proof, personal=personal)
    write(output, page.encode())
    if as_json:
        document({"cid": call.cid, "output": str(output), "bytes": len(page.encode())})
    else:
        err().print(f"Written to {output}.", markup=False, soft_wrap=True)


def _proof(store: str, ledger: Path, cid: CallId, count: int) -> Standing:
    """What the ledger proves of these records; nothing where there is none."""
    if not (ledger / KEY_FILE).exists():
        return NO_CHECKPOINT
    try:
        with looking(store) as log:
            shown = bundle(kept_there(ledger), log, cid).shown
    except LogRewritten as error:
        return Standing("broken", "Broken: the log is not what was signed", (str(error),))
    held, signed = shown.lengths[f"call-{cid}"], shown.checkpoint
    details = [
        f"As of the first {signed.size} records of {signed.origin}.",
        f"The root of the tree over them is {signed.root.hex()}.",
        *(f"The log still begins with what it was at {one.size} records." for one in shown.earlier),
        f"Checked with the key {shown.key}.",
    ]
    if held != count:
        details.insert(0, f"This page shows {count} events: some were recorded meanwhile.")
    return Standing("proven", f"Proven: all {held} events of this call, unchanged", details)
