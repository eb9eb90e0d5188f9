"""Files that take longest, the longest first: they begin first, or a core waits at the end.

Measured by how long their slow tests took; who is wrong here loses nothing but time.
"""

from __future__ import annotations

from typing import Final

LONGEST: Final = (
    "tests/engine/test_crashes.py",
    "tests/faults/test_kills.py",
    "tests/engine/test_processes.py",
    "tests/adapters/test_store_kill9.py",
    "tests/faults/test_every_statement.py",
    "tests/faults/test_stopped.py",
    "tests/workers/test_processes.py",
    "tests/http/test_browsers.py",
    "tests/faults/test_io_errors.py",
    "tests/faults/test_lines.py",
    "tests/engine/test_trailing.py",
    "tests/cli/test_db.py",
    "tests/aio/test_many.py",
    "tests/engine/test_projection_kills.py",
    "tests/faults/test_restore.py",
    "tests/faults/test_clock_jumps.py",
    "tests/adapters/test_store_erasure.py",
    "tests/faults/test_same_everywhere.py",
    "tests/faults/test_power_cut.py",
    "tests/faults/test_server_faults.py",
    "tests/projections/test_plans.py",
    "tests/projections/test_rebuilding.py",
    "tests/adapters/test_sqlite_store.py",
    "tests/adapters/test_postgres_lost.py",
    "tests/faults/test_frozen_server.py",
    "tests/faults/test_forked.py",
    "tests/faults/test_full_house.py",
    "tests/hostile/test_fuzz.py",
    "tests/hostile/test_wrong_types.py",
    "tests/house/test_packaging.py",
    "tests/aio/test_closing.py",
    "tests/media/test_janus.py",
    "tests/testing/test_faults.py",
)
