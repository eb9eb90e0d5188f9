"""One call, as one actor holds it: every command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter

from greenroom.answers import Answer, CallState, Done, EntryState, call_state, recorded
from greenroom.call_reading import CallReading
from greenroom.domain import checks
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.message import CallId, EntryId
from greenroom.domain.operations import life, people, presence, recording, rings
from greenroom.domain.operations.life import UNSET, Backstage, Unset
from greenroom.domain.operations.members import Member
from greenroom.domain.operations.operation import Operation
from greenroom.domain.streams import call_stream, session_id
from greenroom.domain.turn import Claim
from greenroom.entry import Entry
from greenroom.importing import Imported, paired

if TYPE_CHECKING:
    from greenroom.core import Core

A = TypeVar("A", bound=Answer)

_CALL_STATE: Final = TypeAdapter(CallState)
_ENTRY_STATE: Final = TypeAdapter(EntryState)


class CallHandle(CallReading):
    """One call, as one actor.

    Every command takes `request_id`: asking again under the same one is answered as the first time,
    and not done again.
    """

    def __init__(self, core: Core, claim: Claim, cid: CallId) -> None:
        super().__init__(core, claim, cid)
        self._entry_id: EntryId | None = None

    # The call's life

    def create(
        self,
        *,
        members: Iterable[Member] = (),
        member_ids: Iterable[str] = (),
        custom: Mapping[str, Any] | None = None,
        starts_at: datetime | None = None,
        team: str | None = None,
        ring: bool = False,
        notify: bool = False,
        video: bool = True,
        max_duration: int | None = None,
        max_participants: int | None = None,
        backstage: Backstage | None = None,
        settings: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> CallState:
        """Create the call, or get it as it is; then only `ring` and `notify` have an effect.

        Args:
            members: with role and custom data; at most 100, `member_ids` included.
            member_ids: users to add as `call_member`.
            custom: JSON of at most 64 KiB.
            starts_at: planned start.
            team: only users of this team may join.
            ring: ring every member.
            notify: notify every member without ringing.
            video: whether it rings as a video call.
            max_duration: seconds, from the session's start.
            max_participants: most distinct users present.
            backstage: what to override of the type's backstage settings.
            settings: what else to override, by group and field.
            request_id: of this command.

        Raises:
            InvalidInput: with the path of the fault.
            CallTypeNotFound: nobody defined the type.
            CallNotFound: a call of this id was deleted.
            NotAllowed: `create-call` is missing, or `read-call` where the call exists.
        """
        new = life.new_call(
            members=members,
            member_ids=member_ids,
            custom=custom,
            starts_at=starts_at,
            team=team,
            max_duration=max_duration,
            max_participants=max_participants,
            backstage=backstage,
            settings=settings,
        )
        return self._state(life.create(new, ring=ring, notify=notify, video=video), request_id)

    def get(
        self,
        *,
        ring: bool = False,
        notify: bool = False,
        video: bool = True,
        request_id: str | None = None,
    ) -> CallState:
        """The call as it is; may ring or notify its members as well. Needs `read-call`."""
        return self._state(life.get(ring=ring, notify=notify, video=video), request_id)

    def update(
        self,
        *,
        custom: Mapping[str, Any] | None = None,
        starts_at: datetime | Unset | None = UNSET,
        settings: Mapping[str, Any] | None = None,
        max_duration: int | None = None,
        max_participants: int | None = None,
        backstage: Backstage | None = None,
        request_id: str | None = None,
    ) -> CallState:
        """Change custom data, schedule, settings.

        Args:
            custom: a JSON Merge Patch: given keys replace, None removes.
            starts_at: None takes the schedule away.
            settings: by group and field; None gives a field back to the type.
            max_duration: seconds; moves the end of a running session.
            max_participants: puts nobody out who is in.
            backstage: turning it on applies at once if nobody is in, else at the next stop_live.
            request_id: of this command.

        Raises:
            NotAllowed: `update-call`, `update-call-settings` or `change-max-duration` is missing.
        """
        operation = life.update(
            custom=custom,
            starts_at=starts_at,
            settings=settings,
            max_duration=max_duration,
            max_participants=max_participants,
            backstage=backstage,
        )
        return self._state(operation, request_id)

    def go_live(self, *, request_id: str | None = None) -> CallState:
        """Leave backstage; open an ended call again. Needs `update-call`."""
        return self._state(life.go_live(), request_id)

    def stop_live(self, *, request_id: str | None = None) -> CallState:
        """Back to backstage; whoever may not be there is put out. Needs `update-call`."""
        return self._state(life.stop_live(), request_id)

    def end(self, *, request_id: str | None = None) -> CallState:
        """End the call for everyone. Needs `end-call`."""
        return self._state(life.end(), request_id)

    def delete(self, *, hard: bool = False, request_id: str | None = None) -> Done:
        """Make the call unreachable. Needs `delete-call`.

        Args:
            hard: for good, with everything personal in it; the system only.
            request_id: of this command.
        """
        return self._done(life.delete(hard=hard), request_id)

    def restore(self, *, request_id: str | None = None) -> CallState:
        """Take a soft deletion back; the system only."""
        return self._state(life.restore(), request_id)

    # Coming and going

    def join(
        self,
        *,
        create: bool = False,
        ring: bool = False,
        notify: bool = False,
        video: bool = True,
        request_id: str | None = None,
    ) -> Entry:
        """Enter the call through a new connection (semantics 3).

        Args:
            create: create the call with its type's defaults if it does not exist; to create it
                with options, `create` it first.
            ring: ring every member who is not in.
            notify: notify them without ringing.
            video: whether it rings as a video call.
            request_id: of this command.

        Raises:
            CallNotFound, WrongTeam, Blocked, NotAllowed, CallEnded, NotLiveYet, CallFull: the first
                rule that refuses, in this order.
        """
        entry_id = self._core.ids.entry_id()
        operation = presence.join(
            entry_id,
            create=life.new_call() if checks.flag(create, "create") else None,
            ring=ring,
            notify=notify,
            video=video,
        )

        def answer(turn: CallTurn) -> EntryState:
            return EntryState(
                version=turn.version(call_stream(turn.cid)),
                recorded=recorded(turn),
                cid=turn.cid,
                entry_id=entry_id,
                session_id=session_id(turn.cid, turn.call.session),
                user_id=turn.actor.user_id,
                created=bool(turn.steps) and turn.steps[0].event.name == "call.created",
            )

        def entry(state: EntryState) -> Entry:
            self._entry_id = state.entry_id
            return Entry(self, state)

        return self._core.then(self._ask(operation, answer, _ENTRY_STATE, request_id), entry)

    def leave(self, *, request_id: str | None = None) -> Done:
        """Leave through the entry that this handle joined with; with every own entry if it did not.

        Leaving twice records nothing.
        """
        return self._done(presence.leave(self._entry_id), request_id)

    # Members

    def add_members(self, members: Iterable[Member], *, request_id: str | None = None) -> Done:
        """Add members, or update those who are there; at most 100.

        Needs `update-call-member`; to give a role other than `call_member`, or to change one,
        `update-call-member-role` as well.
        """
        return self._done(people.put(members), request_id)

    def import_members(
        self, members: Iterable[Member], *, progress: Callable[[int], None] | None = None
    ) -> Imported:
        """Add or update any number of members; for the system only.

        For more than one call, and what it raises, see `UserHandle.import_members`.
        """
        return self._core.import_members(self._claim, paired(self.cid, members), progress)

    def update_members(self, members: Iterable[Member], *, request_id: str | None = None) -> Done:
        """The same as `add_members`: an upsert. Without a role, a member keeps theirs."""
        return self._done(people.put(members), request_id)

    def remove_members(self, user_ids: Iterable[str], *, request_id: str | None = None) -> Done:
        """Remove members; whoever of them is in and may no longer join is put out. At most 100.

        Needs `remove-call-member`.
        """
        return self._done(people.remove(user_ids), request_id)

    def block(self, user_id: str, *, request_id: str | None = None) -> Done:
        """Put a user out, and keep them out until unblocked. Needs `block-users`."""
        return self._done(people.block(user_id), request_id)

    def unblock(self, user_id: str, *, request_id: str | None = None) -> Done:
        """Let a blocked user join again. Needs `block-users`."""
        return self._done(people.unblock(user_id), request_id)

    def kick(self, user_id: str, *, block: bool = False, request_id: str | None = None) -> Done:
        """Put every entry of a user out; without `block` they may come back. Needs `kick-user`."""
        return self._done(people.kick(user_id, block=block), request_id)

    def mute(
        self,
        user_ids: Iterable[str] | None = None,
        *,
        audio: bool = False,
        video: bool = False,
        screenshare: bool = False,
        screenshare_audio: bool = False,
        request_id: str | None = None,
    ) -> Done:
        """Silence users, or everybody else, until they unmute themselves. Needs `mute-users`.

        Media lets nothing of these tracks through then, whatever they send.
        """
        operation = people.mute(
            user_ids,
            audio=audio,
            video=video,
            screenshare=screenshare,
            screenshare_audio=screenshare_audio,
        )
        return self._done(operation, request_id)

    def pin(self, user_id: str, *, request_id: str | None = None) -> Done:
        """Show a participant large to everyone. Needs `pin-for-everyone`."""
        return self._done(people.pin(user_id), request_id)

    def unpin(self, user_id: str, *, request_id: str | None = None) -> Done:
        """Take a pin back. Needs `pin-for-everyone`."""
        return self._done(people.unpin(user_id), request_id)

    def request_permissions(
        self, permissions: Iterable[str], *, request_id: str | None = None
    ) -> Done:
        """Ask to be allowed to `send-audio`, `send-video` or `screenshare`.

        Raises:
            RequestsDisabled: the settings do not let users ask for it.
        """
        return self._done(people.request_permissions(permissions), request_id)

    def grant_permissions(
        self, user_id: str, permissions: Iterable[str], *, request_id: str | None = None
    ) -> Done:
        """Let one user send in this call, whatever their roles say.

        Needs `update-call-permissions`.
        """
        return self._done(people.grant_permissions(user_id, permissions), request_id)

    def revoke_permissions(
        self, user_id: str, permissions: Iterable[str], *, request_id: str | None = None
    ) -> Done:
        """Keep one user from sending in this call, whatever their roles say.

        Needs `update-call-permissions`.
        """
        return self._done(people.revoke_permissions(user_id, permissions), request_id)

    # Recording

    def start_recording(self, *, request_id: str | None = None) -> Done:
        """Write what is published in the session to files, from now on. Needs `start-record-call`.

        It ends with `stop_recording`, or with the session; `recordings` lists what came of it.

        Raises:
            NoSession: nobody is in the call.
            RecordingDisabled: the settings allow no recording (`recording.mode`).
            MediaError: nothing here records; the message says what to configure.
        """
        obstacle = self._core.recording_obstacle()
        return self._done(recording.start(obstacle=obstacle), request_id)

    def stop_recording(self, *, request_id: str | None = None) -> Done:
        """Record no more, and finish the files. Needs `stop-record-call`."""
        return self._done(recording.stop(), request_id)

    # Rings and messages

    def ring(
        self, member_ids: Iterable[str], *, video: bool = True, request_id: str | None = None
    ) -> Done:
        """Ring up to 25 members; whoever is in, or rings already, is left alone.

        Raises:
            MemberNotFound: one of them is no member.
            RingingDisabled: calls of this type do not ring.
        """
        return self._done(rings.ring(member_ids, video=video), request_id)

    def cancel_ring(self, *, request_id: str | None = None) -> Done:
        """Withdraw one's own rings; the system withdraws all."""
        return self._done(rings.cancel_ring(), request_id)

    def accept(self, *, request_id: str | None = None) -> Done:
        """Take the call one was rung for."""
        return self._done(rings.accept(), request_id)

    def reject(self, reason: str = "decline", *, request_id: str | None = None) -> Done:
        """Decline: `busy decline cancel timeout`, or one's own words.

        From whoever called, `cancel` is `cancel_ring`; who was called after that declines with it.
        """
        return self._done(rings.reject(reason), request_id)

    def notify(self, member_ids: Iterable[str], *, request_id: str | None = None) -> Done:
        """Notify up to 100 members without ringing."""
        return self._done(rings.notify(member_ids), request_id)

    def send_event(self, custom: Mapping[str, Any]) -> None:
        """Send a JSON object to everyone watching in this process; it is not recorded.

        Needs `send-event`.
        """
        operation = people.send_event(custom)

        def publish(_: Done) -> None:
            self._core.watchers.publish(self.cid, self._claim.name, operation.arguments["custom"])

        return self._core.then(self._done(operation, None), publish)

    def _state(self, operation: Operation[CallTurn], request_id: str | None) -> CallState:
        return self._core.then(
            self._ask(operation, call_state, _CALL_STATE, request_id),
            lambda state: state.bound(self),
        )
