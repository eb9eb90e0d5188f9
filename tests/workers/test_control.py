"""Workers answer processes of their own store, and nobody else."""

from __future__ import annotations

import time

import httpx2
import pytest
from tests.workers.conftest import Site

from greenroom.workers.control import ASK, MOST_BYTES, NEWS, Asked, Signatures, encode

STATS = encode(Asked("stats"))


def headers(signatures: Signatures, path: str, body: bytes) -> dict[str, str]:
    return {"Authorization": signatures.sign(path, body)}


def test_a_signature_holds_for_what_was_signed_alone() -> None:
    ours, others = Signatures(b"a" * 32), Signatures(b"b" * 32)
    signed = ours.sign(ASK, b"body")
    assert ours.hold(signed, ASK, b"body")
    assert not others.hold(signed, ASK, b"body")
    assert not ours.hold(signed, ASK, b"another body")
    assert not ours.hold(signed, NEWS, b"body")


def test_a_signature_does_not_hold_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    signatures = Signatures(b"a" * 32)
    signed = signatures.sign(ASK, b"")
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert not signatures.hold(signed, ASK, b"")


@pytest.mark.parametrize(
    "said", ["", "Greenroom", "Greenroom .", "Bearer x", "Greenroom ²³.ff", "Greenroom 9" * 99]
)
def test_what_is_no_signature_does_not_hold(said: str) -> None:
    assert not Signatures(b"a" * 32).hold(said, ASK, b"")


@pytest.mark.slow
def test_a_worker_answers_its_store_and_no_stranger(site: Site) -> None:
    worker = site.hire()
    ours = site.room._core.signatures()
    strangers = Signatures(b"x" * 32)
    with httpx2.Client(base_url=worker.url, timeout=60) as client:
        assert client.post(ASK, content=STATS).status_code == 401
        for path, body in ((ASK, STATS), (NEWS, b"")):
            ask = client.post if path == ASK else client.get
            refused = ask(path, headers=headers(strangers, path, body))
            assert refused.status_code == 401
        answered = client.post(ASK, content=STATS, headers=headers(ours, ASK, STATS))
        assert answered.status_code == 200
        changed = encode(Asked("stats", ("more",)))
        assert (
            client.post(ASK, content=changed, headers=headers(ours, ASK, STATS)).status_code == 401
        )
        long = b" " * (MOST_BYTES + 1)
        assert client.post(ASK, content=long, headers=headers(ours, ASK, long)).status_code == 413
        assert client.get("/").status_code == 404
        for nonsense in (b"", b"[]", b'{"operation": 1}', b"\xff\xfe", b'{"operation":"stats"'):
            told = client.post(ASK, content=nonsense, headers=headers(ours, ASK, nonsense))
            assert told.status_code == 200
            assert told.json()["code"] == "invalid_input"
