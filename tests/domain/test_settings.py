"""Settings of the built-in types, and what overrides them (semantics 5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.story import story

from greenroom.domain import checks
from greenroom.domain.errors import InvalidInput
from greenroom.domain.merge import merge_patch, same_json
from greenroom.domain.operations import life, policy
from greenroom.domain.settings import BUILT_IN_SETTINGS, Settings, patched
from greenroom.testing.history import EMBEDDER

TYPES = ("audio_room", "default", "livestream", "development")
TABLE: list[tuple[str, tuple[Any, ...]]] = [
    ("backstage.enabled", (True, False, True, False)),
    ("backstage.join_ahead_time_seconds", (0, 0, 0, 0)),
    ("video.enabled", (False, True, True, True)),
    ("video.camera_default_on", (False, True, True, True)),
    ("audio.mic_default_on", (False, True, False, True)),
    ("audio.access_request_enabled", (True, True, False, True)),
    ("video.access_request_enabled", (False, True, False, True)),
    ("screensharing.access_request_enabled", (False, True, False, True)),
    ("screensharing.enabled", (False, True, True, True)),
    ("ring.auto_cancel_timeout_ms", (None, 15_000, None, 15_000)),
    ("ring.incoming_call_timeout_ms", (None, 15_000, None, 15_000)),
    ("ring.missed_call_timeout_ms", (None, 15_000, None, 15_000)),
    ("limits.max_duration_seconds", (None,) * 4),
    ("limits.max_participants", (None,) * 4),
    ("limits.max_participants_exclude_roles", ((),) * 4),
    ("limits.max_participants_exclude_owner", (False,) * 4),
    ("session.inactivity_timeout_seconds", (30,) * 4),
    ("recording.mode", ("available",) * 4),
    ("transcription.mode", ("available",) * 4),
    ("broadcasting.enabled", (True,) * 4),
    *(
        (f"notification_settings.{kind}.enabled", (True,) * 4)
        for kind in (
            "call_ring", "call_notification", "call_missed", "session_started",
            "call_live_started",
        )
    ),
]  # fmt: skip  # the table of semantics 5


@pytest.mark.parametrize(("path", "values"), TABLE, ids=[row[0] for row in TABLE])
def test_the_built_in_types_are_set_as_the_table_says(path: str, values: tuple[Any, ...]) -> None:
    found = []
    for name in TYPES:
        value: Any = BUILT_IN_SETTINGS[name]
        for part in path.split("."):
            value = getattr(value, part)
        found.append(value)
    assert tuple(found) == values


def test_a_calls_own_settings_override_its_types_field_by_field() -> None:
    told = story("livestream:123", settings={"audio": {"mic_default_on": True}})
    settings = told.rehearse(life.get(), by="thierry").settings
    assert settings.audio.mic_default_on
    assert not settings.audio.access_request_enabled


def test_what_a_call_does_not_say_follows_its_type_at_once() -> None:
    told = story(settings={"session": {"inactivity_timeout_seconds": 5}})
    changed = {"session": {"inactivity_timeout_seconds": 60}, "audio": {"mic_default_on": False}}
    told.ask(policy.change_type("default", changed), by=EMBEDDER)
    settings = told.rehearse(life.get(), by="thierry").settings
    assert settings.session.inactivity_timeout_seconds == 5
    assert not settings.audio.mic_default_on


def test_null_gives_a_setting_back_to_the_type() -> None:
    told = story(settings={"session": {"inactivity_timeout_seconds": 5}})
    back = {"session": {"inactivity_timeout_seconds": None}}
    told.ask(life.update(settings=back), by="thierry")
    assert told.call.settings == {}
    assert told.ask(life.update(settings=back), by="thierry") == ()


@pytest.mark.parametrize(
    ("settings", "path", "nearest"),
    [
        ({"sesion": {}}, "settings.sesion", "session"),
        ({"session": {"inactivity": 3}}, "settings.session.inactivity", None),
        ({"audio": {"mic_default_onn": True}}, "settings.audio.mic_default_onn", "mic_default_on"),
        ({"audio": True}, "settings.audio", None),
        ({"audio": {"mic_default_on": 1}}, "settings.audio.mic_default_on", None),
        ({"limits": {"max_participants": 0}}, "settings.limits.max_participants", None),
        ({"recording": {"mode": "on"}}, "settings.recording.mode", None),
    ],
)  # fmt: skip  # a table
def test_a_wrong_setting_is_refused_with_its_path(
    settings: Any, path: str, nearest: str | None
) -> None:
    with pytest.raises(InvalidInput) as fault:
        checks.settings(settings)
    assert fault.value.path == path
    if nearest is not None:
        assert fault.value.nearest == nearest


@pytest.mark.parametrize(
    ("group", "field", "value"),
    [
        ("session", "inactivity_timeout_seconds", 4),
        ("session", "inactivity_timeout_seconds", -1),
        ("session", "inactivity_timeout_seconds", 901),
        ("ring", "auto_cancel_timeout_ms", 4_999),
        ("ring", "incoming_call_timeout_ms", 180_001),
        ("ring", "missed_call_timeout_ms", 180_001),
        ("backstage", "join_ahead_time_seconds", -1),
        ("limits", "max_duration_seconds", 0),
    ],
)
def test_a_number_beyond_its_bounds_is_refused(group: str, field: str, value: int) -> None:
    with pytest.raises(InvalidInput) as fault:
        checks.settings({group: {field: value}})
    assert fault.value.path == f"settings.{group}.{field}"


@pytest.mark.parametrize("seconds", [0, 5, 900])
def test_an_empty_session_closes_at_once_or_after_5_to_900_seconds(seconds: int) -> None:
    patch = checks.settings({"session": {"inactivity_timeout_seconds": seconds}})
    assert Settings().overridden(patch).session.inactivity_timeout_seconds == seconds


# JSON Merge Patch

values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from(["", "red"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from("abc"), values)


@given(objects, objects)
def test_a_patch_applied_twice_is_applied_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert same_json(merge_patch(once, patch), once)


@given(objects, objects)
def test_a_patch_says_what_it_says_and_leaves_the_rest(target: Any, patch: Any) -> None:
    merged = merge_patch(target, patch)
    for key in "abc":
        if key not in patch:
            assert merged.get(key) == target.get(key)
        elif patch[key] is None:
            assert key not in merged
        elif not isinstance(patch[key], dict):
            assert same_json({"it": merged[key]}, {"it": patch[key]})


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "foo"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ],
)
def test_the_examples_of_rfc_7396(target: Any, patch: Any, merged: Any) -> None:
    assert merge_patch(target, patch) == merged


@given(objects, objects)
def test_two_values_are_the_same_where_they_are_stored_the_same(one: Any, other: Any) -> None:
    as_stored = [json.dumps(value, sort_keys=True) for value in (one, other)]
    assert same_json(one, other) == (as_stored[0] == as_stored[1])


settings_patches = st.fixed_dictionaries(
    {},
    optional={
        "audio": st.fixed_dictionaries(
            {}, optional={"mic_default_on": st.sampled_from((None, True, False))}
        ),
        "limits": st.fixed_dictionaries(
            {}, optional={"max_participants": st.sampled_from((None, 1, 2))}
        ),
    },
)


@given(settings_patches, settings_patches)
def test_two_patches_after_one_another_are_one(before: Any, after: Any) -> None:
    told = story(settings=before)
    told.ask(life.update(settings=after), by="thierry")
    one = story(settings=patched(before, after))
    assert (
        told.rehearse(life.get(), by="thierry").settings
        == one.rehearse(life.get(), by="thierry").settings
    )
