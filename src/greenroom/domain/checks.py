"""What comes in from outside, checked before anything else happens.

Each check answers the value as the domain wants it, or raises `InvalidInput` with the path of the
fault, what was expected there, and the nearest known name.

Callers pass on what strangers sent: an object may lie about its `__class__`, and its methods may
raise anything. So types are looked at as they are, text and numbers are copied into plain ones
by the built-in types' own methods, and what a stranger's container raises is a fault of the input.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final, TypeGuard, cast

from pydantic import JsonValue, ValidationError

from greenroom.domain.access import PERMISSIONS, Capability
from greenroom.domain.errors import InvalidInput
from greenroom.domain.instants import micros_of
from greenroom.domain.message import CallId, EntryId, Json, RequestId, Role, Team, UserId
from greenroom.domain.settings import NotificationTemplate, Settings, SettingsPatch

MAX_MEMBERS: Final = 100
"""Per request."""
MAX_RUNG: Final = 25
"""Named members per ring."""
CALL_CUSTOM_BYTES: Final = 64 * 1024
MEMBER_CUSTOM_BYTES: Final = 8 * 1024
MAX_DEPTH: Final = 32
MAX_INTEGER: Final = 2**53

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_USER_ID: Final = re.compile(r"[A-Za-z0-9_@.+|=~-]{1,128}")
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_OUR_WORDS: Final = (
    ("Value error, expected ", ""),
    ("Input should be greater ", "a number greater "),
    ("Input should be less ", "a number less "),
    ("Input should be ", ""),
    ("String should match pattern ", "text of the form "),
    ("Extra inputs are not permitted", "a setting"),
    ("", ""),
)
"""What follows `expected`, in place of how pydantic begins."""
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that comes closest; None where nothing comes near."""
    if not _is_text(name):
        return None
    return next(iter(get_close_matches(plain(name)[:128], [*map(plain, known)], n=1)), None)


def is_a(value: object, *kinds: type) -> bool:
    """Whether `value` really is of one of these types, whatever it says of itself."""
    return issubclass(type(value), kinds)


def plain(value: str) -> str:
    """The same text without the ways of a subclass."""
    return str.__str__(value)


def shown(name: str) -> str:
    """A stranger's key, fit to stand in the path of a fault."""
    return name[:64]


def name(value: object, path: str) -> str:
    """A call type's name, a call's id, a role or a team."""
    return _matching(_NAME, value, path, "1 to 64 of A-Z a-z 0-9 _ -")


def call_id(call_type: object, id_: object) -> CallId:
    """The cid of a call, from its type and its id within the type."""
    return CallId(f"{name(call_type, 'type')}:{name(id_, 'id')}")


def field(value: object, path: str) -> str:
    """The name of a declared custom field: one that a filter can name."""
    return _matching(_FIELD, value, path, "a letter or _, and up to 63 more of A-Z a-z 0-9 _ -")


def role(value: object, path: str) -> Role:
    """The name of a role; any name will do."""
    return Role(name(value, path))


def team(value: object, path: str) -> Team:
    """A tenant's label."""
    return Team(name(value, path))


def teams(value: object, path: str) -> tuple[Team, ...]:
    """A user's teams, sorted, each once."""
    return tuple(sorted({team(item, at) for at, item in _items(value, path, 1000)}))


def user_id(value: object, path: str) -> UserId:
    """The embedder's own id of a user."""
    return UserId(_matching(_USER_ID, value, path, "1 to 128 of A-Z a-z 0-9 _ @ . + | = ~ -"))


def user_ids(value: object, path: str, limit: int = MAX_MEMBERS) -> tuple[UserId, ...]:
    """User ids, each once, in the order given."""
    return tuple(dict.fromkeys(user_id(item, at) for at, item in _items(value, path, limit)))


def entry_id(value: object, path: str) -> EntryId:
    """The id of a connection, as the join answered it."""
    return EntryId(name(value, path))


def request_id(value: object) -> RequestId:
    """A command's own key."""
    return RequestId(
        _matching(_REQUEST_ID, value, "request_id", "1 to 128 printable ASCII characters")
    )


def instant(value: object, path: str) -> datetime:
    """A point in time, in UTC."""
    if not is_instant(value):
        raise InvalidInput(path, "a datetime")
    try:
        aware = datetime.utcoffset(value) is not None
        utc = datetime.astimezone(value, UTC) if aware else None
    except Exception:  # noqa: BLE001 - a stranger's time zone may raise anything
        raise InvalidInput(path, "an instant between the years 1970 and 2200") from None
    if utc is None:
        raise InvalidInput(path, "an aware datetime: give it a time zone, e.g. datetime.now(UTC)")
    if not datetime.__le__(_EARLIEST, utc) or not datetime.__lt__(utc, _LATEST):
        raise InvalidInput(path, "an instant between the years 1970 and 2200")
    return datetime.combine(datetime.date(utc), datetime.time(utc), UTC)


def is_instant(value: object) -> TypeGuard[datetime]:
    """Whether it is a datetime at all, aware or not."""
    return is_a(value, datetime)


def flag(value: object, path: str) -> bool:
    """True or False, and nothing that merely looks like it."""
    if value is not True and value is not False:
        raise InvalidInput(path, "True or False")
    return value


def flags(**values: object) -> None:
    """Each of these, by its name, is True or False."""
    for name_, value in values.items():
        flag(value, name_)


def text(value: object, path: str, limit: int) -> str:
    """A piece of text that every store can hold."""
    if not _is_text(value) or str.__len__(value) > limit:
        raise InvalidInput(path, f"text of at most {limit} characters")
    return _storable(value, path)


def capability(value: object, path: str) -> Capability:
    """What a grant allows, by its public name."""
    known = {member.value: member for member in Capability}
    found = known.get(plain(value)) if _is_text(value) else None
    if found is None:
        raise InvalidInput(path, "one of the capabilities", nearest(value, known))
    return found


def permissions(value: object, path: str) -> tuple[Capability, ...]:
    """Capabilities that one user can be given or denied in one call."""
    found = tuple(dict.fromkeys(capability(item, at) for at, item in _items(value, path, 10)))
    for n, one in enumerate(found):
        if one not in PERMISSIONS:
            allowed = ", ".join(sorted(PERMISSIONS))
            raise InvalidInput(f"{path}[{n}]", f"one of {allowed}", nearest(one, PERMISSIONS))
    if not found:
        raise InvalidInput(path, "at least one permission")
    return found


def settings(value: object, path: str = "settings") -> SettingsPatch:
    """Settings by group and field; null leaves a field to the type."""
    patch = custom(value, path, CALL_CUSTOM_BYTES)
    for group, fields in patch.items():
        known = Settings.model_fields.get(group)
        at = f"{path}.{shown(group)}"
        if known is None:
            raise InvalidInput(at, "a group of settings", nearest(group, Settings.model_fields))
        if not isinstance(fields, Mapping):
            raise InvalidInput(at, "an object of settings")
        said = {field: said for field, said in fields.items() if said is not None}
        unknown = [field for field in fields if field not in known.annotation.model_fields]  # type: ignore[union-attr]  # every group is a model
        if unknown:
            near = nearest(unknown[0], known.annotation.model_fields)  # type: ignore[union-attr]  # as above
            raise InvalidInput(f"{at}.{shown(unknown[0])}", f"a setting of {group}", near)
        try:
            known.annotation.model_validate_json(json.dumps(said), strict=True)  # type: ignore[union-attr]  # as above
        except ValidationError as error:
            raise _from_pydantic(error, at) from None
    return cast("SettingsPatch", patch)


def custom(value: object, path: str, limit: int) -> dict[str, JsonValue]:
    """A JSON object of at most `limit` bytes, copied, safe in every store."""
    if not _is_object(value):
        raise InvalidInput(path, "a JSON object (a dict with text keys)")
    try:
        copied = _Budget(path, limit).copy(value, path, 1)
    except InvalidInput:
        raise
    except Exception:  # noqa: BLE001 - a stranger's mapping or sequence may raise anything
        raise InvalidInput(path, "a JSON object that can be read") from None
    size = len(json.dumps(copied, ensure_ascii=False, separators=(",", ":")).encode())
    if size > limit:
        raise InvalidInput(path, f"at most {limit} bytes of JSON, not {size}")
    return cast("dict[str, JsonValue]", copied)


class _Budget:
    """Copies JSON while counting, so that a hostile value costs no more than an honest one.

    What is counted is never more than what is written.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._spent = 0

    def copy(self, value: object, path: str, depth: int) -> JsonValue:
        """The same value in plain dicts and lists."""
        if value is None or value is True or value is False:
            self._spend(4)
            return value
        if _is_text(value):
            self._spend(str.__len__(value) + 2)
            return _storable(value, path)
        self._spend(1)
        if _is_integer(value):
            return _exact_integer(value, path)
        if _is_float(value):
            return _finite(value, path)
        if depth > MAX_DEPTH:
            raise InvalidInput(path, f"at most {MAX_DEPTH} levels of nesting")
        if _is_object(value):
            return self._object(value, path, depth)
        if _is_list(value):
            return [self._item(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value)]
        raise InvalidInput(
            path,
            f"JSON: null, true, a number, text, a list or an object, not {type(value).__name__}",
        )

    def _item(self, item: object, path: str, depth: int) -> JsonValue:
        self._spend(1)  # the comma, or a bracket
        return self.copy(item, path, depth)

    def _object(self, value: Mapping[object, object], path: str, depth: int) -> JsonValue:
        copied: dict[str, JsonValue] = {}
        for key, inner in dict.items(value) if is_a(value, dict) else value.items():  # type: ignore[arg-type]  # is_a is no guard
            name = self._key(key, path)
            copied[name] = self.copy(inner, f"{path}.{shown(name)}", depth + 1)
        return copied

    def _key(self, key: object, path: str) -> str:
        if not _is_text(key):
            raise InvalidInput(path, "text keys")
        self._spend(str.__len__(key) + 3)
        return _storable(key, path)

    def _spend(self, size: int) -> None:
        self._spent += size
        if self._spent > self._limit:
            raise InvalidInput(self._path, f"at most {self._limit} bytes of JSON")


def integer(value: object, path: str, lowest: int, highest: int) -> int:
    """A whole number within bounds."""
    number = int.__pos__(value) if _is_integer(value) else None
    if number is None or not lowest <= number <= highest:
        raise InvalidInput(path, f"a whole number from {lowest} to {highest}")
    return number


def listed(value: object, path: str, limit: int = MAX_MEMBERS) -> list[tuple[str, object]]:
    """(path, item) pairs of a list of at most so many."""
    return list(_items(value, path, limit))


def typed(value: Json, declared: Mapping[str, str], path: str) -> None:
    """Declared custom fields must have the type they were declared with; null takes one away."""
    for field, kind in declared.items():
        found = value.get(field)
        if found is not None and not _KINDS[kind](found):
            raise InvalidInput(f"{path}.{field}", f"{_SAID[kind]}, as the call type declares it")


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and micros_of(value) is not None


_KINDS: Final[Mapping[str, Any]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "instant": _is_instant,
}
_SAID: Final = {
    "string": "a string",
    "number": "a number",
    "boolean": "true or false",
    "instant": "an instant (RFC 3339 text such as 2026-01-31T12:00:00Z)",
}


def _items(value: object, path: str, limit: int) -> Iterable[tuple[str, object]]:
    """(path, item) pairs; a stranger's iterator is asked for one item past the limit at most."""
    if is_a(value, str, bytes, bytearray, memoryview) or _is_object(value):
        raise InvalidInput(path, "a list")
    try:
        found = list(islice(cast("Iterable[object]", value), limit + 1))
    except Exception:  # noqa: BLE001 - it may be no iterable, or raise anything
        raise InvalidInput(path, "a list") from None
    if len(found) > limit:
        raise InvalidInput(path, f"at most {limit} at once")
    return ((f"{path}[{n}]", item) for n, item in enumerate(found))


def _matching(pattern: re.Pattern[str], value: object, path: str, expected: str) -> str:
    if not _is_text(value) or pattern.fullmatch(value) is None:
        raise InvalidInput(path, expected)
    return plain(value)


def _is_text(value: object) -> TypeGuard[str]:
    return is_a(value, str)


def _is_integer(value: object) -> TypeGuard[int]:
    return is_a(value, int) and not is_a(value, bool)


def _is_float(value: object) -> TypeGuard[float]:
    return is_a(value, float)


def _is_object(value: object) -> TypeGuard[Mapping[object, object]]:
    return is_a(value, Mapping)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return is_a(value, Sequence) and not is_a(value, bytes, bytearray, memoryview)


def _exact_integer(value: int, path: str) -> int:
    number = int.__pos__(value)
    if not -MAX_INTEGER <= number <= MAX_INTEGER:
        raise InvalidInput(path, "an integer between -2^53 and 2^53")
    return number


def _finite(value: float, path: str) -> float:
    number = float.__pos__(value)
    if not math.isfinite(number):
        raise InvalidInput(path, "a finite number")
    return number


def _storable(value: str, path: str) -> str:
    text = plain(value)
    if "\0" in text:
        raise InvalidInput(path, "text without NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(path, "valid Unicode: a surrogate stands alone") from None
    return text


def _from_pydantic(error: ValidationError, path: str) -> InvalidInput:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = "".join(f".{part}" if isinstance(part, str) else f"[{part}]" for part in first["loc"])
    said = first["msg"]
    begins, ours = next(one for one in _OUR_WORDS if said.startswith(one[0]))
    near = None
    if first["type"] == "extra_forbidden":  # of a group within a group: templates alone are such
        near = nearest(first["loc"][-1], NotificationTemplate.model_fields)
    return InvalidInput(f"{path}{where}", ours + said.removeprefix(begins), near)
