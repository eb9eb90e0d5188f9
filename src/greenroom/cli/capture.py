"""`capture`: a call's history as a fixture, and a test that replays it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from greenroom.cli.opening import NAME, helping_to_find, opened
from greenroom.cli.options import DEFAULT_STORE, Cid, DebugOption, StoreOption
from greenroom.cli.output import out
from greenroom.testing.captured import Captured

_TEST: Final = '''\
"""A call as it was captured: it replays, and says the same."""

from pathlib import Path

from greenroom.testing import Captured

CAPTURED = Captured.load(Path(__file__).with_name("{fixture}"))


def test_the_captured_call_replays(tmp_path: Path) -> None:
    with CAPTURED.room(f"sqlite:///{{tmp_path / 'calls.db'}}") as room:
        assert CAPTURED.differences(room) == []
        assert room.parked() == []
'''


def capture(
    cid: Cid,
    *,
    into: Annotated[
        Path, typer.Option("--into", metavar="FOLDER", help="Where the two files go.")
    ] = Path(),
    redact: Annotated[
        bool,
        typer.Option(
            "--redact/--as-it-is", help="Replace ids and everything that people have said."
        ),
    ] = True,
    store: StoreOption = DEFAULT_STORE,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Write a call's history down as a fixture, with a test that replays it.

    Without `--as-it-is` nothing personal is in it: ids are numbered, custom data and names are
    dropped, free words are replaced. Roles, settings, grants and instants stay.

    [dim]greenroom capture default:123 --redact --into tests[/dim]
    """
    with opened(store) as room, helping_to_find(room.system(NAME), cid):
        captured = Captured.of(room, cid, redact=redact)
    name = "captured" if redact else f"captured_{re.sub('[^a-z0-9]+', '_', cid.lower())}"
    into.mkdir(parents=True, exist_ok=True)
    fixture, test = into / f"{name}.json", into / f"test_{name}.py"
    captured.save(fixture)
    test.write_text(_TEST.format(fixture=fixture.name))
    out().print(
        f"{len(captured.records)} events of {captured.cid} in {fixture}, replayed by {test}",
        markup=False,
        soft_wrap=True,
    )
