"""The settings of call types, and how a call's own override them (semantics 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from greenroom.domain.merge import merge_patch
from greenroom.domain.message import Json, Role

Milliseconds = Annotated[int, Field(ge=5000, le=180_000)]
Mode = Literal["available", "disabled", "auto-on"]
RoleName = Annotated[Role, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

SettingsPatch = Mapping[str, Mapping[str, Any]]
"""Settings by group and field; a field that is not named, or is null, is left to the type."""


class Value(BaseModel):
    """A group of settings; unknown ones are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BackstageSettings(Value):
    """Whether a call starts closed to regular users, and how early they may come in."""

    enabled: bool = False
    join_ahead_time_seconds: Annotated[int, Field(ge=0, le=366 * 86400)] = 0
    """Seconds before `starts_at` from which anyone may join; 0 for not before going live."""


class AudioSettings(Value):
    mic_default_on: bool = True
    access_request_enabled: bool = True


class VideoSettings(Value):
    enabled: bool = True
    camera_default_on: bool = True
    access_request_enabled: bool = True


class ScreensharingSettings(Value):
    enabled: bool = True
    access_request_enabled: bool = True


class RingSettings(Value):
    """How long a ring lasts; None for a type whose calls do not ring."""

    auto_cancel_timeout_ms: Milliseconds | None = None
    """Without any acceptance, the ring is cancelled after so long."""
    incoming_call_timeout_ms: Milliseconds | None = None
    """How long the called device shows the ring; it is told, nothing on the server waits."""
    missed_call_timeout_ms: Milliseconds | None = None
    """A member who has not answered by then has missed the call."""


class LimitSettings(Value):
    """None means unlimited."""

    max_duration_seconds: Annotated[int, Field(ge=1, le=366 * 86400)] | None = None
    """Counted from the session's start."""
    max_participants: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Distinct users present."""
    max_participants_exclude_roles: tuple[RoleName, ...] = ()
    max_participants_exclude_owner: bool = False


SHORTEST_INACTIVITY: Final = 5
"""Seconds; a session that may not wait at all closes at once, with 0."""


def _nought_or_long_enough(seconds: int) -> int:
    if 0 < seconds < SHORTEST_INACTIVITY:
        raise ValueError(f"expected 0, or {SHORTEST_INACTIVITY} to 900")
    return seconds


class SessionSettings(Value):
    inactivity_timeout_seconds: Annotated[
        int, Field(ge=0, le=900), AfterValidator(_nought_or_long_enough)
    ] = 30
    """How long an empty session stays open; 0 closes it at once, else 5 or more."""
    reconnection_timeout_seconds: Annotated[int, Field(ge=0, le=900)] = 15
    """How long an entry whose media connection was lost may take to connect again; 0 for no time
    at all."""


class RecordingSettings(Value):
    mode: Mode = "available"


class TranscriptionSettings(Value):
    mode: Mode = "available"


class BroadcastingSettings(Value):
    enabled: bool = True


class NotificationTemplate(Value):
    """Whether a kind of notification is sent, and what it says.

    `${call.<field>}` and `${user.<field>}` stand for the call and the user who caused it.
    """

    enabled: bool = True
    title: str = ""
    body: str = ""


class NotificationSettings(Value):
    call_ring: NotificationTemplate = NotificationTemplate(title="${user.name} is calling")
    call_notification: NotificationTemplate = NotificationTemplate(
        title="${user.name} invites you to ${call.cid}"
    )
    call_missed: NotificationTemplate = NotificationTemplate(
        title="You missed a call from ${user.name}"
    )
    session_started: NotificationTemplate = NotificationTemplate(title="${call.cid} has started")
    call_live_started: NotificationTemplate = NotificationTemplate(title="${call.cid} is live")


class Settings(Value):
    """All settings of a call or a call type."""

    backstage: BackstageSettings = BackstageSettings()
    audio: AudioSettings = AudioSettings()
    video: VideoSettings = VideoSettings()
    screensharing: ScreensharingSettings = ScreensharingSettings()
    ring: RingSettings = RingSettings()
    limits: LimitSettings = LimitSettings()
    session: SessionSettings = SessionSettings()
    recording: RecordingSettings = RecordingSettings()
    transcription: TranscriptionSettings = TranscriptionSettings()
    broadcasting: BroadcastingSettings = BroadcastingSettings()
    notification_settings: NotificationSettings = NotificationSettings()

    def overridden(self, patch: SettingsPatch) -> Settings:
        """These settings with those that `patch` names put over them, field by field."""
        if not patch:
            return self
        return self.model_copy(
            update={name: _overridden(getattr(self, name), said) for name, said in patch.items()}
        )


def patched(before: SettingsPatch, after: SettingsPatch) -> SettingsPatch:
    """One patch that says what `before` and then `after` say; null gives a field back."""
    groups = {
        name: merge_patch(before.get(name, {}), after.get(name, {}))
        for name in dict.fromkeys([*before, *after])
    }
    return {name: fields for name, fields in groups.items() if fields}


def _overridden(group: Value, said: Json) -> Value:
    return type(group).model_validate(merge_patch(group.model_dump(), merge_patch({}, said)))


_RINGS = RingSettings(
    auto_cancel_timeout_ms=15_000, incoming_call_timeout_ms=15_000, missed_call_timeout_ms=15_000
)

BUILT_IN_SETTINGS: Final[Mapping[str, Settings]] = {
    "default": Settings(ring=_RINGS),
    "audio_room": Settings(
        backstage=BackstageSettings(enabled=True),
        audio=AudioSettings(mic_default_on=False),
        video=VideoSettings(enabled=False, camera_default_on=False, access_request_enabled=False),
        screensharing=ScreensharingSettings(enabled=False, access_request_enabled=False),
    ),
    "livestream": Settings(
        backstage=BackstageSettings(enabled=True),
        audio=AudioSettings(mic_default_on=False, access_request_enabled=False),
        video=VideoSettings(access_request_enabled=False),
        screensharing=ScreensharingSettings(access_request_enabled=False),
    ),
    "development": Settings(ring=_RINGS),
}
