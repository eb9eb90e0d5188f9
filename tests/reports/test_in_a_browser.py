"""The page in a real browser: slider and keys step, and the state is that of then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from tests.http.browsers import CHROMIUM
from tests.reports.conftest import CID, Ward
from tests.reports.test_call_report import page as page_of

from greenroom import PastRoom

pytestmark = pytest.mark.slow  # a browser


@pytest.fixture
def page(ward: Ward, tmp_path: Path) -> Iterator[Page]:
    """The report, open, with no network; it complains of nothing."""
    file = tmp_path / "call.html"
    file.write_text(page_of(ward, personal=True), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(file.as_uri())
        yield page
        assert faults == []
        browser.close()


def shown(page: Page) -> dict[str, list[list[str]]]:
    """The state tables, row by row."""
    found: dict[str, list[list[str]]] = page.evaluate(
        """() => Object.fromEntries(["participant", "member", "answer", "block"].map((kind) => [
            kind,
            [...document.getElementById(kind).rows].map((row) =>
                [...row.cells].map((cell) => cell.textContent)),
        ]))"""
    )
    return {kind: sorted(rows) for kind, rows in found.items()}


def then(past: PastRoom) -> dict[str, list[list[str]]]:
    """The same by the room of then."""
    call = past.system("auditor").call(*CID.split(":"))
    looks = past._core.seen(of=call.cid).lookups
    return {
        "participant": sorted(
            [one.user_id, one.role, f"{one.joined_at:%Y-%m-%d %H:%M:%S}"]
            for one in call.query_participants(limit=1000).items
        ),
        "member": sorted([one.user_id, one.role] for one in call.query_members(limit=1000).items),
        "answer": sorted(
            [user, one.answer.value, f"{one.at:%Y-%m-%d %H:%M:%S}"]
            for user, one in looks.answers(call.cid).items()
        ),
        "block": sorted([user] for user in call.get().blocked_user_ids),
    }


def test_arrow_keys_go_through_every_moment_as_the_room_has_it(page: Page, ward: Ward) -> None:
    history = ward.room.system("auditor").call(*CID.split(":")).history()
    page.keyboard.press("Home")
    assert page.locator("#now").inner_text() == f"Before the first of {len(history)} events"
    assert shown(page) == {"participant": [], "member": [], "answer": [], "block": []}
    for event in history:
        page.keyboard.press("ArrowRight")
        now = page.locator("#now").inner_text()
        assert f"Event {event.seq} of {len(history)}" in now
        assert event.name in now
        with ward.room.at(event.position) as past:
            told = shown(page)
            told["participant"] = [row[:3] for row in told["participant"]]
            assert told == then(past), event
        assert page.locator("tr[aria-current]").get_attribute("id") == f"e{event.seq}"
    page.keyboard.press("ArrowLeft")
    assert f"Event {len(history) - 1} of" in page.locator("#now").inner_text()


def test_the_slider_moves_state_and_cursor_together(page: Page, ward: Ward) -> None:
    def cursor() -> float:
        return float(page.locator("#cursor").evaluate("(one) => one.getBoundingClientRect().x"))

    slider = page.locator("#slider")
    slider.fill("1")
    assert shown(page)["member"] == []
    assert page.locator("#call").inner_text().startswith("open")
    start = cursor()
    muted = next(e for e in ward.call().history() if e.name == "session.muted")
    slider.fill(str(muted.seq))
    assert cursor() > start
    (alice,) = [row for row in shown(page)["participant"] if row[0] == "alice"]
    assert alice[3] == "audio (muted)"
    page.locator("#events tr", has_text="kicked").locator("a").click()  # to what it came with
    assert int(slider.input_value()) == muted.seq + 1
    page.get_by_role("button", name="The last event").click()
    assert slider.input_value() == slider.get_attribute("max")


def test_events_are_sifted_by_kind_and_by_what_they_say(page: Page) -> None:
    page.get_by_label("Kind").select_option("session.joined")
    assert re.fullmatch(r"4 of \d+", page.locator("#sifted").inner_text())
    page.get_by_label("Says").fill("MALLORY")
    assert page.locator("#events tr:visible").count() == 1
    page.keyboard.press("ArrowLeft")  # in the field it moves the caret
    assert page.locator("#slider").input_value() == page.locator("#slider").get_attribute("max")


def test_a_bad_name_does_nothing(page: Page) -> None:
    assert page.title() == f"{CID}: what happened"
    assert page.locator("script").count() == 2
