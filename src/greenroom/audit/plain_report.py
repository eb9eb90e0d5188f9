"""What a bundle shows, as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from greenroom.audit.leaves import Leaf
from greenroom.audit.verifier import Verdict

_ELSEWHERE: Final = frozenset({"at", "cid", "call_type"})


def plain_report(shown: Verdict) -> Mapping[str, bytes]:
    """The report's files, by name: one, `report.txt`.

    It shows what the records say. Personal fields are sealed in them, and stay sealed here.
    """
    return {"report.txt": ("\n".join(_lines(shown)) + "\n").encode()}


def _lines(shown: Verdict) -> Iterator[str]:
    yield f"Call {shown.call}"
    yield f"as recorded in the first {shown.checkpoint.size} records of {shown.checkpoint.origin}"
    yield ""
    for chain, length in shown.lengths.items():
        yield f"{chain}: {length} records" if length else f"{chain}: there is none in the log"
    yield ""
    yield "To check it, with a copy of verify.py and the log's key that you have from elsewhere:"
    yield "    python verify.py BUNDLE --key KEY"
    yield ""
    for one in shown.records:
        yield _line(one)


def _line(one: Leaf) -> str:
    record = one.record
    event, by = record.get("event", {}), record.get("by", {})
    rest = {name: value for name, value in event.items() if name not in _ELSEWHERE}
    sealed = " (personal data, sealed)" if "sealed" in record else ""
    said = json.dumps(rest, ensure_ascii=True, separators=(",", ":"))
    return (
        f"{one.position:>10}  {event.get('at', '')}  {one.name}  by {_actor(by)}"
        f"  {one.stream} {one.version}  {said}{sealed}"
    )


def _actor(by: Mapping[str, Any]) -> str:
    name = json.dumps(by.get("name", ""))[1:-1]
    return f"system:{name}" if by.get("system") else name
