"""`greenroom`: the program with all its commands."""

from __future__ import annotations

import contextlib
import io
import sys
from importlib.metadata import version
from typing import Annotated, Final

import typer

from greenroom.cli import (
    attempts,
    attendance,
    call_types,
    capture,
    copying,
    db,
    explain,
    explain_query,
    export,
    history,
    importing,
    lists,
    past,
    projections,
    rebuild,
    recordings,
    serve,
    what_if,
    worker,
)
from greenroom.cli.audit import app as audit
from greenroom.cli.demo import command as demo
from greenroom.cli.failing import Guarded
from greenroom.cli.media import app as media
from greenroom.cli.options import KEYS, KeysOption
from greenroom.cli.output import out

_HELP: Final = """
[bold]greenroom[/bold] decides, records and explains calls, livestreams and audio rooms.

[not dim]These commands look into a store, act for it, or show what it can do.[/not dim]

[not dim]  greenroom demo --keep ./demo                   [dim]everything, live[/dim]
  export GREENROOM_STORE=sqlite:///calls.db      [dim]the store that is meant[/dim]
  greenroom calls --filter '{"ongoing": true}'   [dim]who is talking[/dim]
  greenroom history default:123                  [dim]what happened[/dim]
  greenroom explain default:123 join -u alice    [dim]why, or why not[/dim][/not dim]
"""
_EPILOG: Final = (
    "Exit codes: 0 fine, 1 refused by the rules or a check that failed, 2 not a valid question,"
    " 3 the store cannot be used."
)
_LOOK, _ASK, _RUN = "Look into a store", "Ask why", "Run and repair"

app: Final = typer.Typer(
    name="greenroom",
    help=_HELP,
    epilog=_EPILOG,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The entry point of the script, and of `python -m greenroom`."""


def _show_version(asked: bool) -> None:  # noqa: FBT001 - the shape of an option's callback
    if asked:
        out().print(f"greenroom {version('greenroom')}")
        raise typer.Exit


@app.callback()
def greenroom(
    *,
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Show the version, and nothing else.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
    keys: KeysOption = None,
) -> None:
    """What comes before every command."""
    KEYS.set(keys)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character shows its number instead of ending the program.
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):
                stream.reconfigure(errors="backslashreplace")


for _panel, _name, _function in (
    ("Begin here", "demo", demo.demo),
    (_LOOK, "calls", lists.calls),
    (_LOOK, "members", lists.members),
    (_LOOK, "participants", lists.participants),
    (_LOOK, "sessions", lists.sessions),
    (_LOOK, "recordings", recordings.recordings),
    (_LOOK, "types", call_types.types),
    (_ASK, "history", history.history),
    (_ASK, "attendance", attendance.attendance),
    (_ASK, "explain", explain.explain),
    (_ASK, "attempts", attempts.attempts),
    (_ASK, "what-if", what_if.what_if),
    (_ASK, "explain-query", explain_query.explain_query),
    (_RUN, "export", export.export),
    (_RUN, "import-members", importing.import_members),
    (_RUN, "serve", serve.serve),
    (_RUN, "worker", worker.worker),
    (_RUN, "rebuild", rebuild.rebuild),
    (_RUN, "copy", copying.copy),
    (_RUN, "capture", capture.capture),
):
    app.command(_name, cls=Guarded, rich_help_panel=_panel)(_function)
app.add_typer(
    past.app,
    name="past",
    help="Keep what was in tables, so that long ago is answered at once.",
    rich_help_panel=_RUN,
)
app.add_typer(
    media.app,
    name="media",
    help="Audio and video in processes of their own.",
    rich_help_panel=_RUN,
)
app.add_typer(
    projections.app,
    name="projections",
    help="How far the views have come; what is parked, and trying it again.",
    rich_help_panel=_RUN,
)
app.add_typer(
    audit.app, name="audit", help="Proof of what happened, and reports of it.", rich_help_panel=_ASK
)
app.add_typer(
    db.app, name="db", help="How a store stands; migrate, check, prune it.", rich_help_panel=_RUN
)
