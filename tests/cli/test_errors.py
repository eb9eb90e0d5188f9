"""What goes wrong is one line, or one object, and an exit code; never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.laws import times

from greenroom import Greenroom, errors
from greenroom.cli import options
from greenroom.cli.failing import described, exit_code
from greenroom.cli.options import parsed_filter

Run = Callable[..., Any]
CID = "default:appointment-1"

WRONG: list[tuple[list[str], int, str]] = [
    (["calls", "--filter", "{bad"], 2, "invalid_input: --filter: expected JSON"),
    (["calls", "--filter", "[]"], 2, "--filter: expected a JSON object"),
    (["calls", "--filter", "[" * 100_000], 2, "--filter"),
    (["calls", "--filter", '{"cid": NaN}'], 2, "invalid_filter"),
    (["calls", "--filter", '{"cid": ' + "9" * 5000 + "}"], 2, "--filter"),
    (["calls", "--filter", '{"teem": "x"}'], 2, "did you mean 'team'?"),
    (["calls", "--filter", '{"cid": {"$regex": ".*"}}'], 2, "invalid_filter"),
    (["calls", "--sort", "creatd_at"], 2, "did you mean 'created_at'?"),
    (["calls", "--sort", "-"], 2, "invalid_sort"),
    (["calls", "--limit", "0"], 2, "limit: expected an integer from 1 to 1000"),
    (["calls", "--limit", "many"], 2, "valid integer"),
    (["calls", "--cursor", "../../etc/passwd"], 2, "invalid_cursor"),
    (["calls", "--as", "a/b"], 2, "user_id"),
    (["calls", "--no-such-option"], 2, "--no-such-option"),
    (["calls", "--store", "clinic.db"], 2, "url: expected"),
    (["calls", "--store", "sqlit:///x.db"], 2, "did you mean 'sqlite://'?"),
    (["calls", "--store", "memory://"], 2, "outlives a process"),
    (["members", "appointment-1"], 2, "CID: expected type:id"),
    (["members", "default:a:b"], 2, "id: expected"),
    (["members", "default:appointmnt-1"], 1, "Did you mean default:appointment-1?"),
    (["history", "default:nowhere"], 1, "call_not_found"),
    (["history", CID, "-k", "session", "-k", "cal.ended"], 2, "--kind cal.ended: expected"),
    (["history", CID, "-k", "cal.ended"], 2, "did you mean 'call.ended'?"),
    (["what-if", "--call", "nowhere"], 2, "--call nowhere: expected"),
    (["participants", "default:nowhere"], 1, "call_not_found"),
    (["sessions", "default:nowhere"], 1, "call_not_found"),
    (["types", "livestrem"], 1, "Did you mean livestream?"),
    (["types", "???"], 2, "name: expected"),
    (["explain", CID, "jion", "--user", "eve"], 2, "did you mean 'join'?"),
    (["explain", CID, "join"], 2, "--user"),
    (["explain", CID, "kick", "--user", "eve"], 2, "arguments: expected what kick takes"),
    (["explain", CID, "kick", "--user", "eve", "--arg", "user_id"], 2, "NAME=JSON"),
    (["explain", CID, "update", "--user", "eve", "--arg", "custom={"], 2, "--arg custom"),
    (["explain", CID, "update", "--user", "eve", "--arg", "starts_at=soon"], 2, "an instant"),
    (["explain", CID, "add_members", "--user", "eve", "--arg", "members=[1]"], 2, "members[0]"),
    (["explain", CID, "join", "--user", "eve", "--arg", "user=x"], 2, "say --user"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "code", "says"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_question_is_answered_with_what_is_wrong_in_words_and_as_an_object(
    run: Run, clinic: str, command: list[str], code: int, says: str
) -> None:
    worded = run(*command)
    assert worded.exit_code == code, worded.output
    assert says in " ".join(worded.stderr.split())
    assert worded.stdout == ""
    assert "Traceback" not in worded.stderr
    told = run(*command, "--json")
    assert told.exit_code == code
    error = json.loads(told.stderr)["error"]
    assert error["code"]
    assert error["message"]
    assert told.stdout == ""


def test_an_error_object_carries_the_path_and_the_nearest_name(run: Run, clinic: str) -> None:
    error = json.loads(run("calls", "--filter", '{"teem": 1}', "--json").stderr)["error"]
    assert (error["code"], error["path"], error["nearest"]) == (
        "invalid_filter",
        "filters.teem",
        "team",
    )


def test_a_missing_store_is_named_with_the_way_out(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "none.db"
    result = run("calls", "--store", f"sqlite:///{missing}")
    assert result.exit_code == 3
    assert str(missing) in result.stderr.replace("\n", "")
    assert "GREENROOM_STORE" in result.stderr
    assert not missing.exists()


@pytest.mark.slow
def test_a_file_that_is_no_store_is_left_alone(run: Run, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("dear alice, " * 1000)
    for command in (["calls"], ["rebuild"], ["worker", "--once"], ["history", CID]):
        result = run(*command, "--store", f"sqlite:///{letter}")
        assert result.exit_code == 3, result.output
        assert "Traceback" not in result.stderr
    assert letter.read_text() == "dear alice, " * 1000


def test_an_error_of_our_own_is_one_line_unless_debug_asks(
    run: Run, clinic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("so it goes")

    monkeypatch.setattr(options, "parsed_sort", broken)
    result = run("calls")
    assert result.exit_code == 70
    assert result.stderr == "internal: ZeroDivisionError: so it goes; --debug shows where\n"
    assert isinstance(run("calls", "--debug").exception, ZeroDivisionError)


def test_debug_shows_where_a_refusal_comes_from(run: Run, clinic: str) -> None:
    assert isinstance(run("members", "default:no", "--debug").exception, errors.CallNotFound)


def test_exit_codes_tell_refusals_bad_questions_and_bad_stores_apart() -> None:
    assert exit_code(errors.CallFull(2)) == 1
    assert exit_code(errors.Conflict("others")) == 1
    assert exit_code(errors.QueryTooSlow("filters", "less")) == 2
    assert exit_code(errors.WrongSchema(9, 1)) == 3


def test_an_error_is_described_with_its_own_facts() -> None:
    assert described(errors.CallFull(2)) == {
        "code": "call_full",
        "message": "the call is full: 2 participants at most",
        "limit": 2,
    }


@pytest.mark.slow
@given(st.text() | st.dictionaries(st.text(), st.integers() | st.text()).map(json.dumps))
@settings(max_examples=times(200), deadline=None)
def test_any_text_is_a_filter_or_refused_as_one(said: str) -> None:
    try:
        found = json.loads(said)
    except ValueError:
        found = None
    if isinstance(found, dict):
        assert parsed_filter(said) == found
        return
    with pytest.raises(errors.InvalidInput) as refused:
        parsed_filter(said)
    assert refused.value.path == "--filter"


@pytest.mark.slow
@given(words=st.lists(st.text(st.characters(exclude_characters="\0"), max_size=8), max_size=4))
@settings(
    max_examples=times(10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_stands_on_the_command_line_no_exception_escapes(
    run: Run, clinic: str, words: list[str]
) -> None:
    for command in ("members", "types"):
        result = run(command, *words)
        assert result.exit_code in {0, 1, 2}, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.slow
def test_asking_leaves_nothing_in_the_log(run: Run, clinic: str) -> None:
    with Greenroom.open(clinic, timers=False) as room:
        before = room.position
    for command, _, _ in WRONG[::4]:
        run(*command)
    for command in (["calls"], ["members", CID], ["types"], ["history", CID], ["rebuild"]):
        assert run(*command).exit_code == 0
    with Greenroom.open(clinic, timers=False) as room:
        assert room.position == before
