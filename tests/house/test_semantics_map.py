"""`docs/semantics.md` names the test that proves each rule; here is the list of rules.

A row of its tables is `| `id` what the rule says | tests/path/test_file.py::test_name |`; several
tests stand in one cell, apart by spaces or `<br>`; a test of a class is `path::Class::name`.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAP = ROOT / "docs" / "semantics.md"

RULES = {
    "words": "cid generated-id participant-entries session team-label",
    "options": """
        member_ids members custom starts_at team ring notify video max_duration max_participants
        backstage settings members-at-most-100
    """,
    "operations": """
        create get update join leave go_live stop_live end delete restore add_members
        update_members remove_members block unblock kick mute unmute request_permissions
        grant_permissions revoke_permissions pin unpin send_custom_event query_members
        query_calls query_participants repeating
    """,
    "joining": """
        1-exists 2-deleted 3-team 4-blocked 5-granted 6-ended 7-backstage 8-capacity join-ahead
        opens-session ended-call evidence inactivity max-duration starts_at-moved backstage-on
    """,
    "grants": """
        effective owner defaults unknown-capability restriction changes-over-time who-acts system
    """,
    "settings": "built-in override",
    "media": "connections published reconnection measured carried",
    "recording": "start stop auto-on files muted failed resumed",
    "queries": """
        operators combined members calls participants sessions declared-custom undeclared-custom
        limit cursors null-last refusals empty-filter only-readable
    """,
    "ringing": """
        ring at-most-25 accept reject one-answer cancel_ring all-rejected auto-cancel missed
        answer-after notify call-starts kinds-and-templates told-once retried
    """,
    "events": "stored-names record reasons",
    "explain": "rules-in-order agrees facts refusals past",
    "attempts": "noted bounded harmless who-sees erased",
    "attendance": "told overlaps sums as-of",
    "what-if": """
        unchanged supposed because pinned cascading newly-admitted records-nothing shared
        bounded interrupted
    """,
    "proof": "checkpoints trees bundles absence found-out two-stories stores",
    "erasing": "user call at-once past proofs again",
}
"""Section -> the ids of its rules; in the map they read `section.id`."""

_ROW = re.compile(r"^\|\s*`(?P<rule>[\w.-]+)`(?P<says>[^|]*)\|(?P<tests>[^|]*)\|\s*$", re.MULTILINE)
_TEST = re.compile(r"tests/[\w/.-]+\.py(?:::\w+)+")


def required() -> set[str]:
    return {f"{section}.{rule}" for section, rules in RULES.items() for rule in rules.split()}


@cache
def mapped() -> dict[str, tuple[str, list[str]]]:
    """Rule -> what it says, and the tests named beside it."""
    return {
        row["rule"]: (row["says"].strip(), _TEST.findall(row["tests"]))
        for row in _ROW.finditer(MAP.read_text())
    }


@cache
def names_in(file: Path) -> set[str]:
    """`name` and `Class::name` of all tests in a file."""
    body = ast.parse(file.read_text()).body
    classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
    return _functions(body) | {
        f"{name}::{test}" for name, node in classes.items() for test in _functions(node.body)
    }


def _functions(body: list[ast.stmt]) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in body if isinstance(node, functions)} | {
        target.id
        for node in body  # `TestCalls = Machine.TestCase` and the like
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_every_rule_is_in_the_map_and_the_map_has_no_others() -> None:
    assert sorted(required() - set(mapped())) == []
    assert sorted(set(mapped()) - required()) == []


def test_every_rule_is_said_and_has_a_test() -> None:
    assert [rule for rule, (says, tests) in mapped().items() if not says or not tests] == []


def test_every_test_in_the_map_exists() -> None:
    missing = []
    for rule, (_, tests) in mapped().items():
        for test in tests:
            file, _, name = test.partition("::")
            if not (ROOT / file).is_file() or name not in names_in(ROOT / file):
                missing.append(f"{rule}: {test}")
    assert missing == []


def test_no_rule_stands_in_the_map_twice() -> None:
    rules = [row["rule"] for row in _ROW.finditer(MAP.read_text())]
    assert sorted(rules) == sorted(set(rules))


def test_a_row_is_understood() -> None:
    row = _ROW.match("| `joining.6-ended` ended | tests/a.py::test_b <br> tests/a.py::T::c |")
    assert row is not None
    assert row["rule"] == "joining.6-ended"
    assert _TEST.findall(row["tests"]) == ["tests/a.py::test_b", "tests/a.py::T::c"]
