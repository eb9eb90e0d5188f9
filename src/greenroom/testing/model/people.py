"""Members, and what is done to people, in the model (semantics 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from greenroom.testing.model import tables
from greenroom.testing.model.life import Life
from greenroom.testing.model.world import Refusal, Who, chosen, merged, same

if TYPE_CHECKING:
    from greenroom.domain.operations.members import Member

_ASKED_IN: Final = {"send-audio": "audio", "send-video": "video", "screenshare": "screensharing"}
"""The group of settings that says whether a permission may be asked for."""
_SENDS: Final = {
    "audio": "send-audio",
    "video": "send-video",
    "screenshare": "screenshare",
    "screenshare_audio": "screenshare",
}
"""What it takes to send a track."""


class People(Life):
    """Members, blocks, mutes, permissions; and what the embedder says of users and types."""

    def do_add_members(self, who: Who, members: Sequence[Member]) -> None:
        """Add members, or update those who are there."""
        self.must_exist(who)
        self.must(who, "update-call-member")
        for one in members:
            before = self.state.members.get(one.user_id, {"role": "call_member"})["role"]
            if one.role not in {None, before}:
                self.must(who, "update-call-member-role")
            self.put_member(one.user_id, one.role or before, one.custom or {})

    do_update_members = do_add_members

    def do_remove_members(self, who: Who, user_ids: Sequence[str]) -> None:
        """Remove members; whoever of them is in and may no longer join is put out."""
        self.must_exist(who)
        self.must(who, "remove-call-member")
        removed = [one for one in user_ids if self.state.members.pop(one, None)]
        self.names += ["member.removed"] * len(removed)
        self.put_out({one for one in self.present & {*removed} if not self.may_stay(one)})
        self.close_if_at_once()

    def do_block(self, who: Who, user_id: str) -> None:
        """Put somebody out, and keep them out."""
        self.must_exist(who)
        self._block(who, user_id)
        self.put_out({user_id})
        self.close_if_at_once()

    def do_unblock(self, who: Who, user_id: str) -> None:
        """Let them join again."""
        self.must_exist(who)
        self.must(who, "block-users")
        if user_id in self.state.blocked:
            self.state.blocked.remove(user_id)
            self.names.append("call.user_unblocked")

    def do_kick(self, who: Who, user_id: str, *, block: bool = False) -> None:
        """Put every entry of a user out."""
        self.must_exist(who)
        self.must(who, "kick-user")
        if block:
            self._block(who, user_id)
        self.put_out({user_id})
        self.close_if_at_once()

    def do_mute(self, who: Who, user_ids: Sequence[str] | None = None, **tracks: bool) -> None:
        """Silence users, or everybody else."""
        self.must_exist(who)
        self.must(who, "mute-users")
        wanted = {track for track, said in tracks.items() if said}
        muted = self._muted()
        others = self.present - ({who.user_id} if user_ids is None else set())
        loud = [one for one in chosen(user_ids, others) if wanted - muted.get(one, set())]
        for one in loud:
            muted[one] = muted.get(one, set()) | wanted
        if loud:
            self.names.append("session.muted")

    def do_unmute(self, who: Who, *, entry: int, **tracks: bool) -> None:
        """Be heard again, through all one's entries."""
        self.must_exist(who)
        session = self.state.session
        if session is None or session["entries"].get(entry) != who.user_id:
            raise Refusal("entry_not_found")
        wanted = {track for track, said in tracks.items() if said}
        for track in wanted:
            self.must(who, _SENDS[track])
        silent = self._muted().get(who.user_id, set())
        if wanted & silent:
            self._muted()[who.user_id] = silent - wanted
            self.names.append("session.unmuted")

    def do_pin(self, who: Who, user_id: str) -> None:
        """Show somebody large."""
        self.must_exist(who)
        self.must(who, "pin-for-everyone")
        if user_id not in self.present:
            raise Refusal("not_present")
        assert self.state.session is not None
        if user_id not in self.state.session["pinned"]:
            self.state.session["pinned"].add(user_id)
            self.names.append("session.pinned")

    def do_unpin(self, who: Who, user_id: str) -> None:
        """Show them as the others."""
        self.must_exist(who)
        self.must(who, "pin-for-everyone")
        session = self.state.session
        if session is not None and user_id in session["pinned"]:
            session["pinned"].remove(user_id)
            self.names.append("session.unpinned")

    def do_request_permissions(self, who: Who, permissions: Sequence[str]) -> None:
        """Ask to send."""
        self.must_exist(who)
        for one in permissions:
            if not self.setting(_ASKED_IN[one], "access_request_enabled"):
                raise Refusal("requests_disabled")
        self.must(who, "request-permissions")
        requested = self.state.requested.setdefault(who.user_id, set())
        if {*permissions} - requested:
            requested |= {*permissions}
            self.names.append("member.permission_requested")

    def do_grant_permissions(self, who: Who, user_id: str, permissions: Sequence[str]) -> None:
        """Let one user send."""
        self._permit(who, user_id, permissions, "granted", "revoked")

    def do_revoke_permissions(self, who: Who, user_id: str, permissions: Sequence[str]) -> None:
        """Keep one user from sending."""
        self._permit(who, user_id, permissions, "revoked", "granted")

    def do_send_event(self, who: Who, custom: Mapping[str, Any]) -> None:
        """Told to who watches, and not kept."""
        del custom
        self.must_exist(who)
        self.must(who, "send-event")

    def do_start_recording(self, who: Who) -> None:
        """Record what is on."""
        self.must_exist(who)
        self.must(who, "start-record-call")
        session = self.state.session
        if session is None:
            raise Refusal("no_session")
        if session["records"]:
            return
        if self.setting("recording", "mode") == "disabled":
            raise Refusal("recording_disabled")
        if self.state.obstacle:
            raise Refusal("media_error")
        session["records"] = True
        self.names.append("session.recording_started")

    def do_stop_recording(self, who: Who) -> None:
        """Record no more."""
        self.must_exist(who)
        self.must(who, "stop-record-call")
        session = self.state.session
        if session is not None and session["records"]:
            session["records"] = False
            self.names.append("session.recording_stopped")

    # What the embedder says

    def do_types_create(
        self,
        who: Who,
        *,
        based_on: str = "default",
        settings: Mapping[str, Any] | None = None,
        indexed_custom: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Define the call's type as a copy of another one as that is now, but for its fields."""
        del who
        declared = _redeclared({}, indexed_custom or {})
        state, own = self.state, deepcopy(self.state.type_settings)
        grants = deepcopy(state.grants)
        if based_on != self.type:
            grants, own = tables.grants(based_on), tables.settings(based_on)
        for group, fields in (settings or {}).items():
            own[group].update({name: one for name, one in fields.items() if one is not None})
        if not state.grants:
            state.grants, state.type_settings, state.declared = grants, own, declared
            self.names.append("type.defined")
        elif not same(
            [_held(grants), own, declared],
            [_held(state.grants), state.type_settings, state.declared],
        ):
            raise Refusal("call_type_exists")

    def do_types_grant(self, who: Who, role: str, capability: str) -> None:
        """Let a role do more."""
        del who
        held = self.state.grants.setdefault(role, set())
        if capability not in held:
            held.add(capability)
            self.names.append("type.granted")

    def do_types_revoke(self, who: Who, role: str, capability: str) -> None:
        """Let a role do less; nobody is put out by it."""
        del who
        held = self.state.grants.setdefault(role, set())
        if capability in held:
            held.remove(capability)
            self.names.append("type.revoked")

    def do_types_update(
        self,
        who: Who,
        settings: Mapping[str, Any] | None = None,
        indexed_custom: Mapping[str, Mapping[str, str | None]] | None = None,
    ) -> None:
        """Change what calls of the type do that say nothing themselves, and declare fields."""
        del who
        changed = False
        for group, fields in (settings or {}).items():
            for name, value in fields.items():
                known = self.state.type_settings[group]
                changed = changed or (value is not None and known[name] != value)
                known[name] = known[name] if value is None else value
        if changed:
            self.names.append("type.settings_changed")
        declared = _redeclared(self.state.declared, indexed_custom or {})
        if declared != self.state.declared:
            self.state.declared = declared
            self.names.append("type.fields_declared")

    def do_users_upsert(
        self,
        who: Who,
        user_id: str,
        *,
        role: str | None = None,
        teams: Sequence[str] | None = None,
        custom: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell about a user."""
        del who
        before = self.state.users.get(user_id)
        base = before or {"role": "user", "teams": (), "custom": {}}
        after = {
            "role": base["role"] if role is None else role,
            "teams": base["teams"] if teams is None else tuple(teams),
            "custom": merged(base["custom"], custom or {}),
        }
        if before is None or not same(before, after):
            self.names.append("user.upserted")
        self.state.users[user_id] = after

    def do_users_erase(self, who: Who, user_id: str) -> None:
        """Forget everything personal about a user; what they are in a call stays."""
        del who
        self.state.users.pop(user_id, None)
        if user_id in self.state.members:
            self.state.members[user_id]["custom"] = {}
        self.names.append("user.erased")

    def _block(self, who: Who, user_id: str) -> None:
        self.must(who, "block-users")
        if user_id not in self.state.blocked:
            self.state.blocked.add(user_id)
            self.names.append("call.user_blocked")

    def _permit(
        self, who: Who, user_id: str, permissions: Sequence[str], to: str, out_of: str
    ) -> None:
        self.must_exist(who)
        self.must(who, "update-call-permissions")
        said: set[str] = getattr(self.state, to).setdefault(user_id, set())
        if {*permissions} - said:
            said |= {*permissions}
            getattr(self.state, out_of).setdefault(user_id, set()).difference_update(permissions)
            self.state.requested.setdefault(user_id, set()).difference_update(permissions)
            self.names.append(f"member.permissions_{to}")

    def _muted(self) -> dict[str, set[str]]:
        return {} if self.state.session is None else self.state.session["muted"]


def _held(grants: Mapping[str, set[str]]) -> dict[str, list[str]]:
    return {role: sorted(held) for role, held in grants.items() if held}


def _redeclared(
    declared: Mapping[str, Mapping[str, str]], changes: Mapping[str, Mapping[str, str | None]]
) -> dict[str, dict[str, str]]:
    """By place: what is declared after these changes; None takes a field back."""
    after = {
        place: {**declared.get(place, {}), **changes.get(place, {})}
        for place in ("calls", "members")
    }
    kept = {
        place: {name: kind for name, kind in fields.items() if kind is not None}
        for place, fields in after.items()
    }
    return {place: fields for place, fields in kept.items() if fields}
