"""What would have been: the recorded decisions, made again under a change.

```python
from greenroom import Greenroom, whatif

with Greenroom.open("sqlite:///calls.db") as room:
    asked = room.what_if(whatif.revoke("default", role="user", capability="join-call"))
    for one in asked.over().differences:
        print(one.at, one.user_id, one.operation, one.cid, one.code)
```
"""

from greenroom.domain.admission import JoinFacts, Occupancy, Outcome
from greenroom.whatif.changes import grant, revoke, rule, settings, without
from greenroom.whatif.differences import Comparison, Difference, Kind, Mode

__all__ = [
    "Comparison",
    "Difference",
    "JoinFacts",
    "Kind",
    "Mode",
    "Occupancy",
    "Outcome",
    "grant",
    "revoke",
    "rule",
    "settings",
    "without",
]
