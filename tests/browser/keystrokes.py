"""python -m tests.browser.keystrokes URL SESSION: how long a keystroke in the rule builder waits for its new count.

It types into the number of the third condition, again and again, and writes milliseconds as a JSON list: from the key
being pressed to the frame that shows the answer to it.
"""

import json
import sys
from urllib.parse import urljoin

from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM

COOKIE = "sessionid"
KEYS, WARM = 24, 4
WATCH = """
    const box = document.querySelector('[data-slot=count]').closest('[aria-busy]');
    const shown = () => box.getAttribute('aria-busy') === 'false';
    window.took = [];
    window.addEventListener('keydown', ({ key }) => {
        if (key === 'End') return;
        const began = performance.now();
        let wasBusy = false;
        const watch = new MutationObserver(() => {
            wasBusy ||= !shown();
            if (!wasBusy || !shown()) return;
            watch.disconnect();
            requestAnimationFrame(() => window.took.push(performance.now() - began));
        });
        watch.observe(box, { attributes: true, attributeFilter: ['aria-busy'] });
    }, true);
"""


def measured(url: str, session: str) -> list[float]:
    """Give the milliseconds of each keystroke after the first few."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        context.add_cookies([{"name": COOKIE, "value": session, "url": urljoin(url, "/")}])
        page = context.new_page()
        page.goto(url)
        page.wait_for_function("/\\d/.test(document.querySelector('[data-slot=count]').textContent)")
        page.evaluate(WATCH)
        row = page.get_by_role("listitem", name="Condition 3", exact=True)
        field, found = row.get_by_role("textbox", name="Value"), []
        field.press("End")
        for number in range(KEYS):
            field.press("Backspace" if number % 2 else "1")
            page.wait_for_function(f"window.took.length > {number}")
            found.append(round(float(page.evaluate("window.took.at(-1)")), 1))
        browser.close()
    return found[WARM:]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(*sys.argv[1:])))
