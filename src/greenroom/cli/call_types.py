"""`types`: the call types, and what one of them allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from greenroom.cli.opening import opened
from greenroom.cli.options import DEFAULT_STORE, DebugOption, JsonOption, StoreOption
from greenroom.cli.output import cell, document, filled, out, table
from greenroom.domain import checks
from greenroom.domain.access import Capability
from greenroom.domain.errors import CallTypeNotFound
from greenroom.policy import TypeState


def types(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One type, with its settings and grants.")
    ] = None,
    *,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """List call types, or show the settings and grants of one.

    [dim]greenroom types livestream[/dim]
    """
    with opened(store) as room:
        if name is None:
            found = room.call_types.list()
            if as_json:
                document({"items": found})
            else:
                _show_all(found)
            return
        try:
            state = room.call_types.get(name)
        except CallTypeNotFound as error:
            known = [each.name for each in room.call_types.list()]
            near = checks.nearest(name, known)
            error.add_note(f"Did you mean {near}?" if near else f"There are {', '.join(known)}.")
            raise
        if as_json:
            document(state)
        else:
            _show(state)


def _show_all(found: Sequence[TypeState]) -> None:
    rows = (
        (
            cell(state.name, "bold"),
            state.settings.backstage.enabled,
            state.settings.video.enabled,
            state.settings.ring.auto_cancel_timeout_ms is not None,
            state.settings.screensharing.enabled,
            state.settings.limits.max_participants,
        )
        for state in found
    )
    columns = ("Type", "Backstage", "Video", "Rings", "Screens", "Most people")
    out().print(filled(table(*columns), rows))


def _show(state: TypeState) -> None:
    console = out()
    settings = filled(
        table("Setting", "Value", title=f"{state.name}: settings"),
        (
            (Text.assemble((f"{group}.", "dim"), field), value)
            for group, fields in state.settings.model_dump(mode="json").items()
            if group != "notification_settings"
            for field, value in fields.items()
        ),
    )
    notified = filled(
        table("Notification", "Sent", "Title", title=f"{state.name}: notifications"),
        (
            (kind, said["enabled"], said["title"])
            for kind, said in state.settings.notification_settings.model_dump().items()
        ),
    )
    grants = filled(
        table("Role", "#", "May", title=f"{state.name}: grants"),
        (
            (cell(role, "bold"), len(held), "everything" if _all(held) else ", ".join(held))
            for role, held in state.grants.items()
        ),
    )
    for shown in (settings, notified, grants):
        console.print(shown)
    for place, fields in state.indexed_custom.items():
        declared = ", ".join(f"{field}: {kind}" for field, kind in fields.items())
        console.print(f"custom fields of {place}: {declared}", markup=False)


def _all(held: tuple[str, ...]) -> bool:
    return set(held) == set(Capability)
