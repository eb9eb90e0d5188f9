"""A clinic: appointments over video, with rules of its own on top of those of calls.

- The patient is let in only with their consent on record, which they may withdraw.
- Nobody but the doctor waits in the room alone: others come in while the doctor is there.
- When the doctor has left, with all of their devices, everybody else is asked to leave.
- Whoever the doctor expels does not come back.
"""

from collections.abc import Collection
from enum import Enum

from greenroom import Backstage, CallHandle, Entry, Greenroom, Member, errors


class NoConsent(errors.Refused):
    """The patient has not consented."""

    code = "no_consent"


class DoctorAway(errors.Refused):
    """The doctor is not there yet, or no more."""

    code = "doctor_away"


class Bug(Enum):
    """Mistakes that such an application may have, to be switched on: tests must find them."""

    CONSENT_STICKS = "consent that was withdrawn counts still"
    EXPELLED_FOR_A_MOMENT = "who was expelled may come back"
    FIRST_DEVICE_COUNTS = "the doctor is gone with the first of their devices"


class Clinic:
    """The appointments of one clinic.

    Args:
        room: where the calls live.
        bugs: mistakes to make.
    """

    def __init__(self, room: Greenroom, bugs: Collection[Bug] = ()) -> None:
        self._room = room
        self._bugs = {*bugs}

    def book(self, appointment: str, doctor: str, patient: str, companion: str) -> None:
        """Make an appointment; booked twice it is as it was booked first."""
        self._desk(appointment).create(
            members=[Member(doctor, role="host"), Member(patient), Member(companion)],
            custom={"doctor": doctor, "patient": patient, "consent": False},
            backstage=Backstage(enabled=False),
        )

    def consent(self, appointment: str, *, given: bool) -> None:
        """The patient consents, or withdraws their consent: then they are put out."""
        if not given and Bug.CONSENT_STICKS in self._bugs:
            return
        call = self._desk(appointment)
        booked = call.update(custom={"consent": given}).custom
        if not given:
            call.kick(str(booked["patient"]))

    def enter(self, appointment: str, user_id: str) -> Entry:
        """Somebody comes in."""
        booked = self._desk(appointment).get().custom
        if user_id == booked["patient"] and not booked["consent"]:
            raise NoConsent(f"{user_id} has to consent first")
        if user_id != booked["doctor"] and not self._doctor_is_in(appointment):
            raise DoctorAway(f"{booked['doctor']} is not there")
        return self.call(appointment, user_id).join()

    def leave(self, appointment: str, entry: Entry) -> None:
        """One device of somebody leaves."""
        desk = self._desk(appointment)
        doctor = desk.get().custom["doctor"]
        entry.leave()
        if entry.user_id != doctor:
            return
        if Bug.FIRST_DEVICE_COUNTS in self._bugs or not self._devices(appointment, doctor):
            for other in sorted(self._people(appointment)):
                desk.kick(other)

    def expel(self, appointment: str, doctor: str, user_id: str) -> None:
        """Put somebody out for good."""
        for_good = Bug.EXPELLED_FOR_A_MOMENT not in self._bugs
        self.call(appointment, doctor).kick(user_id, block=for_good)

    def finish(self, appointment: str, doctor: str) -> None:
        """The appointment is over."""
        self.call(appointment, doctor).end()

    def call(self, appointment: str, user_id: str) -> CallHandle:
        """The call of an appointment, as somebody holds it."""
        return self._room.as_user(user_id).call("default", appointment)

    def _desk(self, appointment: str) -> CallHandle:
        return self._room.system("clinic").call("default", appointment)

    def _doctor_is_in(self, appointment: str) -> bool:
        return bool(self._devices(appointment, self._desk(appointment).get().custom["doctor"]))

    def _devices(self, appointment: str, user_id: object) -> int:
        found = self._desk(appointment).query_participants({"user_id": str(user_id)})
        return len(found.items)

    def _people(self, appointment: str) -> set[str]:
        return {one.user_id for one in self._desk(appointment).query_participants().items}
