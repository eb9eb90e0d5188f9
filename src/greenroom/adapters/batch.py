"""What of a batch can be recorded: worked out here, so that a recorder has one thing to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from eventsourcing.persistence import StoredEvent

from greenroom.adapters.codec import encode, sealed_for
from greenroom.adapters.recorder import Draft, Objection, Remembered, Written
from greenroom.adapters.sealing import SubjectKey, new_key
from greenroom.domain.errors import Conflict, InvalidInput, Repeated
from greenroom.domain.message import Decided, Event, RequestId
from greenroom.domain.ports import Append, Outcome

FindKeys = Callable[[Sequence[str]], Sequence[SubjectKey | None]]

_PENDING: Final[Outcome] = ()
_NOBODY: Final[frozenset[str]] = frozenset()


class Batch:
    """Appends, and what is known of the log they are for.

    `draft` supposes that the log is as the appends expect it. What a recorder objects to is
    learned, and the next draft leaves out what cannot be recorded then.
    """

    def __init__(self, appends: Sequence[Append], find_keys: FindKeys) -> None:
        if any(one.erases for one in appends[:-1]):
            raise ValueError("only the last of a batch may erase: what follows has other keys")
        self._appends = appends
        self._find_keys = find_keys
        self._held: dict[str, SubjectKey] = {}
        """The keys that subjects have, or are to get."""
        self._new: set[str] = set()
        """Those that are to get theirs."""
        self._subjects = [_subjects(one) for one in appends]
        """Whose keys each takes."""
        self._rows: list[Sequence[StoredEvent] | None] = [None] * len(appends)
        self._invalid: dict[int, InvalidInput] = {}
        self._versions: dict[str, int] = {}
        """Of streams that were not as expected."""
        self._known: set[RequestId] = set()
        """Requests that were recorded before."""
        self._outcomes: list[Outcome] = []
        self._spans: list[tuple[int, int]] = []
        """Which of the draft's rows are whose."""

    def draft(self) -> Draft:
        """All that can be recorded by what is known."""
        self._encode()
        plan = _Plan(self._versions, self._known)
        rows: list[StoredEvent] = []
        requests: list[Remembered] = []
        subjects: set[str] = set()
        refused: set[int] = set()
        self._outcomes, self._spans = [], []
        for index, one in enumerate(self._appends):
            refusal = self._invalid.get(index) or plan.refusal(one, refused)
            start = len(rows)
            if refusal is None:
                rows += self._rows[index] or ()
                if one.request is not None:
                    last = len(rows) - 1 if one.events else None
                    requests.append(Remembered(one.request, last))
                subjects.update(self._subjects[index])
            else:
                refused.add(id(one))
            self._outcomes.append(_PENDING if refusal is None else refusal)
            self._spans.append((start, len(rows)))
        return Draft(
            rows=rows,
            versions=plan.expected,
            requests=requests,
            keys={
                one: None if one in self._new else self._held[one].key_id
                for one in sorted(subjects)
            },
            new_keys={one: self._held[one] for one in sorted(subjects) if one in self._new},
            forgets=() if id(self._appends[-1]) in refused else self._appends[-1].erases,
        )

    def learn(self, objection: Objection) -> None:
        """Take note of what is not as it was supposed."""
        self._versions.update(objection.versions)
        self._known.update(objection.requests)
        if objection.keys:
            self._held.clear()
            self._new.clear()
            self._rows = [None] * len(self._appends)

    def outcomes(self, written: Written) -> Sequence[Outcome]:
        """What became of each append, now that the last draft is written."""
        return [
            written.positions[start:end] if outcome is _PENDING else outcome
            for outcome, (start, end) in zip(self._outcomes, self._spans, strict=True)
        ]

    def _encode(self) -> None:
        """Whatever is not encoded yet, with the keys that are in force."""
        missing = [
            index
            for index, rows in enumerate(self._rows)
            if rows is None and index not in self._invalid
        ]
        self._gather_keys(missing)
        for index in missing:
            try:
                self._rows[index] = [self._row(one) for one in self._appends[index].events]
            except InvalidInput as error:
                self._invalid[index] = error

    def _row(self, one: Decided[Event]) -> StoredEvent:
        return StoredEvent(one.stream, one.version, one.event.name, encode(one, self._keys_of))

    def _keys_of(self, subjects: Sequence[str]) -> Sequence[SubjectKey]:
        return [self._held[subject] for subject in subjects]

    def _gather_keys(self, indexes: Sequence[int]) -> None:
        """One look-up for the keys of all who are spoken of; new ones for those without."""
        wanted = frozenset().union(*(self._subjects[index] for index in indexes))
        subjects = sorted(wanted - self._held.keys())
        if not subjects:
            return
        for subject, key in zip(subjects, self._find_keys(subjects), strict=True):
            self._held[subject] = key or new_key()
            if key is None:
                self._new.add(subject)


def _subjects(append: Append) -> frozenset[str]:
    """Whose keys it takes to encode the events; nobody's, mostly."""
    found = [sealed_for(one) for one in append.events if one.event.personal]
    return frozenset().union(*found) if found else _NOBODY


class _Plan:
    """The log as it will be, append after append."""

    def __init__(self, versions: Mapping[str, int], known: set[RequestId]) -> None:
        self._actual = versions
        self._known = known
        self.expected: dict[str, int] = {}
        """What all of it stands on: versions before the first append."""
        self._now: dict[str, int] = {}
        self._asked: set[RequestId] = set()

    def refusal(self, one: Append, refused: set[int]) -> Conflict | None:
        """Why `one` cannot be recorded; None where it can, and is counted in.

        Args:
            one: the next append.
            refused: identities of those before that were refused.
        """
        if any(id(other) in refused for other in one.rests_on):
            return Conflict("what it was decided on was not recorded")
        request = one.request
        if request is not None and (
            request.request_id in self._asked or request.request_id in self._known
        ):
            return Repeated(request.request_id)
        for stream, expected in one.expects.items():
            found = self._version(stream, expected)
            if found != expected:
                return Conflict(f"{stream} is at version {found}, the decision read {expected}")
        last: dict[str, int] = {}
        for event in one.events:
            found = last.get(event.stream, -1)
            if found < 0:
                found = self._version(event.stream, event.version - 1)
            if event.version != found + 1:
                return Conflict(
                    f"{event.stream} is at version {found}, {event.version} cannot follow"
                )
            last[event.stream] = event.version
        self._now.update(last)
        if request is not None:
            self._asked.add(request.request_id)
        return None

    def _version(self, stream: str, supposed: int) -> int:
        """Of `stream` after the appends so far; as supposed where nothing else is known."""
        found = self._now.get(stream)
        if found is None:
            found = self._now[stream] = self._actual.get(stream, supposed)
            self.expected[stream] = found
        return found
