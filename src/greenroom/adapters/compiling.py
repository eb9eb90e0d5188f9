"""Making decoders while other threads use theirs."""

from __future__ import annotations

import os
from threading import Lock
from typing import Final

COMPILING: Final = Lock()
"""Held by whoever makes a decoder after its module was imported.

msgspec keeps with a class what it found out about its fields, and does so before it is done: a
thread that makes a decoder of the same class meanwhile gets one that crashes the process.
"""

if hasattr(os, "register_at_fork"):  # not on Windows
    # No child shall begin with a lock that a thread of its parent holds.
    os.register_at_fork(
        before=COMPILING.acquire,
        after_in_parent=COMPILING.release,
        after_in_child=COMPILING.release,
    )
