"""The harness drives rooms and finds nothing; it drives faulty ones, and says what is wrong."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.testing.machines import (
    BrokenMachine,
    CountingMachine,
    ForgetfulMachine,
    ForgetfulProcessesMachine,
    ForgetfulThreadsMachine,
    SmallForgetfulMachine,
    tried,
)

from greenroom.testing import (
    CallMachine,
    Disagreement,
    Driver,
    MediaMachine,
    RoomDriver,
    ThreadedDriver,
    wish,
)
from greenroom.testing.postgres import PrivatePostgres
from greenroom.testing.processes import ProcessDriver, Workers

ROOT = Path(__file__).parents[2]
UNTIL_SHRUNK = settings(
    tried("a room in memory"),
    max_examples=50,
    stateful_step_count=6,
    derandomize=True,
    database=None,
)
FOUND = [
    wish("thierry", "create"),
    wish("alice", "join", after=5),
    wish("thierry", "kick", user_id="alice"),
]


@pytest.mark.slow
@pytest.mark.hypothesis
def test_a_room_in_memory_keeps_to_the_rules() -> None:
    run_state_machine_as_test(CallMachine, settings=tried("a room in memory"))


@pytest.mark.slow
@pytest.mark.hypothesis
def test_a_room_whose_media_reports_keeps_to_the_rules() -> None:
    run_state_machine_as_test(MediaMachine, settings=tried("a room whose media reports"))


@pytest.mark.slow
@pytest.mark.hypothesis
def test_a_room_in_a_file_keeps_to_the_rules(tmp_path: Path) -> None:
    class FileMachine(CallMachine):
        def driver(self) -> Driver:
            return RoomDriver(f"sqlite:///{tmp_path / str(uuid4())}.db")

    run_state_machine_as_test(FileMachine, settings=tried("a room in a file"))


@pytest.mark.slow
@pytest.mark.hypothesis
def test_threads_that_take_turns_keep_to_the_rules(tmp_path: Path) -> None:
    class ThreadMachine(CallMachine):
        def driver(self) -> Driver:
            return ThreadedDriver(RoomDriver(f"sqlite:///{tmp_path / str(uuid4())}.db"))

    run_state_machine_as_test(ThreadMachine, settings=tried("threads"))


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as two:
        yield two


@pytest.mark.slow
@pytest.mark.hypothesis
def test_processes_that_take_turns_keep_to_the_rules(tmp_path: Path, workers: Workers) -> None:
    class ProcessMachine(CallMachine):
        def driver(self) -> Driver:
            return ProcessDriver(f"sqlite:///{tmp_path / str(uuid4())}.db", workers)

    run_state_machine_as_test(ProcessMachine, settings=tried("processes"))


@pytest.mark.hypothesis
def test_processes_on_postgresql_keep_to_the_rules(
    postgres: PrivatePostgres, workers: Workers
) -> None:
    class PostgresMachine(CallMachine):
        def driver(self) -> Driver:
            self._database = postgres.database()
            return ProcessDriver(self._database.__enter__(), workers)

        def teardown(self) -> None:
            super().teardown()
            self._database.__exit__(None, None, None)

    run_state_machine_as_test(PostgresMachine, settings=tried("processes on PostgreSQL"))


# What it says where something is wrong


def test_a_fault_is_found_and_told_by_the_shortest_history_there_is() -> None:
    with pytest.raises(Disagreement) as found:
        ForgetfulMachine.replay("default:123", FOUND)
    assert str(found.value) == (
        """\
what happened in default:123:
   1. thierry creates the call
   2. 5 seconds later, alice joins
   3. thierry kicks (user_id='alice')
and then
  recorded: ('call.user_blocked', 'session.left')
  the rules say: ('session.left',)
a test that shows it:

from greenroom.testing import wish
from tests.testing.machines import ForgetfulMachine


def test_the_application_keeps_to_the_rules() -> None:
    ForgetfulMachine.replay(
        'default:123',
        [
            wish('thierry', 'create'),
            wish('alice', 'join', after=5),
            wish('thierry', 'kick', user_id='alice'),
        ],
    )
"""
    )


def test_what_breaks_is_told_like_what_is_wrong() -> None:
    with pytest.raises(Disagreement, match="raised ZeroDivisionError") as found:
        BrokenMachine.replay(
            "default:123",
            [wish("thierry", "create"), wish("system:night", "mute", user_ids=None, audio=True)],
        )
    assert isinstance(found.value.__cause__, ZeroDivisionError)


def test_true_that_comes_back_as_1_is_found() -> None:
    CountingMachine.replay("default:123", [wish("thierry", "create", custom={"plan": 1})])
    with pytest.raises(Disagreement, match=r"custom: \{'plan': 1\}"):
        CountingMachine.replay("default:123", [wish("thierry", "create", custom={"plan": True})])


@pytest.mark.slow
def test_what_it_finds_is_shrunk_to_a_test_that_shows_the_fault_again(tmp_path: Path) -> None:
    """Found at random, made as short as can be, and run by pytest as it was printed."""
    with pytest.raises(Disagreement) as found:
        run_state_machine_as_test(SmallForgetfulMachine, settings=UNTIL_SHRUNK)
    told = str(found.value)
    happened = told.partition("\nand then")[0].splitlines()[1:]
    assert len(happened) == 2, told
    assert happened[0].lstrip(" 1.").startswith("thierry creates the call")
    assert " kicks (user_id=" in happened[1]
    (tmp_path / "test_written.py").write_text(pasted(told))
    assert run_by_pytest(tmp_path)["FAILED"] == 1


@pytest.mark.slow
def test_what_is_found_in_threads_and_processes_is_told_by_a_test_that_shows_it_too(
    tmp_path: Path,
) -> None:
    for machine in (ForgetfulThreadsMachine, ForgetfulProcessesMachine):
        with pytest.raises(Disagreement) as found:
            machine.replay("default:123", FOUND)
        assert "2. 5 seconds later, alice joins" in str(found.value)
        (tmp_path / f"test_{machine.__name__}.py").write_text(pasted(str(found.value)))
    assert run_by_pytest(tmp_path)["FAILED"] == 2


def pasted(told: str) -> str:
    return told.partition("a test that shows it:\n")[2]


def run_by_pytest(folder: Path) -> Counter[str]:
    """How the tests of a folder end, which fail all for what the rules say."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "the rules say: (" in ran.stdout
    return Counter(line.partition(" ")[0] for line in ran.stdout.splitlines())


def test_the_model_knows_nothing_of_the_rules_that_decide() -> None:
    files = sorted((ROOT / "src" / "greenroom" / "testing" / "model").glob("*.py"))
    assert len(files) > 5
    known = {name for file in files for name in imported(ast.parse(file.read_text()))}
    ours = {name for name in known if name.startswith("greenroom")}
    assert {name for name in ours if not name.startswith("greenroom.testing.model")} == set()
    assert known - ours <= sys.stdlib_module_names | {"collections.abc"}


def imported(tree: ast.Module) -> Iterator[str]:
    """What a module imports when it runs, anywhere; not what only its annotations name."""
    for node in tree.body:
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            for inner in ast.walk(node):
                yield from imported_by(inner)


def imported_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield node.module or ""
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
