"""What comes in from outside, checked before anything else happens.

Each check answers the value as the domain wants it, or raises `InvalidInput` with the path of the
fault, what was expected there, and the nearest known name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

from pydantic import JsonValue, ValidationError

from greenroom.domain.access import PERMISSIONS, Capability
from greenroom.domain.errors import InvalidInput
from greenroom.domain.message import CallId, EntryId, Json, RequestId, Role, Team, UserId
from greenroom.domain.settings import Settings, SettingsPatch

MAX_MEMBERS: Final = 100
"""Per request."""
MAX_RUNG: Final = 25
"""Named members per ring."""
CALL_CUSTOM_BYTES: Final = 64 * 1024
MEMBER_CUSTOM_BYTES: Final = 8 * 1024
MAX_DEPTH: Final = 32
MAX_INTEGER: Final = 2**53

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_USER_ID: Final = re.compile(r"[A-Za-z0-9_@.+|=~-]{1,128}")
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

E = TypeVar("E", bound=StrEnum)


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that comes closest; None where nothing comes near."""
    if not isinstance(name, str):
        return None
    return next(iter(get_close_matches(name[:128], list(known), n=1)), None)


def name(value: object, path: str) -> str:
    """A call type's name, a call's id, a role or a team."""
    return _matching(_NAME, value, path, "1 to 64 of A-Z a-z 0-9 _ -")


def call_id(call_type: object, id_: object) -> CallId:
    """The cid of a call, from its type and its id within the type."""
    return CallId(f"{name(call_type, 'type')}:{name(id_, 'id')}")


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
    if not isinstance(value, datetime):
        raise InvalidInput(path, "a datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidInput(path, "an aware datetime: give it a time zone, e.g. datetime.now(UTC)")
    if not _EARLIEST <= value < _LATEST:
        raise InvalidInput(path, "an instant between the years 1970 and 2200")
    return value.astimezone(UTC)


def flag(value: object, path: str) -> bool:
    """True or False, and nothing that merely looks like it."""
    if not isinstance(value, bool):
        raise InvalidInput(path, "True or False")
    return value


def text(value: object, path: str, limit: int) -> str:
    """A piece of text that every store can hold."""
    if not isinstance(value, str) or len(value) > limit:
        raise InvalidInput(path, f"text of at most {limit} characters")
    _storable(value, path)
    return value


def one_of(kind: type[E], value: object, path: str) -> E:
    """A member of a closed vocabulary, by its public name."""
    try:
        return kind(cast("str", value))
    except ValueError:
        near = nearest(value, [member.value for member in kind])
        raise InvalidInput(path, f"one of the {kind.__name__.lower()} names", near) from None


def capability(value: object, path: str) -> Capability:
    """What a grant allows."""
    return one_of(Capability, value, path)


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
        at = f"{path}.{group}"
        if known is None:
            raise InvalidInput(at, "a group of settings", nearest(group, Settings.model_fields))
        if not isinstance(fields, Mapping):
            raise InvalidInput(at, "an object of settings")
        said = {field: said for field, said in fields.items() if said is not None}
        unknown = [field for field in fields if field not in known.annotation.model_fields]  # type: ignore[union-attr]  # every group is a model
        if unknown:
            near = nearest(unknown[0], known.annotation.model_fields)  # type: ignore[union-attr]  # as above
            raise InvalidInput(f"{at}.{unknown[0]}", f"a setting of {group}", near)
        try:
            known.annotation.model_validate_json(json.dumps(said), strict=True)  # type: ignore[union-attr]  # as above
        except ValidationError as error:
            raise _from_pydantic(error, at) from None
    return cast("SettingsPatch", patch)


def custom(value: object, path: str, limit: int) -> dict[str, JsonValue]:
    """A JSON object of at most `limit` bytes, copied, safe in every store."""
    if not isinstance(value, Mapping):
        raise InvalidInput(path, "a JSON object (a dict with text keys)")
    budget = _Budget(path, limit)
    copied = budget.copy(value, path, 1)
    size = len(json.dumps(copied, ensure_ascii=False, separators=(",", ":")).encode())
    if size > limit:
        raise InvalidInput(path, f"at most {limit} bytes of JSON, not {size}")
    return cast("dict[str, JsonValue]", copied)


class _Budget:
    """Copies JSON while counting, so that a hostile value costs no more than an honest one."""

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._spent = 0

    def copy(self, value: object, path: str, depth: int) -> JsonValue:
        """The same value in plain dicts and lists."""
        self._spend(1)
        match value:
            case None | bool():
                return value
            case str():
                self._spend(len(value))
                _storable(value, path)
                return str(value)
            case int():
                if not -MAX_INTEGER <= value <= MAX_INTEGER:
                    raise InvalidInput(path, "an integer between -2^53 and 2^53")
                return int(value)
            case float():
                if not math.isfinite(value):
                    raise InvalidInput(path, "a finite number")
                return float(value)
        if depth > MAX_DEPTH:
            raise InvalidInput(path, f"at most {MAX_DEPTH} levels of nesting")
        if isinstance(value, Mapping):
            return {
                self._key(key, path): self.copy(inner, f"{path}.{key}", depth + 1)
                for key, inner in value.items()
            }
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
            return [self.copy(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value)]
        raise InvalidInput(
            path,
            f"JSON: null, true, a number, text, a list or an object, not {type(value).__name__}",
        )

    def _key(self, key: object, path: str) -> str:
        if not isinstance(key, str):
            raise InvalidInput(path, "text keys")
        self._spend(len(key))
        _storable(key, path)
        return key

    def _spend(self, size: int) -> None:
        self._spent += size
        if self._spent > self._limit:
            raise InvalidInput(self._path, f"at most {self._limit} bytes of JSON")


def integer(value: object, path: str, lowest: int, highest: int) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise InvalidInput(path, f"a whole number from {lowest} to {highest}")
    return value


def listed(value: object, path: str) -> list[tuple[str, object]]:
    """(path, item) pairs of a list of at most 100."""
    return list(_items(value, path, MAX_MEMBERS))


def typed(value: Json, declared: Mapping[str, str], path: str) -> None:
    """Declared custom fields must have the type they were declared with; null takes one away."""
    for field, kind in declared.items():
        found = value.get(field)
        if found is not None and not _KINDS[kind](found):
            raise InvalidInput(f"{path}.{field}", f"a {kind}, as the call type declares it")


def _is_instant(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_KINDS: Final[Mapping[str, Any]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "instant": _is_instant,
}


def _items(value: object, path: str, limit: int) -> Iterable[tuple[str, object]]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidInput(path, "a list")
    for n, item in enumerate(value):
        if n >= limit:
            raise InvalidInput(path, f"at most {limit} at once")
        yield f"{path}[{n}]", item


def _matching(pattern: re.Pattern[str], value: object, path: str, expected: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise InvalidInput(path, expected)
    return value


def _storable(value: str, path: str) -> None:
    if "\0" in value:
        raise InvalidInput(path, "text without NUL characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(path, "valid Unicode: a surrogate stands alone") from None


def _from_pydantic(error: ValidationError, path: str) -> InvalidInput:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = "".join(f".{part}" if isinstance(part, str) else f"[{part}]" for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ").removeprefix("expected ")
    return InvalidInput(f"{path}{where}", message)
