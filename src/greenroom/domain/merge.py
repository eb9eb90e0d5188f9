"""JSON Merge Patch (RFC 7396), and when two JSON values are the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from greenroom.domain.message import Json


def merge_patch(target: Json, patch: Json) -> dict[str, Any]:
    """`target` with the keys of `patch` put over it; null removes a key, objects merge inside."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            inner = merged.get(key)
            merged[key] = merge_patch(inner if isinstance(inner, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def same_json(one: Json, other: Json) -> bool:
    """Whether both say the same in JSON, where `true` is not `1` as it is in Python."""
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
