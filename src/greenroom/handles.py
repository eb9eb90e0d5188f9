"""What users hold: a room, and the room as one of them sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, get_args

from greenroom.call_handle import CallHandle
from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput
from greenroom.domain.message import CallId
from greenroom.domain.turn import Claim
from greenroom.projections.queries import Kind

if TYPE_CHECKING:
    from greenroom.core import Core
    from greenroom.domain.operations.members import Member
    from greenroom.importing import Imported
    from greenroom.projections.items import CallItem
    from greenroom.projections.pages import Page
    from greenroom.projections.plans import Plan
    from greenroom.projections.query import SortKey

C_co = TypeVar("C_co", bound="Core", covariant=True)


class UserHandle:
    """The room as one user sees it."""

    def __init__(self, core: Core, claim: Claim) -> None:
        self._core = core
        self._claim = claim

    @property
    def user_id(self) -> str:
        """Who acts; for the system, the name of the part that acts."""
        return self._claim.name

    def call(self, call_type: str, id: str | None = None) -> CallHandle:
        """One call of that type, whether it exists or not; without an id, one is generated."""
        return CallHandle(self._core, self._claim, cid_of(self._core, call_type, id))

    def import_members(
        self,
        members: Iterable[tuple[str, Member]],
        *,
        progress: Callable[[int], None] | None = None,
    ) -> Imported:
        """Take in any number of members of any calls, which exist; for the system only.

        Adds who is missing and updates who is there, as `add_members` does, in commands of at most
        500 members each, a few of them on their way at once. Everybody in one call comes in the
        order of the iterable, which is read as it is needed. Run again after an interruption it
        passes over who is there already, quickly.

        Args:
            members: (cid, member) pairs.
            progress: told how many are done, again and again.

        Raises:
            NotAllowed: not the system asks.
            InvalidInput: with the path of the fault, `members[12345].custom.color`; all before it
                in the iterable are in. So they are where the iterable raises, which is passed on.
            Refused: the rules say no, e.g. CallNotFound; whole commands before it are in.
        """
        return self._core.import_members(self._claim, members, progress)

    def query_calls(
        self,
        filters: Mapping[str, Any] | None = None,
        sort: Sequence[SortKey] = (),
        *,
        limit: int = 25,
        cursor: str | None = None,
        count: bool = False,
        at_least: int | None = None,
    ) -> Page[CallItem]:
        """Calls that the actor may read (semantics 6).

        Args:
            filters: e.g. `{"members": {"$in": ["alice"]}, "ongoing": True}`; None for all.
            sort: up to two of `asc(field)`, `desc(field)`; newest first by default.
            limit: 1 to 1000.
            cursor: `next` or `prev` of a page of the same query.
            count: let `page.count` say how many there are on all pages, up to "1000+".
            at_least: position that must be included; what this room wrote always is. What others
                recorded in the last half second may be missing where timers run; with
                `room.position` nothing is.

        Raises:
            InvalidFilter, InvalidSort, InvalidCursor: with the path of the fault.
        """
        return self._core.query_calls(
            self._claim,
            filters,
            sort,
            limit=limit,
            cursor=cursor,
            count=count,
            at_least=at_least,
        )

    def explain_query(
        self,
        kind: Kind,
        cid: str | None = None,
        filters: Mapping[str, Any] | None = None,
        sort: Sequence[SortKey] = (),
        *,
        limit: int = 25,
        cursor: str | None = None,
    ) -> Plan:
        """How the database would go about a query of the actor, and why; for operators.

        Nothing of it is run.

        Args:
            kind: `members`, `participants` or `sessions` of a call, or `calls`.
            cid: of the call, as `call.cid` says it; None for `calls`.
            filters: as for the query, like all that follows.
            sort: up to two of `asc(field)`, `desc(field)`.
            limit: 1 to 1000.
            cursor: `next` or `prev` of a page of the same query.

        Raises:
            InvalidInput: no such kind; or a filter, a sort, a cursor is wrong, as for the query.
            CallNotFound: there is no such call, or the actor may not know of it.
        """
        of = asked_of(kind, cid)
        return self._core.plan(
            self._claim, kind, of, filters=filters, sort=sort, limit=limit, cursor=cursor
        )


class Room(ABC, Generic[C_co]):
    """What a room offers, as it is or as it was. Use it as a context manager, or `close` it."""

    def __init__(self, core: C_co) -> None:
        self._core = core

    def __enter__(self) -> Self:
        """The room itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def as_user(
        self, user_id: str, *, role: str | None = None, teams: Iterable[str] | None = None
    ) -> UserHandle:
        """The room as a user sees it.

        Args:
            user_id: who acts.
            role: their user role for this handle alone; None takes it from the User record
                (`user` where there is none).
            teams: their teams for this handle alone; None takes them from the record.
        """
        return UserHandle(self._core, claim(user_id, role, teams))

    def system(self, name: str) -> UserHandle:
        """The embedder itself, named in the record; exempt from grants, not from the rules."""
        return UserHandle(self._core, system_claim(name))

    @abstractmethod
    def close(self) -> None:
        """Release it."""


def system_claim(name: str) -> Claim:
    """The embedder itself as the one who acts, checked."""
    return Claim(checks.name(name, "name"), system=True)


def claim_of(user_id: str) -> Claim:
    """Who acts, from the user id that records name them by."""
    prefix, colon, name = user_id.partition(":")
    return system_claim(name) if colon and prefix == "system" else claim(user_id, None, None)


def asked_of(kind: object, cid: object) -> CallId | None:
    """The call that a query of this kind is about; None for a query of calls.

    Raises:
        InvalidInput: no such kind, or not the cid of a call.
    """
    if type(kind) is not str or kind not in get_args(Kind):
        known = get_args(Kind)
        raise InvalidInput("kind", f"one of {', '.join(known)}", checks.nearest(kind, known))
    if kind == "calls":
        if cid is not None:
            raise InvalidInput("cid", "None, where calls are asked for")
        return None
    call_type, colon, call_id = cid.partition(":") if type(cid) is str else ("", "", "")
    if not colon:
        raise InvalidInput("cid", "type:id of the call")
    return checks.call_id(call_type, call_id)


def cid_of(core: Core, call_type: str, id: str | None) -> CallId:
    """The cid, checked; with a new id where none is given."""
    return checks.call_id(call_type, core.ids.call_id() if id is None else id)


def claim(user_id: str, role: str | None, teams: Iterable[str] | None) -> Claim:
    """Who acts, checked."""
    return Claim(
        checks.user_id(user_id, "user_id"),
        None if role is None else checks.role(role, "role"),
        None if teams is None else checks.teams(teams, "teams"),
    )
