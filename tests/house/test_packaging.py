"""What is built installs, and holds every module and nothing that should not travel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What the command prints; what it complains of is the failure's message."""
    line = [*map(str, command)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(line, check=False, capture_output=True, text=True, cwd=cwd, env=env)
    if done.returncode:
        pytest.fail(f"{line[:4]} failed:\n{done.stdout[-2_000:]}{done.stderr[-4_000:]}")
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and a sdist, built without the network."""
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT)
    return dist


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a fresh environment with the wheel in it; dependencies come from this one."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=True, symlinks=True)
    python = home / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python


def modules() -> list[str]:
    """Every module that may be imported: `python -m greenroom` is run, not imported."""
    files = (SRC / "greenroom").rglob("*.py")
    paths = [path.relative_to(SRC) for path in files if path.name != "__main__.py"]
    return sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths)


def test_the_wheel_holds_every_file_of_the_package_once_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packed = sorted(name for name in names if ".dist-info/" not in name)
    assert packed == sorted(
        str(path.relative_to(SRC))
        for path in (SRC / "greenroom").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    assert "greenroom/py.typed" in packed


def test_the_sdist_holds_each_source_once_and_what_is_needed_to_check_it(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert len(names) == len(set(names))
    sources = {name for name in names if name.endswith(".py") and "/greenroom/" in f"/{name}"}
    assert sources == {str(path.relative_to(ROOT)) for path in (SRC / "greenroom").rglob("*.py")}
    assert {"pyproject.toml", "README.md", "LICENSE", "noxfile.py", "tests/conftest.py"} <= set(
        names
    )


def test_every_module_can_be_imported_from_the_installed_wheel(
    installed: Path, tmp_path: Path
) -> None:
    program = (
        "import importlib, sys; print(importlib.import_module(sys.argv[1]).__file__);"
        "[importlib.import_module(name) for name in sys.argv[1:]]"
    )
    output = run(installed, "-c", program, *modules(), cwd=tmp_path)
    assert Path(output.splitlines()[0]).is_relative_to(installed.parents[1])


def test_the_command_line_starts(installed: Path, tmp_path: Path) -> None:
    assert "demo" in run(installed.with_name("greenroom"), "--help", cwd=tmp_path)


A_CALL = """
import sys
from pathlib import Path
from greenroom import Greenroom
from greenroom.audit.single_file import single_file

with Greenroom.open(sys.argv[1], timers=False) as room:
    call = room.as_user("thierry").call("default", "visit")
    call.create()
    call.join().leave()
Path("verify.py").write_bytes(single_file())
"""


def test_a_call_is_reported_and_proved_by_what_was_installed(
    installed: Path, tmp_path: Path
) -> None:
    greenroom, store, ledger = installed.with_name("greenroom"), "sqlite:///calls.db", "ledger"
    run(installed, "-c", A_CALL, store, cwd=tmp_path)
    asked = ("default:visit", "--store", store, "--ledger", ledger)
    run(greenroom, "audit", "key", "--origin", "example.org", "--ledger", ledger, cwd=tmp_path)
    run(greenroom, "audit", "report", *asked, "-o", "call.html", cwd=tmp_path)
    assert "thierry" in (tmp_path / "call.html").read_text("utf-8")
    run(greenroom, "audit", "checkpoint", *asked[1:], cwd=tmp_path)
    run(greenroom, "audit", "export", *asked, "-o", "call.zip", cwd=tmp_path)
    judged = run(installed, "-I", "verify.py", "call.zip", cwd=tmp_path)
    assert judged.startswith("CONSISTENT")


A_PAGE = """
from starlette.testclient import TestClient
from greenroom.http.demo.app import demo_app
client = TestClient(demo_app(lambda request: None, hosts=["testserver"]))
print(client.get("/").text, client.get("/static/main.js").status_code)
"""


def test_the_demos_page_is_served_from_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    page = run(installed, "-c", A_PAGE, cwd=tmp_path)
    assert "<title>" in page
    assert page.endswith("200\n")


A_TEST_OF_THEIRS = """
from datetime import timedelta
from hypothesis import given, strategies as st
from greenroom.domain.session_events import Joined

def test_they_have_our_fixtures(greenroom, clock):
    call = greenroom.as_user("thierry").call("default", "visit")
    call.create()
    clock.advance(timedelta(hours=1))
    assert call.get().cid == "default:visit"

@given(event=st.from_type(Joined))
def test_hypothesis_knows_our_events(event):
    assert event.name == "session.joined"
"""


def test_pytest_and_hypothesis_find_what_is_there_for_them(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(A_TEST_OF_THEIRS)
    (tmp_path / "pytest.ini").write_text("[pytest]\ngreenroom_stores = memory\n")
    assert "2 passed" in run(installed, "-m", "pytest", "-p", "no:cacheprovider", cwd=tmp_path)
