"""The event-sourced core for calls, livestreams and audio rooms.

```python
from greenroom import Greenroom, Member

with Greenroom.open("sqlite:///calls.db") as room:
    call = room.as_user("thierry").call("default", "appointment-7")
    call.create(members=[Member("alice")])
    entry = call.join()
```
"""

from greenroom.answers import (
    CallState,
    Done,
    Explanation,
    HistoryEvent,
    MediaStats,
    MemberState,
    SessionState,
)
from greenroom.call_handle import CallHandle
from greenroom.domain import errors
from greenroom.domain.access import Capability
from greenroom.domain.attempts import Attempt, AttemptCount, Attempts
from greenroom.domain.operations.life import Backstage
from greenroom.domain.operations.members import Member
from greenroom.domain.reasons import Fact, Reason
from greenroom.domain.session_events import (
    MediaStatistics,
    RecordedFile,
    RecordingEnd,
    TrackRecorded,
)
from greenroom.doorkeeper import Refusals
from greenroom.engine import Greenroom
from greenroom.entry import Entry
from greenroom.handles import UserHandle
from greenroom.ice import IceAccess, IceServer
from greenroom.importing import Imported
from greenroom.media.lines import LineStatistics
from greenroom.media_stats import CallMediaStats, EntryMediaStats, RoomMediaStats
from greenroom.past import PastRoom
from greenroom.projections.keeping import KeptPast
from greenroom.projections.pages import Count, Page
from greenroom.projections.parking import Parked
from greenroom.projections.query import SortKey, asc, desc
from greenroom.projections.rebuilding import Rebuilt
from greenroom.projections.retrying import Retried
from greenroom.projections.standing import ProjectionStatus
from greenroom.recordings import Recording
from greenroom.workers.router import WorkerMedia

__all__ = [
    "Attempt",
    "AttemptCount",
    "Attempts",
    "Backstage",
    "CallHandle",
    "CallMediaStats",
    "CallState",
    "Capability",
    "Count",
    "Done",
    "Entry",
    "EntryMediaStats",
    "Explanation",
    "Fact",
    "Greenroom",
    "HistoryEvent",
    "IceAccess",
    "IceServer",
    "Imported",
    "KeptPast",
    "LineStatistics",
    "MediaStatistics",
    "MediaStats",
    "Member",
    "MemberState",
    "Page",
    "Parked",
    "PastRoom",
    "ProjectionStatus",
    "Reason",
    "Rebuilt",
    "RecordedFile",
    "Recording",
    "RecordingEnd",
    "Refusals",
    "Retried",
    "RoomMediaStats",
    "SessionState",
    "SortKey",
    "TrackRecorded",
    "UserHandle",
    "WorkerMedia",
    "asc",
    "desc",
    "errors",
]
