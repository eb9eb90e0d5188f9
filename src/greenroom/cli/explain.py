"""`explain`: what an operation would be answered, and by which rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from greenroom import Backstage, Explanation, Member
from greenroom.cli.opening import NAME, call_of, helping_to_find, opened
from greenroom.cli.options import (
    DEFAULT_STORE,
    Cid,
    DebugOption,
    JsonOption,
    StoreOption,
    parsed_json,
)
from greenroom.cli.output import document, filled, out, printable, sign, table
from greenroom.domain.errors import InvalidInput
from greenroom.domain.reasons import Reason


def explain(
    cid: Cid,
    operation: Annotated[
        str, typer.Argument(metavar="OPERATION", help="A command, e.g. join, go_live, kick.")
    ],
    *,
    user: Annotated[str, typer.Option("--user", "-u", metavar="USER", help="Who would ask.")],
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="ROLE", help="Their user role; from their record without."),
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Option(
            "--arg",
            "-a",
            metavar="NAME=JSON",
            help="An argument of the operation; what is no JSON is text.",
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Say what an operation would be answered now, and each rule that says so.

    Nothing is recorded. The exit code is 0 whatever the verdict: the question was answered.

    [dim]greenroom explain default:123 kick --user thierry --arg user_id=eve --arg block=true[/dim]
    """
    given = _parsed_arguments(arguments or [])
    with opened(store) as room:
        handle = room.system(NAME)
        with helping_to_find(handle, cid):
            answer = call_of(handle, cid).explain(operation, user=user, role=role, **given)
    if as_json:
        document(answer)
    else:
        show(answer, cid)


def show(answer: Explanation, cid: str) -> None:
    """A verdict with its rules."""
    console = out()
    verdict = Text("allowed", style="bold green")
    if not answer.allowed:
        verdict = Text(f"refused ({answer.code})", style="bold red")
    console.print(
        sign(passed=answer.allowed), f"{answer.user_id}: {answer.operation} {cid} is", verdict
    )
    console.print(reasons_table(answer))
    if answer.message:
        console.print(printable(answer.message), markup=False)
    elif answer.would_record:
        console.print(f"It would record {', '.join(answer.would_record)}.", markup=False)
    elif answer.allowed:
        console.print("It is so already: nothing would be recorded.")


def reasons_table(answer: Explanation) -> Table:
    """The rules that were asked, each with a tick or a cross, what it saw, and since when."""
    rows = (
        (sign(passed=one.passed), one.rule, one.because, ", ".join(_since(one)))
        for one in answer.reasons
    )
    return filled(table("", "Rule", "Because", "Since"), rows)


def _since(reason: Reason) -> Iterator[str]:
    """The events that made it so, in the order the facts weigh; each once."""
    for event, position in dict.fromkeys((one.event, one.position) for one in reason.facts):
        if event is not None:
            yield f"{event} at {position}"


def _parsed_arguments(said: Sequence[str]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for one in said:
        name, equals, value = one.partition("=")
        if not equals or not name.isidentifier():
            raise InvalidInput("--arg", "NAME=JSON, e.g. user_id=alice or block=true")
        if name in {"operation", "user", "role"}:
            raise InvalidInput(f"--arg {name}", f"an argument of the operation; say --{name}")
        if name in found:
            raise InvalidInput(f"--arg {name}", "each name once")
        found[name] = _meant(name, _parsed_value(name, value))
    return found


def _parsed_value(name: str, said: str) -> Any:
    """JSON where it looks like it, else text."""
    if said[:1] in {"{", "[", '"'}:
        return parsed_json(said, f"--arg {name}")
    try:
        return parsed_json(said, name)
    except InvalidInput:
        return said


def _meant(name: str, value: Any) -> Any:
    """JSON as the operation wants it: instants, members and backstage settings are values of ours.

    Raises:
        InvalidInput: it cannot be one.
    """
    path = f"--arg {name}"
    match name, value:
        case "starts_at", str():
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                raise InvalidInput(path, "an instant, e.g. 2026-01-01T10:00:00Z") from None
        case "members", list():
            return [_member(f"{path}[{n}]", one) for n, one in enumerate(value)]
        case "backstage", dict():
            try:
                return Backstage(**value)
            except TypeError:
                raise InvalidInput(path, "enabled and join_ahead_time_seconds") from None
        case _:
            return value


def _member(path: str, value: Any) -> Member:
    try:
        return Member(value) if isinstance(value, str) else Member(**value)
    except TypeError:
        raise InvalidInput(path, "a user id, or user_id, role and custom") from None
