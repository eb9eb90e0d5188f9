"""The laws that are fuzzed, by the names that `nox -s fuzz` knows them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.fuzz import test_proofs, test_reading

LAWS: Final[Mapping[str, Callable[..., None]]] = {
    "filter": test_reading.test_a_filter_is_refused_with_its_place_or_is_true_of_a_row_or_not,
    "sort": test_reading.test_a_sort_is_refused_with_its_place_or_tells_all_rows_apart,
    "cursor": test_reading.test_a_cursor_is_read_as_it_was_written_or_refused,
    "archive": test_proofs.test_an_archive_is_unpacked_as_it_was_packed_or_refused,
    "bundle": test_proofs.test_a_bundle_of_other_files_proves_nothing,
    "listed": test_proofs.test_what_is_listed_anew_shows_what_the_log_holds_or_nothing,
    "record": test_proofs.test_the_proof_of_a_record_proves_no_other,
    "checkpoint": test_proofs.test_a_checkpoint_is_read_as_it_is_signed_or_refused,
    "key": test_proofs.test_a_key_is_read_as_it_is_written_or_refused,
    "offer": test_reading.test_an_offer_is_refused_or_means_what_is_written_of_it,
    "answer": test_reading.test_an_answer_is_refused_or_means_what_is_written_of_it,
    "fragment": test_reading.test_a_fragment_is_refused_or_names_one_connection,
    "custom": test_reading.test_custom_data_is_copied_exactly_or_refused,
    "instant": test_reading.test_an_instant_is_the_same_in_any_case,
}
