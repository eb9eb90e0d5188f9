"""Faults of what a room stands on: files, servers, and the lines to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.faults.row import Row

_CRASHES: Final = "tests/engine/test_crashes.py"
_ERRORS: Final = "tests/faults/test_io_errors.py"
_POWER: Final = "tests/faults/test_power_cut.py"
_AT_COMMITS: Final = "tests/faults/test_kills.py"
_FULL: Final = "tests/faults/test_disk_full.py"
_FROZEN: Final = "tests/faults/test_frozen_server.py"
_CLOSING: Final = "tests/faults/test_frozen_closing.py"
_FULL_SERVER: Final = "tests/faults/test_server_disk_full.py"
_SERVER: Final = "tests/faults/test_server_faults.py"
_SHARING: Final = "tests/adapters/test_postgres_sharing.py"
_HOLDERS: Final = "tests/cli/test_db.py::TestHolders"
_OPEN: Final = "tests/faults/test_held_open.py"
_LINES: Final = "tests/faults/test_lines.py"
_LOST: Final = "tests/adapters/test_postgres_lost.py"
_RESTORE: Final = "tests/faults/test_restore.py"
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
    Row(
        fault="kill -9 exactly before and after a commit",
        made="SIGKILL in the process, right before what makes a command durable, and right after",
        checked="before it nothing of the command is there, after it all is, answered or not",
        tests=(f"{_AT_COMMITS}::test_whoever_is_killed_at_a_commit_has_done_all_of_it_or_nothing",),
    ),
    Row(
        fault="a process of the PostgreSQL server dies",
        made="`pg_terminate_backend` and SIGKILL of a backend that a room asks, while it asks",
        checked="the room goes on by itself",
        tests=(f"{_AT_COMMITS}::test_a_process_of_the_server_dies_and_whoever_asked_it_goes_on",),
    ),
    Row(
        fault="power cut",
        made=(
            "all writes and syncs of some days, taken at SQLite's own seam to its files"
            " (`tests/faults/vfs.py`, in the library of Python's `sqlite3`); the files are made as"
            " they may look at any of them: what was synced, and of the rest any sectors, some torn"
        ),
        checked="all that was acknowledged before the cut; the file is whole",
        tests=(f"{_POWER}::test_all_that_was_acknowledged_is_there_when_the_power_is_back",),
    ),
    Row(
        fault="I/O error, or a full disk, at the n-th operation of an append",
        made=(
            "the same seam answers EIO or ENOSPC at operation 1, 2, 3 ... until none is left; once,"
            " or until it is mended"
        ),
        checked=(
            "what was told is true also for whoever opens the file when the process is killed right"
            " then; the room goes on without being opened again"
        ),
        tests=(f"{_ERRORS}::test_what_is_told_of_a_command_is_true_wherever_the_disk_fails",),
    ),
    Row(
        fault="I/O error while a room is opened for the first time",
        made="the same, on the way to a new store and all that stands beside it",
        checked="it is said so, and the room opens when the disk is mended",
        tests=(f"{_ERRORS}::test_a_room_that_could_not_be_opened_can_be_when_the_disk_is_mended",),
    ),
    Row(
        fault="disk full",
        made=(
            "a file system of 64 MB in memory is filled up, and given space again; where none may"
            " be mounted, by a limit on the size of files"
        ),
        checked="it is said so; the room goes on without being opened again",
        tests=(f"{_FULL}::test_what_fills_a_small_disk_is_told_and_goes_on_when_there_is_space",),
    ),
    Row(
        fault="disk of the PostgreSQL server full",
        made=(
            "the tables, or the write-ahead log, on a file system of 128 MB in memory, which is"
            " filled up while two rooms write, and given space again; not where none may be mounted"
        ),
        checked=(
            "where no table can grow nothing was recorded, and it is said so; where the log cannot"
            " the server dies, which is started again; the rooms go on without being opened again"
        ),
        tests=(
            f"{_FULL_SERVER}::test_when_no_table_can_grow_it_is_said_so_and_goes_on_when_there_is_space",
            f"{_FULL_SERVER}::test_when_its_log_cannot_grow_the_server_dies_and_nothing_acknowledged_is_lost",
        ),
    ),
    Row(
        fault="error of the server, at each statement and at the commit",
        made="a trigger raises disk_full, io_error, out_of_memory, deadlock_detected and others",
        checked="nothing was recorded, and it is said so",
        tests=(f"{_SERVER}::test_whatever_the_server_answers_what_is_told_is_true",),
    ),
    Row(
        fault="too few connections, a slow line, a deadlock",
        made=(
            "a server that takes no more; a proxy that delays each portion; somebody who holds what"
            " an append wants, and wants what it holds"
        ),
        checked="errors are typed and come in bounded time; the room goes on",
        tests=(
            f"{_SERVER}::test_where_the_server_takes_no_more_connections_it_is_said_so",
            f"{_SERVER}::test_over_a_slow_line_everything_takes_longer_and_nothing_else",
            f"{_SERVER}::test_in_a_deadlock_with_somebody_else_one_gives_way_and_all_goes_on",
        ),
    ),
    Row(
        fault="a server that stands still",
        made="SIGSTOP of all processes of the server, or of all that a room is connected to",
        checked="it is said so in bounded time, and the room goes on when the server does, or"
        " closes while it stands; a statement that takes long is waited for",
        tests=(
            f"{_FROZEN}::test_who_asks_meanwhile_is_told_so_and_all_goes_on_when_it_does",
            f"{_FROZEN}::test_one_process_of_it_that_stands_still_keeps_nobody_waiting_for_ever",
            f"{_FROZEN}::test_a_statement_that_takes_its_time_is_waited_for",
            f"{_CLOSING}::test_a_room_closes_though_an_index_is_being_made",
        ),
    ),
    Row(
        fault="commits out of order, transactions held open elsewhere",
        made="several processes append at once; others hold locks, snapshots, or sit idle",
        checked="whoever follows the log skips nothing; `greenroom db status` names who holds back",
        tests=(
            f"{_OPEN}::test_what_is_appended_while_others_hold_on_is_seen_in_its_turn_by_all",
            f"{_SHARING}::test_whoever_follows_the_log_sees_every_position_in_its_turn",
            f"{_HOLDERS}::test_whoever_holds_the_append_lock_is_named",
            f"{_HOLDERS}::test_whoever_locks_a_table_is_named",
            f"{_HOLDERS}::test_old_snapshots_and_idle_transactions_are_named",
            f"{_HOLDERS}::test_a_prepared_transaction_has_a_name_and_no_process",
        ),
    ),
    Row(
        fault="connection cut at any byte",
        made=(
            "a proxy breaks the line to PostgreSQL after so many bytes of questions, or of answers;"
            " for a moment, or until it is mended"
        ),
        checked="a position, `OutcomeUnknown`, or that nothing was recorded: what is told is true",
        tests=(
            f"{_LINES}::test_what_is_told_of_a_command_is_true_wherever_the_line_breaks",
            f"{_LOST}::test_a_line_with_faults_at_random_loses_nothing_and_repeats_nothing",
        ),
    ),
    Row(
        fault="restore of an older backup",
        made=(
            "the file alone, beside its views; the schema of the store from a dump; the whole"
            " server; the log alone, beside everything else of its store; under a room that is open"
        ),
        checked=(
            "`greenroom db check` names it, `greenroom db repair` puts it right; what was lost can"
            " be asked for anew"
        ),
        tests=(
            f"{_RESTORE}::test_views_ahead_of_a_restored_file_are_named_and_filled_anew",
            f"{_RESTORE}::test_a_room_that_is_opened_on_a_restored_file_says_so_and_is_right",
            f"{_RESTORE}::test_views_ahead_of_a_restored_schema_are_named_and_filled_anew",
            f"{_RESTORE}::test_of_a_log_that_was_restored_alone_all_that_knows_of_more_is_named",
            f"{_RESTORE}::test_a_room_that_is_open_while_its_log_is_set_back_says_so",
            f"{_RESTORE}::test_a_restored_copy_of_the_whole_server_needs_nothing",
        ),
    ),
)
