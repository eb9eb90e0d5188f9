"""`media`: audio and video in processes of their own, and what goes through them."""

from __future__ import annotations

from typing import Final

import typer

from greenroom.cli.failing import Guarded
from greenroom.cli.media import run, top

app: Final = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
"""The commands under `greenroom media`, each in a module of its own beside this one."""


@app.callback()
def media() -> None:
    """Audio and video in processes of their own, and what goes through them."""


app.command("run", cls=Guarded)(run.run)
app.command("top", cls=Guarded)(top.top)
