"""Media and its peers in a process of its own, recorded: to be killed, or to fill its disk.

Arguments: the folder, and the largest size of a file in bytes; without one it goes on for good.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from greenroom.domain.message import CallId, EntryId, UserId
from greenroom.media.aiortc_media import AiortcMedia
from greenroom.media.port import MediaEntry, MediaRecording
from greenroom.testing.media import Witness
from greenroom.testing.peer import Peer

RECORDING = MediaRecording(CallId("default:1"), 1, 1)


def entry(name: str) -> MediaEntry:
    may_send = frozenset({"audio", "video"})
    return MediaEntry(EntryId(f"entry-{name}"), CallId("default:1"), 1, UserId(name), may_send)  # type: ignore[arg-type]  # kinds, all of them


def say(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def main() -> None:
    folder, largest = Path(sys.argv[1]), int(sys.argv[2])
    witness = Witness()
    media = AiortcMedia(addresses=("127.0.0.1",), recordings=folder, busy_limit=2)
    media.start(witness)
    for name in ("thierry", "alice"):
        media.open(entry(name))
    media.record(RECORDING)
    with Peer("red") as thierry, Peer("green") as alice:
        thierry.join(lambda offer: media.offer(EntryId("entry-thierry"), offer), others=0)
        alice.join(lambda offer: media.offer(EntryId("entry-alice"), offer), sends=())
        assert alice.until(lambda: alice.hears["red"] > 5)
        sys.stdout.write("connected\n")
        sys.stdout.flush()
        if not largest:
            time.sleep(600)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        assert witness.heard(lambda heard: bool(heard.told("recording_failed")), 60)
        media.stop_recording(RECORDING)
        assert witness.heard(lambda heard: len(heard.told("recorded")) == 2)
        alice.watch(0)
        say(what="still", hears=alice.until(lambda: alice.hears["red"] > 5))
    for one in witness.told("recording_failed"):
        say(what="recording_failed", because=one.because)
    for one in witness.told("recorded"):
        assert one.file is not None
        said = {"name": one.file.name, "seconds": one.file.seconds, "failure": one.file.failure}
        say(what="recorded", **said)
    media.stop()


if __name__ == "__main__":
    main()
