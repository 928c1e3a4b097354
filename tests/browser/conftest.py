"""A browser for the pages: Chromium from the system, or a skip that says why; in CI its absence is a failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import IS_CI

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LIMIT_MS = 30_000  # until something is on the screen; a busy machine takes longer than the usual five seconds


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give a running Chromium."""
    if not CHROMIUM.exists():
        reason = f"there is no browser at {CHROMIUM}"
        if IS_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=LIMIT_MS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Give a page that fails the test for every error it reports: of scripts, and of the content policy."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert errors == []
