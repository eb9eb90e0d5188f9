"""How a method for threads becomes one for tasks: the same arguments, the same answer, awaited.

A class for tasks names each method once. Its arguments, types and documentation are those of the
method it stands for, so that neither can be changed without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from greenroom.aio.desk import AsyncDesk

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")


class Mirror(Protocol):
    """What a class for tasks has to offer to the methods it mirrors."""

    @property
    def desk(self) -> AsyncDesk:
        """Where what blocks is done."""
        ...

    @property
    def asking(self) -> Any:
        """The object for threads, whose commands are answered by something to await."""
        ...

    @property
    def reading(self) -> Any:
        """The object for threads itself."""
        ...


class Awaited(Generic[P, T]):
    """A method to be awaited."""

    def __init__(self, function: Callable[..., Coroutine[Any, Any, T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, handle: None, owner: type) -> Awaited[P, T]: ...
    @overload
    def __get__(self, handle: Mirror, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(
        self, handle: Mirror | None, owner: type
    ) -> Awaited[P, T] | Callable[P, Coroutine[Any, Any, T]]:
        return self if handle is None else MethodType(self._function, handle)


def command(method: Callable[Concatenate[Any, P], T]) -> Awaited[P, T]:
    """A command: decided on the loop, recorded with those of others."""

    @wraps(method)
    async def ask(handle: Mirror, /, *args: P.args, **kwargs: P.kwargs) -> T:
        coming = cast("Coroutine[Any, Any, T]", method(handle.asking, *args, **kwargs))
        return await coming

    return Awaited(ask)


def answering(
    method: Callable[Concatenate[Any, P], T], turned: Callable[[Any, T], U]
) -> Awaited[P, U]:
    """The same for a command whose answer is `turned` into what tasks can use.

    Args:
        method: for threads.
        turned: is given the mirror and the answer.
    """

    @wraps(method)
    async def ask(handle: Mirror, /, *args: P.args, **kwargs: P.kwargs) -> U:
        coming = cast("Coroutine[Any, Any, T]", method(handle.asking, *args, **kwargs))
        return turned(handle, await coming)

    return Awaited(ask)


def blocking(method: Callable[Concatenate[Any, P], T]) -> Awaited[P, T]:
    """A read, or whatever else blocks: done in a thread."""

    @wraps(method)
    async def ask(handle: Mirror, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await handle.desk.in_thread(method, handle.reading, *args, **kwargs)

    return Awaited(ask)
