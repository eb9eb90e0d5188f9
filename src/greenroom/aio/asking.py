"""The core as handles know it, for tasks: what they ask for is answered by something to await."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from pydantic import TypeAdapter

from greenroom.aio.desk import AsyncDesk
from greenroom.answers import Answer
from greenroom.core import Core
from greenroom.desk import Command
from greenroom.domain.call_turn import CallTurn
from greenroom.domain.message import CallId
from greenroom.domain.operations.operation import Operation
from greenroom.domain.turn import Claim, Turn
from greenroom.live import LiveCore
from greenroom.sight import Sight

A = TypeVar("A", bound=Answer)
R = TypeVar("R")


class Asking(ABC):
    """Takes the place of a core in handles that only issue commands."""

    def __init__(self, core: Core, desk: AsyncDesk) -> None:
        self.core: Final = core
        self.desk: Final = desk
        self.ids: Final = core.ids

    @abstractmethod
    def ask(
        self,
        cid: CallId,
        claim: Claim,
        operation: Operation[CallTurn],
        *,
        answer: Callable[[CallTurn], A],
        kind: TypeAdapter[A],
        request_id: str | None = None,
    ) -> Coroutine[Any, Any, A]:
        """Carry an operation on a call out."""

    async def then(self, answer: Coroutine[Any, Any, A], go_on: Callable[[A], R]) -> R:
        """Go on with what was asked for, once it is there."""
        return go_on(await answer)

    def instead(self) -> LiveCore:
        """Itself, for handles: they pass on what they are answered, whatever it is."""
        return cast("LiveCore", self)


class AskingThePast(Asking):
    """Of a room as it was: reads only."""

    def ask(
        self,
        cid: CallId,
        claim: Claim,
        operation: Operation[CallTurn],
        *,
        answer: Callable[[CallTurn], A],
        kind: TypeAdapter[A],
        request_id: str | None = None,
    ) -> Coroutine[Any, Any, A]:
        """Read, in a thread."""
        return self.desk.in_thread(
            self.core.ask, cid, claim, operation, answer=answer, kind=kind, request_id=request_id
        )


class AskingNow(Asking):
    """Of the room of now."""

    def __init__(self, core: LiveCore, desk: AsyncDesk) -> None:
        super().__init__(core, desk)
        self.live: Final = core

    def ask(
        self,
        cid: CallId,
        claim: Claim,
        operation: Operation[CallTurn],
        *,
        answer: Callable[[CallTurn], A],
        kind: TypeAdapter[A],
        request_id: str | None = None,
    ) -> Coroutine[Any, Any, A]:
        """Carry an operation on a call out."""
        return self.desk.carry_out(
            self.live.command(
                cid, claim, operation, answer=answer, kind=kind, request_id=request_id
            )
        )

    def carry_out(self, command: Command[Any, A]) -> Coroutine[Any, Any, A]:
        """Carry any command out."""
        return self.desk.carry_out(command)

    def plain_turn(self, claim: Claim) -> Callable[[datetime, Sight], Turn]:
        """Turns about call types and users."""
        return self.live.plain_turn(claim)
