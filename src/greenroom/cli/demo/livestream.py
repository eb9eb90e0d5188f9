"""The second act: a livestream with backstage, on a clock that is moved by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from greenroom import Backstage, CallHandle, Greenroom, Member, asc, desc
from greenroom.cli.demo.stage import Stage
from greenroom.cli.lists import members_table
from greenroom.domain.errors import NotLiveYet
from greenroom.testing.clock import VirtualClock

STARTS_IN: Final = 500
JOIN_AHEAD: Final = 300
OPENS_IN: Final = STARTS_IN - JOIN_AHEAD
"""Seconds from the creation until regular users may join."""
CREW: Final = ("alice", "charlie", "jaewoong", "thierry", "anna", "ben", "chloe", "dmitri", "elif")
_COLOURS: Final = ("red", "green", "blue")
_RED_OR_BLUE: Final[dict[str, Any]] = {"custom.color": {"$in": ["red", "blue"]}}
_PAGE: Final = 4


def play(stage: Stage, room: Greenroom, clock: VirtualClock) -> None:
    """Play it, in a room that lives by `clock`."""
    tommaso = room.as_user("tommaso").call("livestream", "launch")
    viewer = room.as_user("nora").call("livestream", "launch")
    with stage.act("2  A livestream with backstage, on a virtual clock"):
        _set_up(stage, tommaso, clock)
        _doors(stage, viewer, clock)
        with stage.step("tommaso goes live") as step:
            state = tommaso.go_live()
            step.check(not state.backstage, "the call is in backstage still")
            late = room.as_user("oscar").call("livestream", "launch").join()
            step.see(f"anybody may come in: oscar is in {late.session_id}")
        _crew(stage, tommaso, clock)


def _set_up(stage: Stage, tommaso: CallHandle, clock: VirtualClock) -> None:
    with stage.step(
        f"tommaso plans {tommaso.cid}: starts in {STARTS_IN} s, doors {JOIN_AHEAD} s ahead"
    ) as step:
        state = tommaso.create(
            members=[Member("tommaso", role="host")],
            starts_at=clock.now() + timedelta(seconds=STARTS_IN),
            backstage=Backstage(enabled=True, join_ahead_time_seconds=JOIN_AHEAD),
        )
        step.check(state.backstage, "the call is open to all")
    with stage.step("tommaso sets up in backstage") as step:
        entry = tommaso.join()
        step.see(f"in session {entry.session_id}")


def _doors(stage: Stage, viewer: CallHandle, clock: VirtualClock) -> None:
    created_at = clock.now()
    with stage.step(f"after {OPENS_IN - 1} s nora, a regular user, is refused") as step:
        clock.advance(seconds=OPENS_IN - 1)
        try:
            viewer.join()
        except NotLiveYet as refusal:
            step.check(refusal.opens_at is not None, "no opening was named")
            opens_in = ((refusal.opens_at or created_at) - created_at).total_seconds()
            step.see(f"{refusal.code}, the doors open at {opens_in:.0f} s", opens_in=opens_in)
            step.check(opens_in == OPENS_IN, f"the doors open at {opens_in} s")
        else:
            step.check(holds=False, otherwise="she was let in")
    with stage.step(f"after {OPENS_IN} s she is admitted") as step:
        clock.advance(seconds=1)
        entry = viewer.join()
        passed = (clock.now() - created_at).total_seconds()
        step.see(f"in session {entry.session_id}, {passed:.0f} s on the clock", admitted_at=passed)


def _crew(stage: Stage, tommaso: CallHandle, clock: VirtualClock) -> None:
    """Members, one a second, then queried page by page."""
    wanted = []
    with stage.step(f"{len(CREW)} members join the crew, one a second, each with a colour") as step:
        for n, user_id in enumerate(CREW):
            clock.advance(seconds=1)
            color = _COLOURS[n % len(_COLOURS)]
            tommaso.add_members([Member(user_id, custom={"color": color})])
            wanted += [user_id] if color in {"red", "blue"} else []
        count = tommaso.get().member_count
        step.check(count == len(CREW) + 1, f"{count} members")
        step.see(f"{count} members with the host", members=count)
    newest_first = [desc("created_at"), asc("user_id")]
    with stage.step(f"members in red or blue, newest first, {_PAGE} a page") as step:
        first = tommaso.query_members(_RED_OR_BLUE, newest_first, limit=_PAGE)
        pages = [first]
        while pages[-1].next is not None:
            cursor = pages[-1].next
            pages.append(
                tommaso.query_members(_RED_OR_BLUE, newest_first, limit=_PAGE, cursor=cursor)
            )
        found = [item.user_id for page in pages for item in page.items]
        step.check(found == wanted[::-1], f"found {found}, not {wanted[::-1]}")
        back = tommaso.query_members(_RED_OR_BLUE, newest_first, limit=_PAGE, cursor=pages[-1].prev)
        step.check(back.items == pages[-2].items, "`prev` leads elsewhere")
        step.see(
            f"{len(found)} on {len(pages)} pages, none twice; and back by `prev`",
            found=len(found),
            pages=len(pages),
        )
    stage.show(members_table(first))
