"""Taking in any number of members: in bounded commands, recorded several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from greenroom import answers
from greenroom.desk import Command
from greenroom.domain import checks
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import InvalidInput, NotAllowed
from greenroom.domain.membership import MemberAdded, MemberUpdated
from greenroom.domain.merge import merge_patch, same_json
from greenroom.domain.message import CallId, Json, Role, UserId
from greenroom.domain.operations import people
from greenroom.domain.operations.members import Member, checked_member
from greenroom.domain.turn import Claim
from greenroom.projections.lookups import Lookups

if TYPE_CHECKING:
    from greenroom.live import LiveCore

BATCH: Final = 500
"""Members in one command."""
AHEAD: Final = 4
"""Commands on their way into the log at once: others wait no longer than for so many."""
_HELD: Final = 20 * BATCH
"""Members held at most, where the iterable goes from call to call."""

T = TypeVar("T")
Progress = Callable[[int], None]
"""Told how many members are done."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the members of an import."""

    added: int = 0
    updated: int = 0
    """Were there with another role or other data."""
    unchanged: int = 0
    """Were there already, just so."""

    @property
    def done(self) -> int:
        """All of them."""
        return self.added + self.updated + self.unchanged


class _Row(NamedTuple):
    """One member, checked, and where it stands in the iterable."""

    path: str
    member: tuple[UserId, Role | None, Json]


class Import:
    """One run over one iterable."""

    def __init__(self, core: LiveCore, claim: Claim, progress: Progress | None) -> None:
        """Prepare it.

        Raises:
            NotAllowed: not the system asks.
            InvalidInput: `progress` is no function.
        """
        if not claim.system:
            raise NotAllowed(claim.name, "import_members (the system only)")
        if progress is not None and not callable(progress):
            raise InvalidInput("progress", "a function that takes how many are done")
        self._core = core
        self._claim = claim
        self._progress = progress
        self._so_far = Imported()
        self._sizes: deque[int] = deque()
        """Of the commands on their way."""
        self._fault: Exception | None = None
        """What ended the iterable early; raised when all that came before it is in."""

    def run(self, members: Iterable[tuple[str, Member]]) -> Imported:
        """Take all of them in; see `UserHandle.import_members`."""
        members = _iterated(members)
        desk, lookups = self._core.desk, self._core.seen().lookups
        try:
            for done in desk.carry_out_in_order(self._commands(members, lookups), AHEAD):
                names = [decided.event.name for decided in done.events]
                added, updated = names.count(MemberAdded.name), names.count(MemberUpdated.name)
                self._count(added, updated, self._sizes.popleft() - added - updated)
                self._core.wake()
            self._finish()
        except Exception as error:
            error.add_note(
                f"{self._so_far.done} members are in. Mend it and run the import again:"
                " whoever is there already is passed over."
            )
            raise
        return self._so_far

    def _finish(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _commands(
        self, members: Iterable[tuple[str, Member]], lookups: Lookups
    ) -> Iterator[Command[CallTurn, answers.Done]]:
        for cid, rows in _batched(self._rows(members)):
            present = lookups.memberships(cid, [row.member[0] for row in rows])
            wanted = [row for row in rows if not _is_so(row.member, present.get(row.member[0]))]
            self._count(0, 0, len(rows) - len(wanted))
            if wanted:
                self._sizes.append(len(wanted))
                operation = people.take_in(
                    [row.member for row in wanted], [row.path for row in wanted]
                )
                yield self._core.command(
                    cid, self._claim, operation, answer=answers.done, kind=answers.DONE
                )

    def _rows(self, members: Iterable[tuple[str, Member]]) -> Iterator[tuple[CallId, _Row]]:
        """Each member, checked, with the call; up to the first that cannot be taken in."""
        try:
            for index, pair in enumerate(members):
                path = f"members[{index}]"
                cid, member = _pair(pair, path)
                yield cid, _Row(path, checked_member(member, path))
        except Exception as error:  # noqa: BLE001 - a stranger's iterable may raise anything
            self._fault = error

    def _count(self, added: int, updated: int, unchanged: int) -> None:
        before = self._so_far
        self._so_far = Imported(
            before.added + added, before.updated + updated, before.unchanged + unchanged
        )
        if self._progress is not None and self._so_far != before:
            self._progress(self._so_far.done)


def paired(cid: CallId, members: Iterable[Member]) -> Iterator[tuple[str, Member]]:
    """(cid, member) pairs for members of one call.

    Raises:
        InvalidInput: they cannot be iterated over.
    """
    return ((cid, member) for member in _iterated(members))


def _iterated(members: Iterable[T]) -> Iterator[T]:
    try:
        if not checks.is_a(members, str, bytes, bytearray, memoryview, dict):
            return iter(members)
    except Exception:  # noqa: BLE001, S110 - a stranger's object may raise anything
        pass
    raise InvalidInput("members", "an iterable, such as a list or a generator")


def _pair(said: object, path: str) -> tuple[CallId, object]:
    if type(said) is not tuple or len(said) != 2:  # noqa: PLR2004 - a pair
        raise InvalidInput(path, "a pair of a cid and a Member")
    cid, member = said
    call_type, colon, call_id = cid.partition(":") if type(cid) is str else ("", "", "")
    if not colon:
        raise InvalidInput(f"{path}.cid", "type:id of a call")
    return checks.call_id(call_type, call_id), member


def _batched(rows: Iterable[tuple[CallId, _Row]]) -> Iterator[tuple[CallId, Sequence[_Row]]]:
    """The rows of each call, in their order, as many together as a command takes."""
    held: dict[CallId, list[_Row]] = {}
    number = 0
    for cid, row in rows:
        held.setdefault(cid, []).append(row)
        number += 1
        if len(held[cid]) == BATCH:
            batch = held.pop(cid)
            number -= len(batch)
            yield cid, batch
        elif number >= _HELD:
            yield from held.items()
            held, number = {}, 0
    yield from held.items()


def _is_so(said: tuple[UserId, Role | None, Json], found: tuple[Role, Json] | None) -> bool:
    """Whether the member is there already, just as it was said."""
    if found is None:
        return False
    (_, wanted, patch), (role, custom) = said, found
    return wanted in {None, role} and same_json(merge_patch(custom, patch), custom)
