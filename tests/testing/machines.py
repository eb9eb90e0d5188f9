"""Machines with a fault in what they drive, for the exam of the harness."""

from __future__ import annotations

from greenroom.testing import CallMachine, Driver, Outcome, RoomDriver, Wish


class ForgetfulDoor(RoomDriver):
    """Somebody who was kicked is kept out, as if they had been blocked."""

    def carry_out(self, wish: Wish) -> Outcome:
        if wish.name == "kick":
            wish = Wish(wish.name, wish.by, wish.after, {**wish.arguments, "block": True})
        return super().carry_out(wish)


class ForgetfulMachine(CallMachine):
    cids = ("default:123",)
    asks = ("join", "kick")

    def driver(self) -> Driver:
        return ForgetfulDoor()


class BrokenDoor(RoomDriver):
    """Cannot bear that anybody mutes."""

    def carry_out(self, wish: Wish) -> Outcome:
        if wish.name == "mute":
            raise ZeroDivisionError("nobody can be muted")
        return super().carry_out(wish)


class BrokenMachine(CallMachine):
    def driver(self) -> Driver:
        return BrokenDoor()
