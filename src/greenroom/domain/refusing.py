"""What all errors have in common, and how refusals tell their reasons."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from datetime import datetime

    from greenroom.domain.reasons import Reason


class GreenroomError(Exception):
    """Base of every error that greenroom raises."""

    code: ClassVar[str]
    """Stable name for programs; the message is for people."""

    def __reduce__(self) -> tuple[Any, ...]:
        """How it goes to other processes: as it is, whatever it was made of."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


class Refused(GreenroomError):  # noqa: N818 - the fact that it is refused
    """The rules refuse the command; nothing was recorded."""

    at: datetime | None = None
    """When it was decided; None where no call was asked."""
    _reasons: tuple[Reason, ...] = ()
    _find: Callable[[], tuple[Reason, ...]] | None = None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The rules that were asked, up to the one that refuses, as `call.explain` tells them.

        Found out when they are first looked at: that reads the store. Empty where no call was
        asked for anything.
        """
        if self._find is not None:
            self._reasons, self._find = self._find(), None
        return self._reasons

    def explained_by(self, find: Callable[[], tuple[Reason, ...]], at: datetime) -> None:
        """It was decided then; let `find` tell the reasons, when somebody wants to know."""
        self._find, self.at = find, at

    def __reduce__(self) -> tuple[Any, ...]:
        """With its reasons, as far as they can still be found out."""
        with suppress(GreenroomError):
            self.reasons  # noqa: B018 - looked at, so that they are there
        kept = {name: value for name, value in self.__dict__.items() if name != "_find"}
        return type(self).__new__, (type(self), *self.args), kept
