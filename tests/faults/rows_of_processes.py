"""Faults of processes, of time, and of those who ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.faults.row import Row

_CLOCKS: Final = "tests/faults/test_clock_jumps.py"
_EVERY: Final = "tests/faults/test_every_statement.py"
_KILLS: Final = "tests/engine/test_projection_kills.py"
_INSTANTS: Final = "tests/engine/test_instants.py"
_STOPPED: Final = "tests/faults/test_stopped.py"
_TIMERS: Final = "tests/engine/test_timers.py"
_PARKING: Final = "tests/projections/test_parking.py"
_FORKED: Final = "tests/faults/test_forked.py"
_FULL: Final = "tests/faults/test_full_house.py"
_ORDER: Final = "tests/faults/test_out_of_order.py"
_SAME: Final = "tests/faults/test_same_everywhere.py"

OF_PROCESSES: Final[Sequence[Row]] = (
    Row(
        fault="one of two workers stopped",
        made="SIGSTOP of a `greenroom worker` for 2 s (large: 10 s); and before single statements"
        " of a command and of a ticker, while another process does the same",
        checked="all that was due is done once, everybody is told once; others wait no longer than"
        " it is stopped, and are refused nothing",
        tests=(
            f"{_STOPPED}::test_of_two_workers_one_is_stopped_and_nothing_is_done_twice_nor_left",
            f"{_STOPPED}::test_stopped_at_any_statement_it_holds_up_others_no_longer_than_it_is_stopped",
            f"{_STOPPED}::test_of_two_tickers_one_is_stopped_at_any_statement_and_all_is_done_once",
        ),
    ),
    Row(
        fault="projections that crash",
        made="The driver fails, or the process is killed, before every single statement of catching"
        " up, of keeping the past, of a rebuild; or at random, with others at it",
        checked="brought along once more the views say what fresh ones say, the kept past as well",
        tests=(
            f"{_EVERY}::test_at_whichever_statement_it_fails_nothing_is_missing_afterwards",
            f"{_EVERY}::test_at_whichever_statement_it_is_killed_nothing_is_missing_afterwards",
            f"{_EVERY}::test_the_exam_notices_positions_that_are_moved_before_the_rows",
            f"{_KILLS}::test_every_event_counts_once_whenever_somebody_is_killed",
            f"{_KILLS}::test_so_it_does_where_the_past_is_kept",
            f"{_KILLS}::test_a_killed_rebuild_changes_nothing_and_the_next_leaves_nothing",
        ),
    ),
    Row(
        fault="an event that a projection cannot take",
        made="A projection raises, the database refuses the row, or the record is spoilt",
        checked="that call waits there, all others go on; retried, nothing is missing",
        tests=(
            f"{_PARKING}::test_an_event_that_fails_holds_up_its_call_for_that_projection_alone",
            f"{_PARKING}::test_a_row_that_the_database_refuses_is_parked",
            f"{_PARKING}::test_a_record_that_cannot_be_read_holds_up_its_call",
            f"{_PARKING}::test_trying_again_is_exact_while_others_catch_up",
            f"{_PARKING}::test_any_events_fail_and_are_tried_again_and_nothing_is_missing",
            "tests/engine/test_parked.py::test_a_damaged_record_holds_up_its_call_alone",
        ),
    ),
    Row(
        fault="what nobody can mean",
        made="Wrong types, hostile text, numbers, JSON, cursors and tickets for every argument of"
        " every public method; on all stores",
        checked="refused with the place of the fault; nothing is recorded, nothing stays in memory",
        tests=(
            "tests/hostile/test_wrong_types.py::test_what_no_argument_means_is_refused_by_its_path",
            "tests/hostile/test_wrong_types.py::test_what_looks_strange_is_taken_for_what_it_is_or_refused",
            "tests/hostile/test_wrong_types.py::test_every_public_method_is_tried",
            "tests/hostile/test_refusals.py::test_is_refused_where_it_is_wrong_and_nothing_is_recorded",
            "tests/hostile/test_fuzz.py::test_only_greenrooms_own_errors_come_out",
            "tests/hostile/test_fuzz.py::test_any_json_object_is_kept_exactly_or_refused",
        ),
    ),
    Row(
        fault="a clock that is set",
        made="The clock of the room, of one of two machines, or of the database goes an hour"
        " forwards or back, again and again, while people act and timers run",
        checked="what is due is done once, by the clock's own word; nothing stays due for ever;"
        " nobody is told later; no request is forgotten; no call has two carriers",
        tests=(
            f"{_CLOCKS}::test_whatever_people_do_while_it_is_set_to_and_fro_nothing_stays_due_for_ever",
            f"{_CLOCKS}::test_what_fell_due_is_done_once_though_the_clock_passes_it_twice",
            f"{_CLOCKS}::test_of_two_whose_clocks_are_an_hour_apart_one_does_what_is_due",
            f"{_CLOCKS}::test_nobody_hears_of_a_call_later_because_a_clock_is_ahead",
            f"{_CLOCKS}::test_what_was_put_off_is_tried_again_soon_though_the_clock_is_set_back",
            f"{_CLOCKS}::test_an_hour_forgets_no_request",
            f"{_CLOCKS}::test_those_turned_away_are_counted_in_the_minutes_that_the_clock_showed",
            f"{_CLOCKS}::test_a_ticket_admits_while_the_clock_says_so",
            f"{_CLOCKS}::test_no_call_has_two_carriers_though_the_clock_of_the_database_is_set",
            f"{_INSTANTS}::test_no_event_of_a_call_is_later_than_what_is_told_of_its_position",
        ),
    ),
    Row(
        fault="timers that were down",
        made="No ticker runs while rings, sessions and calls fall due; one is started later",
        checked="all that was due is done then, once",
        tests=(
            f"{_TIMERS}::test_a_ring_left_behind_is_finished_by_whoever_opens_the_store_next",
            f"{_TIMERS}::test_two_rooms_that_both_run_timers_fire_each_once",
        ),
    ),
    Row(
        fault="more want in than a call takes",
        made="From threads and from processes people come and go, more than there is"
        " room for, while the call is ended, opened and changed, and they are blocked and removed",
        checked="each admission is right where it stands in the log, each refusal at some moment"
        " between question and answer",
        tests=(
            f"{_FULL}::test_from_threads_nobody_is_let_in_or_turned_away_wrongly",
            f"{_FULL}::test_from_processes_nobody_is_let_in_or_turned_away_wrongly",
        ),
    ),
    Row(
        fault="messages twice, late, in any order",
        made="Commands, and reports of media of three connections, one to three times each,"
        " shuffled, by three threads; again after the end",
        checked="each connection stands once and is over once, each request is done once; nothing"
        " is news of what is over",
        tests=(
            f"{_ORDER}::test_each_connection_stands_once_and_is_over_once_and_each_request_is_done_once",
        ),
    ),
    Row(
        fault="processes that fork",
        made="A server that loads the room and forks its workers; a process with timers and"
        " threads at work that forks children, who use the room",
        checked="children can do all that a room can; as many are let in as the call takes; the"
        " parent goes on",
        tests=(
            f"{_FORKED}::test_a_server_that_forks_after_loading_lets_in_exactly_as_many_as_the_call_takes",
            f"{_FORKED}::test_children_do_all_that_a_room_can_and_leave_their_parent_as_it_was",
            "tests/engine/test_forks.py::test_a_child_waits_for_no_thread_that_was_about_to_look_at_a_timer",
        ),
    ),
    Row(
        fault="another machine",
        made="Other seeds of hashes, time zones, locales, umasks, orders of text in the database,"
        " Python 3.11 to 3.13",
        checked="the log to the byte, the root of its tree, the views and all answers are the same",
        tests=(
            f"{_SAME}::test_in_memory_it_is_so",
            f"{_SAME}::test_in_a_file_it_is_so",
            f"{_SAME}::test_on_a_postgres_server_it_is_so",
            f"{_SAME}::test_on_every_python_it_is_so",
        ),
    ),
)
