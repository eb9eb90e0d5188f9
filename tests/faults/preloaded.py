"""A site that opens its room as it is loaded, which is before its server forks the workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from greenroom import Greenroom, errors

ROOM: Final = Greenroom.open(os.environ["GREENROOM_URL"])


def app(environ: Mapping[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """`/<call>/<user>`: lets somebody in, and says `in` or why not."""
    call, user = environ["PATH_INFO"].strip("/").split("/")
    said = "in"
    try:
        ROOM.as_user(user).call("default", call).join(create=True)
    except errors.Refused as refusal:
        said = refusal.code
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]
