"""The commands under `greenroom audit`."""

from __future__ import annotations

from typing import Final

import typer

from greenroom.cli.audit import checkpoint, export, key, prove, report, residue, stats, verify
from greenroom.cli.failing import Guarded

app: Final = typer.Typer(rich_markup_mode="rich", no_args_is_help=True)
"""One function a command, in files beside this one."""

for _name, _function in (
    ("key", key.key),
    ("checkpoint", checkpoint.checkpoint),
    ("export", export.export),
    ("prove", prove.prove),
    ("verify", verify.verify),
    ("report", report.report),
    ("stats", stats.stats),
    ("residue", residue.residue),
):
    app.command(_name, cls=Guarded)(_function)
