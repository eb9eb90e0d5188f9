"""Stands between SQLite and its files: the library's own VFS, with an observer in front.

It is put into the very library that Python's `sqlite3` uses, by `ctypes`: whatever is opened
afterwards in this process goes through it, and nothing else has to be built or installed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_void_p, cast
from typing import Any, Final, Protocol

OK: Final = 0

_CLOSE = CFUNCTYPE(c_int, c_void_p)
_MOVE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_FIND = CFUNCTYPE(c_void_p, c_char_p)
_REGISTER = CFUNCTYPE(c_int, c_void_p, c_int)


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", _CLOSE),
        ("read", _MOVE),
        ("write", _MOVE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("others", c_void_p * 13),  # sizes, locks, shared memory: as they are
    )


class _File(ctypes.Structure):
    """The beginning of every `sqlite3_file`."""

    _fields_ = (("methods", POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("others", c_void_p * 14),  # paths, chance, clocks, system calls: as they are
    )


class Observer(Protocol):
    """Is asked before each operation on a file that has a name.

    Each answers 0, and the operation is done; or one of SQLite's error codes, and it is not.
    """

    def opens(self, path: str) -> int:
        """A file, which is made where there is none."""
        ...

    def reads(self, path: str) -> int:
        """Some of it."""
        ...

    def writes(self, path: str, offset: int, data: bytes) -> int:
        """These bytes, there."""
        ...

    def truncates(self, path: str, size: int) -> int:
        """To so many bytes."""
        ...

    def syncs(self, path: str) -> int:
        """Everything of it to the disk."""
        ...

    def deletes(self, path: str) -> int:
        """The file."""
        ...


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Files that SQLite opens in this process are the observer's, until then."""
    library = _library()
    real = cast(_FIND(("sqlite3_vfs_find", library))(None), POINTER(_Vfs))
    register, unregister = (
        _REGISTER(("sqlite3_vfs_register", library)),
        _CLOSE(("sqlite3_vfs_unregister", library)),
    )
    front = _Front(real, observer)
    register(byref(front.vfs), 1)
    try:
        yield
    finally:
        unregister(byref(front.vfs))
        register(real, 1)
        _KEPT.append(front)  # connections may be collected later, and close their files then


def _library() -> ctypes.CDLL:
    import _sqlite3  # noqa: PLC0415 - the extension module: what it is linked to is found by it

    return ctypes.CDLL(getattr(_sqlite3, "__file__", None))


_KEPT: Final[list[object]] = []


class _Front:
    """A VFS that asks an observer, and then does as the real one."""

    def __init__(self, real: Any, observer: Observer) -> None:
        self._real = real
        self._observer = observer
        self._paths: dict[int, str] = {}
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}
        """By the address of the real ones: those, and ours."""
        self._of: dict[int, _Methods] = {}
        """The real methods of each open file."""
        self.vfs = _Vfs.from_buffer_copy(real.contents)
        self.vfs.name = b"observed"
        self.vfs.next = None
        self.vfs.open = _OPEN(self._open)
        self.vfs.delete = _DELETE(self._delete)

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        path = None if name is None else ctypes.string_at(name).decode()
        if path is not None and (code := self._observer.opens(path)):
            cast(file, POINTER(_File)).contents.methods = POINTER(_Methods)()
            return code
        code = self._real.contents.open(cast(self._real, c_void_p).value, name, file, flags, out)
        if code == OK and path is not None:
            opened = cast(file, POINTER(_File)).contents
            address = cast(opened.methods, c_void_p).value or 0
            if address not in self._methods:
                self._methods[address] = opened.methods.contents, self._ours(opened.methods)
            self._of[file], ours = self._methods[address]
            self._paths[file] = path
            opened.methods = ctypes.pointer(ours)
        return int(code)

    def _delete(self, vfs: int, name: bytes, directory: int) -> int:
        code = self._observer.deletes(name.decode())
        place = cast(self._real, c_void_p).value
        return code or int(self._real.contents.delete(place, name, directory))

    def _ours(self, real: Any) -> _Methods:
        methods = _Methods.from_buffer_copy(real.contents)
        methods.close = _CLOSE(self._close)
        methods.read = _MOVE(self._read)
        methods.write = _MOVE(self._write)
        methods.truncate = _TRUNCATE(self._truncate)
        methods.sync = _SYNC(self._sync)
        return methods

    def _close(self, file: int) -> int:
        self._paths.pop(file)
        return int(self._of.pop(file).close(file))

    def _read(self, file: int, into: int, size: int, offset: int) -> int:
        code = self._observer.reads(self._paths[file])
        return code or int(self._of[file].read(file, into, size, offset))

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        code = self._observer.writes(self._paths[file], offset, ctypes.string_at(data, size))
        return code or int(self._of[file].write(file, data, size, offset))

    def _truncate(self, file: int, size: int) -> int:
        code = self._observer.truncates(self._paths[file], size)
        return code or int(self._of[file].truncate(file, size))

    def _sync(self, file: int, flags: int) -> int:
        code = self._observer.syncs(self._paths[file])
        return code or int(self._of[file].sync(file, flags))
