"""Lists reach the server as they are, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.adapters.postgres_arrays import Blobs, Integers, Texts, adapters
from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
INTEGERS = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture(scope="module")
def connection(postgres: PrivatePostgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url(), autocommit=True, context=adapters()) as connection:
        yield connection


@given(st.lists(TEXTS), st.lists(st.binary()), st.lists(INTEGERS | st.none()))
def test_what_is_sent_comes_back(
    connection: psycopg.Connection,
    texts: list[str],
    blobs: list[bytes],
    integers: list[int | None],
) -> None:
    sent = (Texts(texts), Blobs(blobs), Integers(integers))
    cursor = connection.execute("SELECT %b, %b, %b", sent, prepare=True, binary=True)
    assert cursor.fetchone() == (texts, blobs, integers)
    assert [column.type_display for column in cursor.description or ()] == [
        "text[]",
        "bytea[]",
        "int8[]",
    ]
