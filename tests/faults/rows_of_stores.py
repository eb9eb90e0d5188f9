"""Faults of what a room stands on: files, servers, and the lines to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.faults.row import Row

_CRASHES: Final = "tests/engine/test_crashes.py"
_KILLS: Final = "tests/adapters/test_store_kill9.py"

OF_STORES: Final[Sequence[Row]] = (
    Row(
        fault="kill -9 of whoever writes, at any time",
        made="SIGKILL after a random while; one or two writers of the same store",
        checked="whatever was acknowledged is there, nothing by halves; the file is whole",
        tests=(
            f"{_KILLS}::test_five_kills_of_whoever_writes_to_a_file",
            f"{_KILLS}::test_fifty_kills_of_whoever_writes_to_a_file",
            f"{_KILLS}::test_twenty_kills_of_whoever_writes_to_a_server",
            "tests/engine/test_kill9.py::test_what_was_answered_is_there_after_a_kill",
            f"{_CRASHES}::test_of_a_killed_process_all_is_there_that_it_was_told",
        ),
    ),
    Row(
        fault="kill -9 of the PostgreSQL server",
        made="SIGKILL for each of its processes while clients write; started again",
        checked="clients go on by themselves; whose outcome nobody knew is settled by asking again",
        tests=(
            f"{_KILLS}::test_ten_kills_of_the_server_itself",
            f"{_CRASHES}::test_when_the_server_is_back_all_go_on_as_if_nothing_had_been",
        ),
    ),
)
