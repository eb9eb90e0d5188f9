"""Every example runs by itself, in an empty directory, and says what it is meant to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

EXAMPLES: Final = Path(__file__).parents[2] / "examples"

SAYS: Final = {
    "backstage_setup": """
        it is 20:00:00, the doors open at 20:03:20
        after 199 seconds: False
        after 200 seconds: True
        live, with 2 in it
    """,
    "call_create_options": """
        2 members, team stream, {'color': 'red'}
        rings
        jaewoong: wrong_team
        3600 50
    """,
    "call_crud": """
        {'secret': 'secret'}
        ['call.created', 'call.updated']
        call_not_found
        gone for good
    """,
    "create_and_join": """
        call_not_found
        created with the join: True
        then joined as it is
    """,
    "creating_a_call": """
        default:123 created: True
        an id of 36 characters was generated: True
    """,
    "end_call": """
        tommaso lacks end-call
        2 put out
        call_ended: True
        thierry is back in the ended call
    """,
    "joining_a_call": """
        alice is in session default:123/1
        call_not_found: there is no call default:124; create it first, or join with create=True
    """,
    "leave_call": """
        ('session.left',)
        ()
    """,
    "live_shopping": """
        <call show:spring as fan-3> waits: the call is full: 5 participants at most
        [('fan-0', 'teapot')]
        fan-1 may come back: False
        after the show: ['thierry', 'tommaso']
        6 took part in 6 connections
    """,
    "media": """
        thierry and alice see and hear each other
        alice's picture after the revocation: 0 frames
        2 connections in the record
    """,
    "online_class": """
        charlie may speak: False
        raised hands: ['charlie']
        charlie may speak: True
        charlie may speak: False
        tommaso: wrong_team
    """,
    "querying_members": """
        [('jaewoong', 'host')]
        50 red seats in front, of 1001 members
        ['Jaewoong']
        filters.user_idd: did you mean user_id?
    """,
    "restricting_access": """
        alice: joined
        charlie: not_allowed
        charlie: joined
        charlie: not_allowed
        join-call: no role grants it
    """,
    "telemedicine": """
        the day comes
          -> charlie: appointment:2026-03-05-0930-charlie has started
          -> charlie: Dr. Alice is calling
        nobody answers for 15 seconds
          -> charlie: You missed a call from Dr. Alice
        second try
          -> charlie: appointment:2026-03-05-0930-charlie has started
          -> charlie: Dr. Alice is calling
        what the file will say
          09:30 empty 1
          09:35 ended 2
    """,
}
"""What each prints, line by line."""
SLOW: Final = {"media"}


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.slow  # a process each: `nox -s slow`
@pytest.mark.parametrize("name", SAYS)
def test_runs_by_itself_and_says_what_it_should(name: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert [one for one in lines(run.stderr) if "commands took" not in one] == []  # a slow disk
    assert lines(run.stdout) == lines(SAYS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(SAYS) - SLOW))
def test_says_the_same_within_this_process(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    source = (EXAMPLES / f"{name}.py").read_text()
    exec(compile(source, f"{name}.py", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own example
    assert lines(capsys.readouterr().out) == lines(SAYS[name])
