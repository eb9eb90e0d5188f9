"""The same rooms for asyncio: every command and query with `await`.

Nothing is decided here that is not decided in the same place for threads.
"""

from greenroom.aio.handles import CallHandle, CallState, CallTypes, Entry, UserHandle, Users
from greenroom.aio.room import Greenroom, PastRoom

__all__ = [
    "CallHandle",
    "CallState",
    "CallTypes",
    "Entry",
    "Greenroom",
    "PastRoom",
    "UserHandle",
    "Users",
]
