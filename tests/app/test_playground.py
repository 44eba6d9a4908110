"""The playground in a real browser: type a question, see the answer stream."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium")
MISSING = "no chromium: `make test` installs it where it may, else `apt install chromium`"


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_a_question_that_is_typed_is_answered_while_one_looks(url: str, page: Page) -> None:
    failed: list[str] = []
    page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
    page.goto(f"{url}/rag/playground/")
    page.locator("[id='#/properties/question-input']").fill("Within how many days can a card be returned?")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Intermediate steps").wait_for(timeout=30_000)
    page.wait_for_function("document.body.innerText.includes('confidence')", timeout=60_000)
    shown = page.inner_text("body")
    assert "refunds.md" in shown
    assert "A card can be returned within 15 days" in shown
    assert [address for address in failed if "favicon" not in address] == []
    if folder := os.environ.get("TEST_PICTURES"):
        page.screenshot(path=f"{folder}/playground.png", full_page=True)


@pytest.mark.parametrize(("path", "words"), [("/docs", "/rag/invoke"), ("/redoc", "larkwise")])
def test_the_documentation_pages_work_behind_a_firewall(url: str, page: Page, path: str, words: str) -> None:
    page.route(lambda address: not address.startswith((url, "data:", "blob:")), lambda route: route.abort())
    page.goto(url + path)
    page.get_by_text(words).first.wait_for(timeout=30_000)
