"""Every error goes to another process and comes back as it was."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime

import pytest

from greenroom import errors

AT = datetime(2026, 1, 1, tzinfo=UTC)
SOME = [
    errors.CallNotFound("default:123"),
    errors.NotAllowed("alice", "join-call"),
    errors.NotLiveYet(AT),
    errors.CallFull(5),
    errors.InvalidInput("custom.a", "text", "b"),
    errors.InvalidFilter("filters.rol", "a field", "role"),
    errors.RequestMismatch("request-1"),
    errors.WrongSchema(9, 2),
    errors.StoreClosed("the store was closed"),
]


@pytest.mark.parametrize("error", SOME, ids=lambda error: error.code)
def test_an_error_is_the_same_on_the_other_side(error: errors.GreenroomError) -> None:
    sent = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    for other in (sent, copy.copy(error)):
        assert type(other) is type(error)
        assert (str(other), other.code) == (str(error), error.code)
        assert vars(other) == vars(error)
