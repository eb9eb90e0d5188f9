"""The export on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from greenroom import Greenroom

Run = Callable[..., Any]


@pytest.mark.slow
def test_an_export_goes_on_where_the_last_one_ended(run: Run, clinic: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first = json.loads(run("export", "--parquet", str(lake), "--json").stdout)
    assert first["stays"] == 4
    assert run("export", "--parquet", str(lake)).exit_code == 2  # it is there
    assert run("export", "--parquet", f"{clinic.removeprefix('sqlite:///')}/no").exit_code == 2
    with Greenroom.open(clinic, timers=False) as room:
        room.as_user("thierry").call("default", "appointment-1").go_live()
        position = room.position
    told = run("export", "--parquet", str(lake), "--after", str(first["position"]))
    assert told.exit_code == 0, told.stderr
    assert f"go on with --after {position}" in told.stderr
    names = pq.read_table(lake / "events")["name"].to_pylist()
    assert len(names) == position
    assert names[-1] == "call.went_live"
