"""What SQLite is to think of the tables when it plans: that they are large, and calls crowded.

Left to itself it knows nothing of what stands in them, or what `ANALYZE` found on the day that
somebody ran it. It would take ten members for a crowd and read a whole call where two rows were
asked for. Told once what large views look like, it plans for those, and small ones do not mind.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from greenroom.projections.declared import PREFIX

ASSUMED: Final = {
    ("members", "members"): "1000000 50000 1",
    ("members", "members_by_age"): "1000000 50000 10 1",
    ("members", "members_by_role"): "1000000 50000 5000 10 1",
    ("members", "members_by_user"): "1000000 10 1 1",
    ("members", "members_by_folded_user"): "1000000 50000 2",
    ("users", "users"): "1000000 1",
    ("users", "users_by_name"): "1000000 2",
    ("members_past", "members_past"): "2400000 120000 3 1",
    ("members_past", "members_past_by_cid_created_at_user_id"): "2400000 120000 24 3 1 1",
    ("members_past", "members_past_by_user_id_cid"): "2400000 24 3 1 1",
    ("users_past", "users_past"): "1200000 2 1",
}
"""By table and index (the primary key has the table's name): how many rows there are, then how many
have the same first column, the same first two, and so on (https://sqlite.org/fileformat2.html)."""

_OF_DECLARED: Final = {"members": "1000000 400 50 2 1", "calls": "400 50 2 1"}
"""The same for indexes of declared fields, by table: in good favour, as `crowds` sees to it that
they are not used where they would give too much."""


def assume_crowds(connection: sqlite3.Connection) -> None:
    """Let the database remember `ASSUMED`, of the tables that it has."""
    tables = dict(connection.execute("SELECT name, tbl_name FROM sqlite_master"))
    there = tables.keys()
    if "sqlite_stat1" not in there:
        # The only way to make the table. It has to be run where there is something to count.
        connection.execute("CREATE TABLE greenroom_one AS SELECT 1 AS one")
        connection.execute("ANALYZE greenroom_one")
        connection.execute("DROP TABLE greenroom_one")
    said = {(*of, known) for of, known in ASSUMED.items() if there >= set(of)}
    said |= {
        (table, name, _OF_DECLARED[table])
        for name, table in tables.items()
        if name.startswith(PREFIX)
    }
    if said == set(connection.execute("SELECT tbl, idx, stat FROM sqlite_stat1")):
        return
    connection.execute("DELETE FROM sqlite_stat1")
    connection.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", sorted(said))
    connection.execute("ANALYZE sqlite_master")  # reads it
