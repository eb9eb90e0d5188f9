"""Acts and steps: what is shown while the demo plays, and what it came to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from greenroom.cli.output import printable, sign
from greenroom.domain.errors import GreenroomError

Fact = int | float | str | bool


class CheckFailed(Exception):  # noqa: N818 - the fact that a check failed
    """What was seen is not what must be."""


@dataclass
class Step:
    """One thing that is done and looked at."""

    act: str
    does: str
    passed: bool | None = None
    """None while it is being done, and where it was left out."""
    saw: str = ""
    facts: dict[str, Fact] = field(default_factory=dict)
    """The numbers and names seen, for programs."""
    seconds: float = 0.0

    def see(self, said: str, **facts: Fact) -> None:
        """Note what was seen."""
        self.saw = said
        self.facts |= facts

    def check(self, holds: object, otherwise: str) -> None:
        """Go on only where it holds.

        Raises:
            CheckFailed: it does not.
        """
        if not holds:
            raise CheckFailed(otherwise)


class Stage:
    """Plays acts one after another; one that fails is left, and the next begins."""

    def __init__(self, console: Console) -> None:
        self.steps: list[Step] = []
        self._console = console
        self._act = ""

    @property
    def passed(self) -> bool:
        """Whether every step was as it must be."""
        return all(step.passed is not False for step in self.steps)

    @contextmanager
    def act(self, title: str) -> Iterator[None]:
        """One part of the play. A failed step ends it, and nothing else."""
        self._act = title
        self._console.print()
        self._console.print(Rule(Text(title, style="bold"), align="left", style="dim"))
        try:
            yield
        except CheckFailed:
            return  # the step has said so

    @contextmanager
    def step(self, does: str) -> Iterator[Step]:
        """One step: ticked off when it ends, crossed out when it fails."""
        step = Step(self._act, does)
        self.steps.append(step)
        began = time.monotonic()
        try:
            with self._console.status(Text(does)):
                yield step
        except (CheckFailed, GreenroomError) as error:
            step.passed = False
            step.saw = str(error)
            raise CheckFailed(str(error)) from error
        else:
            step.passed = True
        finally:
            step.seconds = round(time.monotonic() - began, 3)
            if step.passed is not None:
                self._tick(step)

    def leave_out(self, does: str, why: str) -> None:
        """Say that a step is not done, and why."""
        self.steps.append(Step(self._act, does, saw=why))
        self._line(Text("-", style="yellow"), Text(does), Text(why, style="yellow"))

    def show(self, shown: RenderableType) -> None:
        """Something to look at, below the last step."""
        self._console.print(Padding(shown, (0, 0, 0, 2)))

    def _tick(self, step: Step) -> None:
        self._line(
            sign(passed=bool(step.passed)),
            Text(printable(step.does)),
            Text(printable(step.saw), style="cyan" if step.passed else "red"),
        )

    def _line(self, mark: Text, does: Text, saw: Text) -> None:
        """One line; where it takes more, they stay clear of the mark."""
        line = Table.grid(padding=(0, 1))
        line.add_row(mark, Text.assemble(does, (" · ", "dim"), saw) if saw else does)
        self._console.print(line)
