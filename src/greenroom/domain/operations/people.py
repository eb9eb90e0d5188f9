"""Members, and what is done to people in a call (semantics 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from greenroom.domain import checks
from greenroom.domain.access import Capability
from greenroom.domain.call_commands import BlockUser, UnblockUser
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.errors import InvalidInput, NotAllowed, RequestsDisabled
from greenroom.domain.membership import (
    GrantPermissions,
    RemoveMember,
    RequestPermissions,
    RevokePermissions,
)
from greenroom.domain.message import EntryId, Json, Role, UserId
from greenroom.domain.operations.members import Member, checked_members, put_members
from greenroom.domain.operations.operation import Operation
from greenroom.domain.session_commands import MuteUsers, Pin, Unmute, Unpin
from greenroom.domain.session_events import LeftReason, Track
from greenroom.domain.settings import Settings


def put(members: Iterable[Member]) -> Operation[CallTurn]:
    """Add members, or update those who are there."""
    found = checked_members(members)

    def decide(turn: CallTurn) -> None:
        turn.existing()
        put_members(turn, found)
        if not found:
            turn.by.must(Capability.UPDATE_CALL_MEMBER)

    return Operation("put_members", decide, {"members": found})


def take_in(
    members: Sequence[tuple[UserId, Role | None, Json]], paths: Sequence[str]
) -> Operation[CallTurn]:
    """Add or update members that were checked already, however many; for the system.

    Args:
        members: user id, role and custom data of each.
        paths: where each stands in what is imported, for messages.
    """

    def decide(turn: CallTurn) -> None:
        turn.existing()
        if not turn.actor.system:
            raise NotAllowed(turn.actor.name, "import_members (the system only)")
        put_members(turn, members, paths=paths)

    return Operation("import_members", decide, {"members": members})


def remove(user_ids: Iterable[str]) -> Operation[CallTurn]:
    """Remove members; whoever of them is in the call and may no longer join is put out."""
    users = checks.user_ids(user_ids, "user_ids")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        by = turn.by
        by.must(Capability.REMOVE_CALL_MEMBER)
        removed = {user for user in users if turn.member(user).role is not None}
        for user in users:
            turn.tell_member(RemoveMember(at=turn.at, by=by, cid=turn.cid, user_id=user))
        present = removed.intersection(turn.session.occupants)
        strangers = frozenset(user for user in present if not turn.may_stay(user))
        if strangers:
            turn.put_out(LeftReason.REMOVED, strangers, by=by)

    return Operation("remove_members", decide, {"user_ids": users})


def block(user_id: str) -> Operation[CallTurn]:
    """Put a user out, and keep them out until unblocked."""
    user = checks.user_id(user_id, "user_id")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        turn.tell_call(BlockUser(at=turn.at, by=turn.by, cid=turn.cid, user_id=user))
        turn.put_out(LeftReason.BLOCKED, frozenset({user}))

    return Operation("block", decide, {"user_id": user})


def unblock(user_id: str) -> Operation[CallTurn]:
    """Let a blocked user join again."""
    user = checks.user_id(user_id, "user_id")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        turn.tell_call(UnblockUser(at=turn.at, by=turn.by, cid=turn.cid, user_id=user))

    return Operation("unblock", decide, {"user_id": user})


def kick(user_id: str, *, block: bool = False) -> Operation[CallTurn]:
    """Put every entry of a user out; without `block` they may come back."""
    user = checks.user_id(user_id, "user_id")
    checks.flag(block, "block")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        by = turn.by
        by.must(Capability.KICK_USER)
        if block:
            turn.tell_call(BlockUser(at=turn.at, by=by, cid=turn.cid, user_id=user))
        turn.put_out(LeftReason.KICKED, frozenset({user}))

    return Operation("kick", decide, {"user_id": user, "block": block})


def mute(
    user_ids: Iterable[str] | None,
    *,
    audio: bool = False,
    video: bool = False,
    screenshare: bool = False,
    screenshare_audio: bool = False,
) -> Operation[CallTurn]:
    """Silence users, or everybody else where None; they may unmute themselves."""
    users = None if user_ids is None else frozenset(checks.user_ids(user_ids, "user_ids"))
    tracks = _tracks(audio, video, screenshare, screenshare_audio)

    def decide(turn: CallTurn) -> None:
        call = turn.existing()
        by = turn.by
        by.must(Capability.MUTE_USERS)
        if call.session:
            turn.tell_session(
                MuteUsers(
                    at=turn.at,
                    by=by,
                    cid=turn.cid,
                    session=call.session,
                    tracks=tracks,
                    user_ids=users,
                )
            )

    named = None if users is None else sorted(users)
    return Operation("mute", decide, {"user_ids": named, "tracks": tracks})


def unmute(
    entry_id: EntryId,
    *,
    audio: bool = False,
    video: bool = False,
    screenshare: bool = False,
    screenshare_audio: bool = False,
) -> Operation[CallTurn]:
    """Let oneself be heard and seen again, after having been muted."""
    tracks = _tracks(audio, video, screenshare, screenshare_audio)

    def decide(turn: CallTurn) -> None:
        call = turn.existing()
        turn.tell_session(
            Unmute(
                at=turn.at,
                by=turn.by,
                cid=turn.cid,
                session=call.session,
                entry_id=entry_id,
                tracks=tracks,
            )
        )

    return Operation("unmute", decide, {"entry_id": entry_id, "tracks": tracks})


def pin(user_id: str) -> Operation[CallTurn]:
    """Show a participant large to everyone."""
    user = checks.user_id(user_id, "user_id")

    def decide(turn: CallTurn) -> None:
        call = turn.existing()
        turn.tell_session(
            Pin(at=turn.at, by=turn.by, cid=turn.cid, session=call.session, user_id=user)
        )

    return Operation("pin", decide, {"user_id": user})


def unpin(user_id: str) -> Operation[CallTurn]:
    """Show a participant as one among the others again."""
    user = checks.user_id(user_id, "user_id")

    def decide(turn: CallTurn) -> None:
        call = turn.existing()
        turn.tell_session(
            Unpin(at=turn.at, by=turn.by, cid=turn.cid, session=call.session, user_id=user)
        )

    return Operation("unpin", decide, {"user_id": user})


def request_permissions(permissions: Iterable[str]) -> Operation[CallTurn]:
    """Ask to be allowed to send audio, video or one's screen."""
    asked = checks.permissions(permissions, "permissions")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        settings, by = turn.settings, turn.by
        for permission in asked:
            if not _requestable(settings, permission):
                raise RequestsDisabled(permission)
        turn.tell_member(
            RequestPermissions(
                at=turn.at, by=by, cid=turn.cid, user_id=by.user_id, permissions=asked
            )
        )

    return Operation("request_permissions", decide, {"permissions": asked})


def grant_permissions(user_id: str, permissions: Iterable[str]) -> Operation[CallTurn]:
    """Let one user send in this call, whatever their roles say."""
    user, given = checks.user_id(user_id, "user_id"), checks.permissions(permissions, "permissions")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        turn.tell_member(
            GrantPermissions(at=turn.at, by=turn.by, cid=turn.cid, user_id=user, permissions=given)
        )

    return Operation("grant_permissions", decide, {"user_id": user, "permissions": given})


def revoke_permissions(user_id: str, permissions: Iterable[str]) -> Operation[CallTurn]:
    """Keep one user from sending in this call, whatever their roles say."""
    user, taken = checks.user_id(user_id, "user_id"), checks.permissions(permissions, "permissions")

    def decide(turn: CallTurn) -> None:
        turn.existing()
        turn.tell_member(
            RevokePermissions(at=turn.at, by=turn.by, cid=turn.cid, user_id=user, permissions=taken)
        )

    return Operation("revoke_permissions", decide, {"user_id": user, "permissions": taken})


def send_event(custom: Mapping[str, Any]) -> Operation[CallTurn]:
    """May a JSON object be sent to everyone watching? Nothing is recorded.

    The `custom` among the arguments is a copy, safe to hand on.
    """
    copied = checks.custom(custom, "custom", checks.MEMBER_CUSTOM_BYTES)

    def decide(turn: CallTurn) -> None:
        turn.existing()
        turn.by.must(Capability.SEND_EVENT)

    return Operation("send_event", decide, {"custom": copied})


def read() -> Operation[CallTurn]:
    """May the call's members, participants and sessions be read?"""

    def decide(turn: CallTurn) -> None:
        turn.existing()
        turn.by.must(Capability.READ_CALL)

    return Operation("read", decide)


def see_attempts() -> Operation[CallTurn]:
    """May it be seen who was turned away? Whoever may block users must know whom."""

    def decide(turn: CallTurn) -> None:
        if turn.actor.system:  # also of a call that there never was, or is no more
            return
        turn.existing()
        turn.by.must(Capability.BLOCK_USERS)

    return Operation("see_attempts", decide)


def glance() -> Operation[CallTurn]:
    """Look at the call without asking it anything."""
    return Operation("glance", lambda _: None)


def _tracks(
    audio: object, video: object, screenshare: object, screenshare_audio: object
) -> tuple[Track, ...]:
    """Those that are named.

    Raises:
        InvalidInput: none is.
    """
    wanted = {
        Track.AUDIO: audio,
        Track.VIDEO: video,
        Track.SCREENSHARE: screenshare,
        Track.SCREENSHARE_AUDIO: screenshare_audio,
    }
    tracks = tuple(track for track, said in wanted.items() if checks.flag(said, track))
    if not tracks:
        raise InvalidInput("audio", "at least one of audio, video, screenshare, screenshare_audio")
    return tracks


def _requestable(settings: Settings, permission: Capability) -> bool:
    switches = {
        Capability.SEND_AUDIO: settings.audio.access_request_enabled,
        Capability.SEND_VIDEO: settings.video.access_request_enabled,
        Capability.SCREENSHARE: settings.screensharing.access_request_enabled,
    }
    return switches[permission]
