from __future__ import annotations

from typing import Any

from greenroom.domain.session_events import MediaStatistics
from greenroom.media.janus.admin import counted


def line(
    *,
    came: tuple[int, int] = (0, 0),
    went: tuple[int, int] = (0, 0),
    lost: tuple[int, int] = (0, 0),
    rtt: int = 0,
    jitter: int = 0,
) -> dict[str, Any]:
    """A media line as Janus describes it, without what is not read."""
    report = {"lost": lost[0], "lost-by-remote": lost[1], "rtt": rtt, "jitter-local": jitter}
    stats = {
        way: {"packets": counts[0], "bytes": counts[1]}
        for way, counts in (("in", came), ("out", went))
    }
    return {"rtcp": {"main": report}, "stats": stats}


def test_lines_are_summed_up_and_times_are_in_seconds() -> None:
    sound = line(came=(199, 70_283), lost=(1, 0), jitter=5)
    picture = line(came=(60, 4_647), went=(2, 300), lost=(0, 2), rtt=40, jitter=4)
    assert counted([sound, picture]) == MediaStatistics(
        packets_received=259,
        bytes_received=74_930,
        packets_sent=2,
        bytes_sent=300,
        packets_lost=3,
        round_trip=0.04,
        jitter=0.005,
    )


def test_what_was_not_measured_is_not_nothing() -> None:
    assert counted([line(came=(1, 100))]).round_trip is None
    assert counted([]) == MediaStatistics()


def test_a_line_that_was_never_reported_on_counts_all_the_same() -> None:
    bare = line(came=(3, 30), lost=(-1, -1))
    del bare["rtcp"]
    assert counted([bare, line(lost=(-5, -5))]).packets_lost == 0
    assert counted([bare]).packets_received == 3
