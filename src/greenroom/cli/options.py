"""The options that commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from greenroom.domain.errors import InvalidInput
from greenroom.projections.pages import DEFAULT_LIMIT
from greenroom.projections.query import SortKey, asc, desc

DEFAULT_STORE: Final = "sqlite:///greenroom.db"
_COMMON, _QUERY = "Store and output", "Query"

StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="GREENROOM_STORE",
        help="The store: [cyan]sqlite:///relative.db[/cyan] or [cyan]sqlite:////absolute.db[/cyan].",
        rich_help_panel=_COMMON,
    ),
]
KEYS: Final[ContextVar[str | None]] = ContextVar("keys", default=None)
"""Where the keys of the store are; None for in the store itself."""
KeysOption = Annotated[
    str | None,
    typer.Option(
        "--keys",
        metavar="URL",
        envvar="GREENROOM_KEYS",
        help="Where the keys of personal data are, if not in the store: given before the command.",
    ),
]
AddressOption = Annotated[
    list[str] | None,
    typer.Option(
        "--address",
        metavar="IP",
        help="Of this machine, to send audio and video from; all but loopback without.",
    ),
]
RecordingsOption = Annotated[
    Path | None,
    typer.Option(
        "--recordings",
        metavar="DIR",
        help="Where recordings go, of this store alone; none are made without.",
        file_okay=False,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", help="Answer JSON on standard output, for programs.", rich_help_panel=_COMMON
    ),
]
CsvOption = Annotated[
    bool,
    typer.Option("--csv", help="Answer CSV, for spreadsheets.", rich_help_panel=_COMMON),
]
DebugOption = Annotated[
    bool,
    typer.Option("--debug", help="Show where an error comes from.", rich_help_panel=_COMMON),
]
AsOption = Annotated[
    str | None,
    typer.Option("--as", metavar="USER", help="Ask as this user; as the system without."),
]
Cid = Annotated[str, typer.Argument(metavar="CID", help="The call: [cyan]type:id[/cyan].")]
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="JSON",
        help='Mongo-style, e.g. [cyan]{"role": {"$in": ["host"]}}[/cyan].',
        rich_help_panel=_QUERY,
    ),
]
SortOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sort",
        "-s",
        metavar="FIELD",
        help="[cyan]field[/cyan] rising or [cyan]-field[/cyan] falling; up to twice.",
        rich_help_panel=_QUERY,
    ),
]
LimitOption = Annotated[
    int,
    typer.Option(
        "--limit", "-n", metavar="N", help="Rows in a page, 1 to 1000.", rich_help_panel=_QUERY
    ),
]
CountOption = Annotated[
    bool,
    typer.Option(
        "--count", help="Say how many there are in all, up to 1000+.", rich_help_panel=_QUERY
    ),
]
CursorOption = Annotated[
    str | None,
    typer.Option(
        "--cursor",
        metavar="CURSOR",
        help="[cyan]next[/cyan] or [cyan]prev[/cyan] of a page of the same query.",
        rich_help_panel=_QUERY,
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say that all queries share."""

    as_user: str | None
    filters: Mapping[str, Any] | None
    sort: tuple[SortKey, ...]
    limit: int
    cursor: str | None
    store: str
    as_json: bool


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a query, which it gets as `asked`."""

    def options(
        *,
        as_user: AsOption = None,
        filters: FilterOption = None,
        sort: SortOption = None,
        limit: LimitOption = DEFAULT_LIMIT,
        cursor: CursorOption = None,
        store: StoreOption = DEFAULT_STORE,
        as_json: JsonOption = False,
        debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
    ) -> Asked:
        return Asked(
            as_user, parsed_filter(filters), parsed_sort(sort), limit, cursor, store, as_json
        )

    shared = signature(options, eval_str=True).parameters
    own = [
        parameter
        for parameter in signature(command, eval_str=True).parameters.values()
        if parameter.name != "asked"
    ]

    @wraps(command)
    def asking(**given: Any) -> None:
        said = {name: given.pop(name) for name in shared}
        command(asked=options(**said), **given)

    # What the parser of arguments reads.
    all_of_them = [*own, *shared.values()]
    asking.__signature__ = Signature(all_of_them)  # type: ignore[attr-defined] # kept by functions
    asking.__annotations__ = {one.name: one.annotation for one in all_of_them}
    return asking


def parsed_filter(said: str | None) -> Mapping[str, Any] | None:
    """The filter that `--filter` says.

    Raises:
        InvalidInput: it is not a JSON object.
    """
    if said is None:
        return None
    found = parsed_json(said, "--filter")
    if not isinstance(found, dict):
        raise InvalidInput("--filter", 'a JSON object, e.g. {"user_id": "alice"}')
    return found


def parsed_json(said: str, path: str) -> Any:
    """The JSON that `said` is.

    Raises:
        InvalidInput: it is none; says where it ceases to be.
    """
    try:
        return json.loads(said)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise InvalidInput(path, f"JSON ({error.msg}, {where})") from None
    except (ValueError, RecursionError):
        raise InvalidInput(path, "JSON of sensible depth and numbers") from None


def parsed_instant(said: str | None, path: str) -> datetime | None:
    """The instant that an option says; in UTC where it names no offset.

    Raises:
        InvalidInput: it says none.
    """
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise InvalidInput(path, "an instant, e.g. 2026-01-01T10:00:00Z") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def parsed_sort(said: Sequence[str] | None) -> tuple[SortKey, ...]:
    """The sort keys that `--sort` says, in order."""
    return tuple(
        desc(field.removeprefix("-")) if field.startswith("-") else asc(field.removeprefix("+"))
        for field in said or ()
    )
