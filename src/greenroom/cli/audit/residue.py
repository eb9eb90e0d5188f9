"""`audit residue`: whether what was erased can still be read anywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from greenroom.audit.residue import Residue
from greenroom.audit.residue import residue as look_for
from greenroom.cli.audit.options import read_all
from greenroom.cli.failing import REFUSED
from greenroom.cli.opening import inside, opened
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import document, out, printable, sign
from greenroom.domain.errors import InvalidInput
from greenroom.media_erasing import ErasedFiles


def residue(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PLACE]...", help="Files and folders to look into as well."),
    ] = None,
    *,
    words: Annotated[
        Path,
        typer.Option(
            "--words", metavar="FILE", help="The words, one a line; - for standard input."
        ),
    ] = Path("-"),
    recordings: Annotated[
        Path | None,
        typer.Option(
            "--recordings",
            metavar="DIR",
            help="Where recordings are: files of erased users and calls are named as well.",
            file_okay=False,
            exists=True,
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Look for words that should be gone since somebody was erased; exit code 1 if any is there.

    In the store's file, what SQLite keeps beside it, and the views; on PostgreSQL in all tables.
    Words are read from a file, so that they stay out of your shell's history, and not repeated.

    [dim]greenroom audit residue exports/ < words.txt[/dim]
    """
    wanted = _words(words)
    found = [one for where in (store, *(places or ())) for one in look_for(wanted, where)]
    files = [] if recordings is None else _left(store, recordings)
    if as_json:
        document({"words": len(wanted), "found": found, "recordings": files})
    else:
        _show(found, len(wanted))
        for file in files:
            said = f"recorded of somebody who was erased: {file}"
            out().print(sign(passed=False), printable(said), markup=False, soft_wrap=True)
    if found or files:
        raise typer.Exit(REFUSED)


def _left(store: str, folder: Path) -> list[str]:
    """Recorded files of who was erased."""
    with opened(store) as room:
        return [str(path) for path in ErasedFiles(folder.absolute(), inside(room)).left()]


def _words(path: Path) -> list[str]:
    if str(path) == "-":
        data = sys.stdin.buffer.read()
    else:
        (data,) = read_all([path], "--words")
    try:
        return [line for line in data.decode().splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise InvalidInput("--words", "text in UTF-8") from None


def _show(found: list[Residue], words: int) -> None:
    if not found:
        out().print(sign(passed=True), f"none of {words} words was found", markup=False)
    for one in found:
        said = f"word {one.number} stands in {one.place}"
        out().print(sign(passed=False), printable(said), markup=False, soft_wrap=True)
