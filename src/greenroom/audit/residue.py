"""Whether words that should be gone still stand anywhere: byte for byte, in files and tables."""

from __future__ import annotations

import io
import json
import mmap
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from greenroom.adapters.tables import Tables, open_tables
from greenroom.domain.errors import InvalidInput, StoreError

_SHORTEST: Final = 3
"""Characters: shorter words stand everywhere by chance."""
_ZIP: Final = b"PK\x03\x04"
_TABLES: Final = (
    "SELECT table_schema, table_name FROM information_schema.tables"
    " WHERE starts_with(table_schema, 'greenroom') ORDER BY 1, 2"
)
_STATISTICS: Final = (
    "SELECT count(*) FROM pg_stats AS one"
    " WHERE starts_with(schemaname, 'greenroom') AND strpos(one::text, ?) > 0"
)
"""The server quotes values in them, also of rows that are gone."""


@dataclass(frozen=True, slots=True)
class Residue:
    """A word that still stands somewhere. It is not repeated here."""

    place: str
    """A file, a file in a ZIP file, or a table."""
    number: int
    """Which of the words: 1 for the first."""


def residue(words: Sequence[str], where: str | Path) -> list[Residue]:
    """Where any of `words` stands, as UTF-8, as UTF-16, as JSON escapes it, or case-folded.

    Args:
        words: what nobody should be able to read any more; from three characters on.
        where: the URL of a store: its file with the log that SQLite writes ahead, and its views
            beside it; or all tables of its database. Or a file, or a folder with all files in it.

    Raises:
        InvalidInput: a word is too short.
        StoreError: it cannot be looked at.
    """
    if not words or any(len(word) < _SHORTEST for word in words):
        raise InvalidInput("words", f"at least one, and each of {_SHORTEST} characters or more")
    wanted = {number: _ways_to_write(word) for number, word in enumerate(words, start=1)}
    if isinstance(where, str):
        with open_tables(where) as tables:
            tables.must_be_store()
            if tables.kind != "sqlite":
                return list(_in_tables(tables, wanted))
            path = Path(tables.name)
        beside = sorted(path.parent.glob(f"{path.stem}*"))
        files = [file for one in beside for file in _files_at(one)]
    else:
        files = _files_at(where) or [where]
    return [found for file in files for found in _in_file(file, wanted)]


def _files_at(path: Path) -> list[Path]:
    """The file, or those in the folder and in folders below."""
    there = [path] if path.is_file() else path.rglob("*")
    return sorted(one for one in there if one.is_file())


def _ways_to_write(word: str) -> Sequence[bytes]:
    """The bytes that a word may stand as."""
    ways: dict[bytes, None] = {}
    for form in (word, word.casefold()):
        escaped = json.dumps(form)[1:-1]
        for way in (form.encode(), form.encode("utf-16-le"), escaped.encode()):
            ways[way] = None
    return [*ways]


def _in_file(path: Path, wanted: Mapping[int, Sequence[bytes]]) -> Iterator[Residue]:
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield from _in_data(str(path), data, wanted)
                if data[: len(_ZIP)] == _ZIP:
                    yield from _in_zip(path, wanted)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _in_zip(path: Path, wanted: Mapping[int, Sequence[bytes]]) -> Iterator[Residue]:
    """In what a ZIP file holds packed; stored files show in its own bytes as well."""
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as packed:
            for name in packed.namelist():
                yield from _in_data(f"{path}: {name}", packed.read(name), wanted)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return


def _in_data(
    place: str, data: bytes | mmap.mmap, wanted: Mapping[int, Sequence[bytes]]
) -> Iterator[Residue]:
    for number, ways in wanted.items():
        if any(data.find(way) >= 0 for way in ways):
            yield Residue(place, number)


def _in_tables(tables: Tables, wanted: Mapping[int, Sequence[bytes]]) -> Iterator[Residue]:
    """In every row of every table, as text; bytes stand in it as hexadecimal digits."""
    counted = {
        f"{schema}.{table}": (
            f'SELECT count(*) FROM "{schema}"."{table}" AS one WHERE strpos(one::text, ?) > 0'
        )
        for schema, table in tables.ask(_TABLES)
    }
    for place, question in (*counted.items(), ("statistics of columns", _STATISTICS)):
        for number, ways in wanted.items():
            written = [way.decode("latin-1") for way in ways] + [way.hex() for way in ways]
            # No text in PostgreSQL holds a zero.
            if any(tables.number(question, text) for text in written if "\0" not in text):
                yield Residue(place, number)
