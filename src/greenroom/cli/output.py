"""What is printed: tables for people, JSON for programs.

Everything that users wrote is data here: neither markup nor terminal codes in it have an effect.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import typer
from pydantic import BaseModel
from pydantic_core import to_json
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

_WIDTH_OF_FILES: Final = 120
"""Columns of what goes to a file or a pipe, unless COLUMNS says otherwise."""


def out() -> Console:
    """Standard output."""
    return _console(stderr=False)


def err() -> Console:
    """Standard error."""
    return _console(stderr=True)


def silent() -> Console:
    """Nowhere."""
    return Console(quiet=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_FILES
    return console


def document(value: Any) -> None:
    """One JSON document, indented."""
    typer.echo(to_json(value, indent=2))


def document_line(value: Any) -> None:
    """One JSON document on one line."""
    typer.echo(to_json(value))


def csv_lines(columns: Sequence[str]) -> Callable[[Iterable[BaseModel]], None]:
    """Prints models as CSV (RFC 4180): the names of `columns` now, a row each whenever asked.

    Instants are RFC 3339, structures JSON; nothing is an empty field.
    """
    line = csv.writer(sys.stdout)
    line.writerow(columns)

    def show(models: Iterable[BaseModel]) -> None:
        for model in models:
            said = model.model_dump(mode="json")
            line.writerow([_field(said[column]) for column in columns])
        sys.stdout.flush()

    return show


def _field(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        case _:
            return value


def printable(value: object) -> str:
    """`value` as text, with everything that could steer a terminal spelt out."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(value)
    )


def cell(value: object, style: str = "") -> Text:
    """What stands in a table: a dash for nothing, UTC for instants, JSON for structures."""
    match value:
        case None | "":
            return Text("-", style="dim")
        case datetime():
            return Text(f"{value:%Y-%m-%d %H:%M:%S}", style=style)
        case bool():
            return Text("yes" if value else "no", style=style)
        case str() | int() | float():
            return Text(printable(value), style=style)
        case _:
            return Text(printable(json.dumps(value, ensure_ascii=False)), style=style)


def table(*columns: str | Column, title: str | None = None) -> Table:
    """An empty table; long values are folded, never cut."""
    headers = (one if isinstance(one, Column) else Column(one, overflow="fold") for one in columns)
    return Table(
        *headers,
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def filled(made: Table, rows: Iterable[Sequence[object]]) -> Table:
    """The table with these rows."""
    for row in rows:
        made.add_row(*(value if isinstance(value, Text) else cell(value) for value in row))
    return made


def sign(*, passed: bool) -> Text:
    """A tick or a cross, as the terminal can show it."""
    unicode = (out().encoding or "").lower().startswith("utf")
    if passed:
        return Text("✓" if unicode else "+", style="bold green")
    return Text("✗" if unicode else "x", style="bold red")
