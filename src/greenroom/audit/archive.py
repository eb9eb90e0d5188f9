"""Bundles as ZIP files that are the same to the byte wherever they are made.

Nothing is compressed and nothing says when: so the same contents make the same file, and a file
that is not exactly what its contents make is damaged.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final
from zlib import crc32

from greenroom.audit.trees import Unproven

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_VERSION, _UTF8, _STORED, _TIME, _NEW_YEAR_1980 = 20, 0x0800, 0, 0, 0x21
_LARGEST_FILE: Final = 2**32 - 1
_MOST_FILES: Final = 2**16 - 1
_UNIX_FILE: Final = 0o100644 << 16
_MADE_ON_UNIX: Final = 3 << 8


def pack(files: Mapping[str, bytes]) -> bytes:
    """The ZIP file with these contents, by the order of their names.

    Raises:
        Unproven: it would be larger than 4 GB.
    """
    locals_, centrals, offset = [], [], 0
    if len(files) > _MOST_FILES or sum(map(len, files.values())) > _LARGEST_FILE // 2:
        raise Unproven("a bundle cannot be that large")
    for name, data in sorted(files.items()):
        called = name.encode()
        said = (_UTF8, _STORED, _TIME, _NEW_YEAR_1980, crc32(data), len(data), len(data))
        local = _LOCAL.pack(b"PK\x03\x04", _VERSION, *said, len(called), 0) + called + data
        rest = (len(called), 0, 0, 0, 0, _UNIX_FILE, offset)
        made_by = _MADE_ON_UNIX | _VERSION
        central = _CENTRAL.pack(b"PK\x01\x02", made_by, _VERSION, *said, *rest)
        locals_.append(local)
        centrals.append(central + called)
        offset += len(local)
    directory = b"".join(centrals)
    count = len(files)
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), offset, 0)
    return b"".join(locals_) + directory + end


def unpack(archive: bytes) -> dict[str, bytes]:
    """The contents of a ZIP file that `pack` made.

    Raises:
        Unproven: it did not make this one.
    """
    files: dict[str, bytes] = {}
    at = 0
    while archive[at : at + 4] == b"PK\x03\x04" and at + _LOCAL.size <= len(archive):
        *_, size, length, _ = _LOCAL.unpack_from(archive, at)
        begin = at + _LOCAL.size + length
        try:
            name = archive[at + _LOCAL.size : begin].decode()
        except UnicodeDecodeError:
            break
        files[name] = archive[begin : begin + size]
        at = begin + size
    if pack(files) != archive:
        raise Unproven("the file is not a bundle as it was made: some of its bytes are others")
    return files
