"""Documentation runs: every Python block, in order, in an empty directory; every table is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from greenroom.domain import errors
from greenroom.domain.errors import GreenroomError
from greenroom.domain.streams import EVENTS

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK: Final = re.compile(r"^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\((?P<target>[^)#]+)(?:#[^)]*)?\)")
_ROW: Final = re.compile(
    r"^\| `(?P<name>[\w.]+)` \| `(?P<kind>\w+)` \|(?P<says>.+)\|$", re.MULTILINE
)


def blocks(page: Path) -> list[tuple[int, str]]:
    """(line, code) of each Python block."""
    text = page.read_text()
    return [
        (text[: found.start()].count("\n") + 1, found["code"]) for found in _BLOCK.finditer(text)
    ]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=named)
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session: dict[str, object] = {"__name__": "__main__"}
    for line, code in blocks(page):
        source = "\n" * line + code  # so that a failure names the line of the page
        exec(compile(source, str(page), "exec"), session)  # noqa: S102 - our own documentation


def test_the_readmes_example_is_25_lines_and_says_what_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ((_, code),) = blocks(ROOT / "README.md")
    assert len(code.splitlines()) <= 25
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own documentation
    refusal, *history = capsys.readouterr().out.splitlines()
    assert refusal.startswith("not_allowed - tommaso lacks join-call")
    assert [line.split()[3] for line in history] == [
        "call.created",
        "member.added",
        "member.added",
        "session.started",
        "session.joined",
        "call.rung",
        "session.joined",
        "member.accepted",
        "session.left",
        "session.left",
        "call.ring_cancelled",
        "call.ended",
        "session.ended",
    ]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [found["target"] for found in _LINK.finditer(page.read_text())]
    local = [target for target in targets if not target.startswith("https://")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def _rows(page: str) -> dict[str, tuple[str, str]]:
    text = (ROOT / "docs" / "reference" / page).read_text()
    return {row["name"]: (row["kind"], row["says"].strip()) for row in _ROW.finditer(text)}


def test_the_table_of_errors_is_the_tree_of_errors() -> None:
    known = {
        kind.code: kind.__name__
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, GreenroomError) and "code" in vars(kind)
    }
    rows = _rows("errors.md")
    assert {code: kind for code, (kind, _) in rows.items()} == known
    assert all(says for _, says in rows.values())


def test_the_table_of_events_is_what_can_be_stored() -> None:
    rows = _rows("events.md")
    assert {name: kind for name, (kind, _) in rows.items()} == {
        name: event.__name__ for name, event in EVENTS.items()
    }
    for name, (_, says) in rows.items():
        fields = set(EVENTS[name].__struct_fields__) - {"at"}
        assert set(re.findall(r"`(\w+)`", says)) == fields, name
