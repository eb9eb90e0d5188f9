"""The clinic's rules for the harness: a driver, what differs in the model, and the machine."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from examples.clinic.clinic import Bug, Clinic
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from greenroom import Member
from greenroom.testing import (
    CallMachine,
    CallModel,
    Driver,
    Refusal,
    RoomDriver,
    Wish,
    asked,
    wish,
)

DOCTOR, PATIENT, COMPANION = "alice", "charlie", "tommaso"
PEOPLE = (DOCTOR, PATIENT, COMPANION)


class ClinicModel(CallModel):
    """What the clinic does otherwise than a bare call."""

    def do_create(self, who: Any, **_: Any) -> None:
        """An appointment is booked."""
        super().do_create(
            who,
            members=[Member(DOCTOR, role="host"), Member(PATIENT), Member(COMPANION)],
            custom={"doctor": DOCTOR, "patient": PATIENT, "consent": False},
        )

    def do_consent(self, who: Any, *, given: bool) -> None:
        """The patient consents, or withdraws it."""
        del who
        self.state.custom["consent"] = given
        if not given:
            self.put_out({PATIENT})

    def do_join(self, who: Any, **_: Any) -> None:
        """The clinic's own two rules come first."""
        if who.user_id == PATIENT and not self.state.custom["consent"]:
            raise Refusal("no_consent")
        if who.user_id != DOCTOR and DOCTOR not in self.present:
            raise Refusal("doctor_away")
        super().do_join(who)

    def do_leave(self, who: Any, *, entry: int | None = None) -> None:
        """With the doctor everybody goes."""
        doctor_was_in = DOCTOR in self.present
        super().do_leave(who, entry=entry)
        if doctor_was_in and DOCTOR not in self.present:
            self.put_out(None)

    def do_kick(self, who: Any, user_id: str, **_: Any) -> None:
        """Who is expelled does not come back."""
        super().do_kick(who, user_id, block=True)


class ClinicDriver(RoomDriver):
    """Asks the clinic, where it has a method; what can be seen is seen in its room."""

    def __init__(self, bugs: Sequence[Bug]) -> None:
        super().__init__()
        self._bugs = bugs

    def open(self, cid: str, now: datetime) -> None:
        """Open the room, and the clinic in it."""
        super().open(cid, now)
        self.clinic = Clinic(self.room, self._bugs)

    def asked(self, wish: Wish) -> Any:
        """What the clinic answers."""
        by, said = wish.by.name, wish.arguments
        _, _, appointment = self.cid.partition(":")
        match wish.name:
            case "create":
                return self.clinic.book(appointment, DOCTOR, PATIENT, COMPANION)
            case "consent":
                return self.clinic.consent(appointment, **said)
            case "join":
                self.entries.append(self.clinic.enter(appointment, by))
                return None
            case "leave":
                return self.clinic.leave(appointment, self.entries[said["entry"]])
            case "kick":
                return self.clinic.expel(appointment, by, said["user_id"])
            case "end":
                return self.clinic.finish(appointment, by)
        return super().asked(wish)


class ClinicMachine(CallMachine):
    """Asks a clinic for what a clinic offers."""

    cids = ("default:appointment",)
    asks = ("time_passes",)
    model = ClinicModel
    people = PEOPLE
    bugs: ClassVar[Sequence[Bug]] = ()

    def driver(self) -> Driver:
        """A clinic in memory."""
        return ClinicDriver(self.bugs)

    @initialize()
    def found(self) -> None:
        """The appointment is booked."""
        self.begin(self.cids[0])
        self.ask(wish("system:clinic", "create"))

    join = asked("join", st.builds(wish, st.sampled_from((DOCTOR, *PEOPLE)), st.just("join")))
    leave = asked(
        "leave",
        st.builds(lambda n: wish(DOCTOR, "leave", entry=n), st.integers(0, 5)),
    )
    kick = asked(
        "kick",
        st.builds(
            lambda by, who: wish(by, "kick", user_id=who),
            st.sampled_from((DOCTOR, DOCTOR, PATIENT)),
            st.sampled_from((PATIENT, COMPANION)),
        ),
    )
    end = asked("end", st.builds(wish, st.sampled_from(PEOPLE), st.just("end")))
    consent = asked(
        "consent",
        st.builds(lambda given: wish(PATIENT, "consent", given=given), st.booleans()),
    )


def machine_with(bug: Bug) -> type[ClinicMachine]:
    """The machine for a clinic that makes this mistake."""

    class Mistaken(ClinicMachine):
        bugs = (bug,)

    return Mistaken
