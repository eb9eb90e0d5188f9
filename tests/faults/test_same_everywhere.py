"""One script of many commands leaves the same bytes wherever it runs, and is answered the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from tests.faults.sizes import sized

from greenroom.testing.postgres import PrivatePostgres

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = sized(280.0, 3000.0)
"""Seconds that the script may take, of which it needs ten: a machine may be crowded."""
GOLDEN: Final = {
    "log": "726d98ce19fe1617beaa5e71db8b6533f5baba654fdb6a183addce3bb413a719",
    "root": "0e1595bfaeb9d2b217148d28bbd23b889db93e046c294999945360788715148d",
    "views": "0fc169bbe060dde9b6f348b5d31a8d1b36e7928b5ffc2d2ddaa5922498125902",
    "answers": "15a1991a676541ed07c7c4ab0059683947519f7181b5f324463a0acd12d0e5f1",
}
"""What comes of `one_script` on every Python, machine and store: every record as it is stored, the
root of the tree over them, all rows of the views, and what is answered. Whoever changes any of it
puts in what `python -m tests.faults.one_script memory://` prints."""
PLACES: Final[Mapping[str, Mapping[str, str]]] = {
    "no order of hashes": {"PYTHONHASHSEED": "0", "TZ": "UTC"},
    "another order, and Apia": {"PYTHONHASHSEED": "1", "TZ": "Pacific/Apia", "LC_ALL": "C"},
    "Kathmandu": {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "LC_ALL": "POSIX"},
    "no assertions": {"PYTHONHASHSEED": "random", "PYTHONOPTIMIZE": "2", "TZ": "America/St_Johns"},
    "no UTF-8": {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
    "strict": {"PYTHONWARNINGS": "error::ResourceWarning", "PYTHONDEVMODE": "1"},
}
"""Environments that programs have been known to behave differently in."""
DATABASES: Final = {
    "plain": "",
    "Turkish": "LOCALE_PROVIDER icu ICU_LOCALE 'tr'",
    "deaf to case": "LOCALE_PROVIDER icu ICU_LOCALE 'sv-u-ks-level1-kn-true'",
}
"""How databases order text, and what is one letter to them."""


def digests(url: str, place: str, *, umask: int = 0o022, python: str = sys.executable) -> object:
    """What the script prints there."""
    kept = {name: said for name, said in os.environ.items() if not name.startswith("LC_")}
    where = {**kept, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **PLACES[place]}
    script = [python, str(ROOT / "tests" / "faults" / "one_script.py"), url]
    done = subprocess.run(
        script, env=where, umask=umask, capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("place", sized([*PLACES][1:2], [*PLACES]))
def test_in_memory_it_is_so(place: str, tried: Callable[[str, int], None]) -> None:
    assert digests("memory://", place) == GOLDEN
    tried("memory", 1)


@pytest.mark.parametrize("place", sized([*PLACES][2:3], [*PLACES]))
@pytest.mark.parametrize("umask", sized([0o077], [0o077, 0o000]))
def test_in_a_file_it_is_so(place: str, umask: int, tmp_path: Path) -> None:
    assert digests(f"sqlite:///{tmp_path / 'calls.db'}", place, umask=umask) == GOLDEN


@pytest.fixture
def database(postgres: PrivatePostgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with an order of its own, in a time zone and a style of dates."""
    name = f"orders_{[*DATABASES].index(request.param)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0 {DATABASES[request.param]}")
    postgres.execute(f"ALTER DATABASE {name} SET TimeZone = 'Asia/Kathmandu'")
    postgres.execute(f"ALTER DATABASE {name} SET DateStyle = 'German'")
    yield postgres.url(name)
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("place", sized([*PLACES][3:4], [*PLACES]))
@pytest.mark.parametrize("database", sized([*DATABASES][2:], [*DATABASES]), indirect=True)
def test_on_a_postgres_server_it_is_so(place: str, database: str) -> None:
    assert digests(database, place) == GOLDEN


@pytest.mark.parametrize("store", sized(["sqlite"], ["memory", "sqlite", "postgresql"]))
@pytest.mark.parametrize("python", os.environ.get("FAULTS_PYTHONS", sys.executable).split(":"))
def test_on_every_python_it_is_so(
    python: str,
    store: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    tried: Callable[[str, int], None],
) -> None:
    """On the one that runs the tests, unless others are named, which have to know greenroom.

    One that is not here has its name for a path, and is skipped, which the page tells.
    """
    if not Path(python).exists():
        pytest.skip(f"{python} is not here")
    url = f"{store}:///{tmp_path / 'calls.db'}" if store == "sqlite" else f"{store}://"
    if store == "postgresql":
        url = request.getfixturevalue("postgres_url")
    assert digests(url, "strict", python=python) == GOLDEN
    tried(store, 1)
