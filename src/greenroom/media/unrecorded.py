"""For media that cannot record."""

from __future__ import annotations

from greenroom.domain.errors import MediaError
from greenroom.media.port import MediaRecording

HOW_TO_RECORD: str = (
    "open the room with media=AiortcMedia(recordings=folder), where the files are to go"
)


class RecordsNothing:
    """The part of a MediaPort about recordings, where there are none."""

    def recording_obstacle(self) -> str:
        """What would record."""
        return f"{type(self).__name__} does not record: {HOW_TO_RECORD}"

    def record(self, recording: MediaRecording) -> None:
        """Refused.

        Raises:
            MediaError: always.
        """
        del recording
        raise MediaError(self.recording_obstacle())

    def stop_recording(self, recording: MediaRecording) -> None:
        """Nothing is recorded."""

    def recordings(self) -> frozenset[MediaRecording]:
        """None."""
        return frozenset()
