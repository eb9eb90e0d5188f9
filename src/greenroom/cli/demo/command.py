"""`demo`: the guide, played in five acts; every number shown was counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from greenroom import Greenroom
from greenroom.cli.demo import appointment, crash, livestream, restricted
from greenroom.cli.demo.stage import Stage
from greenroom.cli.failing import REFUSED
from greenroom.cli.history import events_table
from greenroom.cli.opening import NAME
from greenroom.cli.options import DebugOption, JsonOption
from greenroom.cli.output import document, out, silent
from greenroom.domain.errors import InvalidInput
from greenroom.testing.clock import VirtualClock
from greenroom.testing.notifier import RecordingNotifier

CLINIC, STUDIO, CRASH = "clinic.db", "studio.db", "crash.db"
"""The stores that the demo makes."""
_START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


def demo(
    *,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            help="Leave the stores there, to look into them; a temporary directory without.",
            file_okay=False,
        ),
    ] = None,
    media: Annotated[
        bool, typer.Option("--media/--no-media", help="Whether peers exchange audio and video.")
    ] = True,
    as_json: JsonOption = False,
    debug: DebugOption = False,  # noqa: ARG001 - read where errors end up
) -> None:
    """Play the guide: a ringing appointment, a livestream, a restricted call, a crash.

    Everything is real: stores on disk, peers that send and receive audio and video, a process that
    is killed. Every step is checked; the exit code is 1 if one of them fails.

    [dim]greenroom demo --keep ./demo && greenroom calls --store sqlite:///demo/clinic.db[/dim]
    """
    console = silent() if as_json else out()
    stage = Stage(console)
    began = time.monotonic()
    with _place(keep) as place:
        _play(stage, place, media=media)
    seconds = time.monotonic() - began
    if as_json:
        document({"passed": stage.passed, "seconds": round(seconds, 3), "steps": _told(stage)})
    else:
        done = sum(step.passed is True for step in stage.steps)
        verdict = "[bold green]all" if stage.passed else "[bold red]not all"
        console.print(
            f"\n{verdict} is as it must be[/]: {done} of {len(stage.steps)} steps done,"
            f" {seconds:.1f} s"
        )
        if keep is not None:
            console.print(
                f"look around: greenroom calls --store {url(keep / CLINIC)}", markup=False
            )
    if not stage.passed:
        raise typer.Exit(REFUSED)


def _play(stage: Stage, place: Path, *, media: bool) -> None:
    phones = RecordingNotifier()
    port = appointment.loopback_media() if media else None
    without_media = ""
    if port is None:
        install = "not installed: pip install 'greenroom[media]'"
        without_media = install if media else "left out by --no-media"
    with Greenroom.open(url(place / CLINIC), notifier=phones, media=port) as clinic:
        number = len(clinic.system(NAME).query_calls({"type": "default"}, limit=1000).items) + 1
        cid = appointment.play(stage, clinic, number, phones, without_media)
        clock = VirtualClock(_START)
        with Greenroom.open(url(place / STUDIO), clock=clock) as studio:
            livestream.play(stage, studio, clock)
        restricted.play(stage, clinic)
        with stage.act(f"4  The history of {cid}"):
            with stage.step("who did what, and when") as step:
                events = clinic.system(NAME).call(*cid.split(":")).history()
                # Media sums up what went through a connection once all is over.
                names = [event.name for event in events if event.name != "session.measured"]
                step.check(names[-1:] == ["session.ended"], "it does not end so")
                step.see(f"{len(events)} events", events=len(events))
            stage.show(events_table(events))
    crash.play(stage, url(place / CRASH))


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    """Where the stores are made: for good in an empty place, or for now."""
    if keep is None:
        with TemporaryDirectory(prefix="greenroom-demo-") as made:
            yield Path(made)
        return
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.glob("*.db")):
        raise InvalidInput("--keep", f"a directory without stores, not {keep}")
    yield keep


def url(path: Path) -> str:
    """Of the store in a file."""
    return f"sqlite:///{path}"


def _told(stage: Stage) -> list[dict[str, object]]:
    return [asdict(step) for step in stage.steps]
