"""Servers that nobody can tell a client of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from tests.hostile.evil import NEVER, STRANGE

from greenroom import Greenroom, IceServer
from greenroom.domain.errors import InvalidInput

EVIL: Final[dict[str, Callable[[], object]]] = {**NEVER, **STRANGE}
GOOD: Final = IceServer(urls=["turn:turn.example:3478"], secret="s")  # noqa: S106 - of nobody

FAULTS: Final[dict[str, tuple[object, str]]] = {
    "no list": (GOOD, "ice_servers"),
    "a dict": ({"urls": ["stun:a"]}, "ice_servers"),
    "no server": ([{"urls": ["stun:a"]}], "ice_servers[0]"),
    "too many": ([GOOD] * 11, "ice_servers"),
    "no address": ([replace(GOOD, urls=[])], "ice_servers[0].urls"),
    "a bare address": ([replace(GOOD, urls="turn:a")], "ice_servers[0].urls"),
    "too many addresses": ([replace(GOOD, urls=["turn:a"] * 11)], "ice_servers[0].urls"),
    "another scheme": ([GOOD, replace(GOOD, urls=["http://a"])], "ice_servers[1].urls[0]"),
    "a header": ([replace(GOOD, urls=["turn:a\r\nX: y"])], "ice_servers[0].urls[0]"),
    "an odd transport": ([replace(GOOD, urls=["turn:a?transport=x"])], "ice_servers[0].urls[0]"),
    "no credentials": ([replace(GOOD, secret=None)], "ice_servers[0].secret"),
    "an empty secret": ([replace(GOOD, secret="")], "ice_servers[0].secret"),
    "half a credential": ([replace(GOOD, secret=None, username="u")], "ice_servers[0].secret"),
    "two ways": ([replace(GOOD, username="u", credential="c")], "ice_servers[0].secret"),
    "too short": ([replace(GOOD, valid=timedelta(seconds=59))], "ice_servers[0].valid"),
    "too long": ([replace(GOOD, valid=timedelta(days=31))], "ice_servers[0].valid"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_is_refused_where_it_is_wrong(fault: str) -> None:
    servers: Any
    servers, path = FAULTS[fault]
    with pytest.raises(InvalidInput) as refusal:
        Greenroom.open("memory://", ice_servers=servers)
    assert refusal.value.path == path


@pytest.mark.parametrize("what", EVIL)
def test_what_no_field_means_is_refused_or_taken_for_what_it_is(what: str) -> None:
    value: Any = EVIL[what]()
    fields: list[dict[str, Any]] = [
        {name: value} for name in ("urls", "secret", "valid", "username", "credential")
    ]
    for server in (*(replace(GOOD, **field) for field in fields), value):
        wrong = fault_of(server)
        assert wrong is None or wrong.path.startswith("ice_servers[0]")


def fault_of(server: Any) -> InvalidInput | None:
    try:
        Greenroom.open("memory://", ice_servers=[server]).close()
    except InvalidInput as wrong:
        return wrong
    return None


def test_a_secret_does_not_show() -> None:
    assert "hush" not in repr(IceServer(urls=["turn:a"], secret="hush"))  # noqa: S106 - of nobody
