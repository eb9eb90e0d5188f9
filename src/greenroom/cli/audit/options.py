"""The options that commands of `greenroom audit` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

DEFAULT_LEDGER: Final = Path("greenroom-ledger")

LedgerOption = Annotated[
    Path,
    typer.Option(
        "--ledger",
        metavar="DIRECTORY",
        envvar="GREENROOM_LEDGER",
        help="Where the key, the checkpoints and the tree over the log are kept.",
    ),
]
