"""The options that commands of `greenroom audit` share, and what they work with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from greenroom.adapters.tables import open_tables
from greenroom.audit.ledger import Ledger
from greenroom.audit.log import Log
from greenroom.audit.tiles import replace
from greenroom.domain.errors import InvalidInput, StoreError

DEFAULT_LEDGER: Final = Path("greenroom-ledger")
WORDS: Final = {"hashed": "records hashed", "read": "records read"}
"""What bars say."""

LedgerOption = Annotated[
    Path,
    typer.Option(
        "--ledger",
        metavar="DIRECTORY",
        envvar="GREENROOM_LEDGER",
        help="Where the key, the checkpoints and the tree over the log are kept.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Write it there."),
]
KeptOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint", metavar="FILE", help="An earlier checkpoint that you kept; repeatable."
    ),
]


@contextmanager
def looking(store: str) -> Iterator[Log]:
    """The log of the store, which is only read.

    Raises:
        InvalidInput, StoreError: it cannot be.
    """
    try:
        tables = open_tables(store)
    except StoreError as error:
        error.add_note("Name another store with --store or GREENROOM_STORE.")
        raise
    with tables:
        yield Log(tables)


def kept_there(directory: Path) -> Ledger:
    """The ledger in a directory.

    Raises:
        StoreError: there is none.
    """
    ledger = Ledger(directory)
    try:
        _ = ledger.verifier
    except StoreError as error:
        error.add_note(
            "Name another with --ledger or GREENROOM_LEDGER;"
            " `greenroom audit key --origin NAME` makes one."
        )
        raise
    return ledger


def read_all(paths: Sequence[Path] | None, option: str) -> list[bytes]:
    """What stands in these files.

    Raises:
        InvalidInput: one of them cannot be read.
    """
    try:
        return [path.read_bytes() for path in paths or ()]
    except OSError as error:
        raise InvalidInput(option, f"files that can be read ({error})") from error


def write(path: Path, data: bytes) -> None:
    """Put a file in place.

    Raises:
        InvalidInput: it cannot be written.
    """
    try:
        replace(path, data)
    except OSError as error:
        raise InvalidInput("--out", f"a file that can be written ({error})") from error
