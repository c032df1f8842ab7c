"""A page in a real browser, at two widths, and what tests do on it; skipped, with the reason, without Chromium."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> ${1+1} {{value}} stop 🐷"
)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        why = "no Chromium on this machine, so no page was looked at: `make browser` installs it (Debian)"
        (pytest.fail if os.environ.get("IGPAY_BROWSER") == "required" else pytest.skip)(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)


@pytest.fixture(params=WIDTHS)
def page(browser, request):
    """A page at desktop or phone width; no script may fail, nothing but loopback be asked, nothing overflow."""
    width, height = WIDTHS[request.param]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(120_000)
    asked, failed = set(), []
    page.on("request", lambda seen: asked.add(seen.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    yield page
    page.wait_for_timeout(200)
    if folder := os.environ.get("SPACES_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{request.node.name}.png", full_page=True)
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    page.close()
    assert not failed
    assert {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert overflow <= 0


def upload(page, file: Path, open_page: Callable[[], None]) -> None:
    """Chooses a file on the page that `open_page` opens.

    Again if the page was not yet listening when it was chosen, and on a page opened anew if a busy machine has lost the
    part that takes files.
    """
    open_page()
    for attempt in range(6):
        with contextlib.suppress(PlaywrightTimeout):
            page.locator("input[type=file]").first.set_input_files(file, timeout=30_000)
            page.get_by_text(file.name).first.wait_for(timeout=10_000 * (attempt + 1))
            return
        if not page.locator("input[type=file]").count():
            open_page()
    raise AssertionError(f"{file.name} never showed up on the page")


def choose(page, label: str, option: str) -> None:
    box = page.get_by_label(label, exact=True)
    box.click()
    page.get_by_role("option", name=option, exact=True).click()
