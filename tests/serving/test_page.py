"""The page at `/` in a real browser: paste a note, see the highlights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving.browser import CHROMIUM, Tab, tab
from tests.support.marked_note import NOTE

from clinspan import Recognizer
from clinspan.serving import RequestLimits, Service
from clinspan.serving.server.http import Server
from clinspan.serving.server.routes import Routes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

PASTE = """new Promise(done => {
  document.querySelector("textarea").value = %r;
  document.querySelector("button").click();
  const wait = setInterval(() => {
    if (document.querySelector("#said").textContent != "reading") { clearInterval(wait); done(); }
  }, 20);
})"""


@pytest.fixture(scope="module")
def page(starter: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    server = Server(Routes(Service(starter, RequestLimits())), "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with tab(tmp_path_factory.mktemp("browser"), f"http://127.0.0.1:{server.server_port}/") as opened:
        yield opened
    server.stop(seconds=5)


def test_a_pasted_note_is_highlighted_with_assertion_and_regimens(page: Tab, starter: Recognizer) -> None:
    """The note's own text, a mark for each span, what is denied, and the table of drugs."""
    page.run(PASTE % NOTE)
    assert page.run("document.querySelector('#found pre').textContent") == NOTE
    marks = page.run("[...document.querySelectorAll('mark')].map(mark => mark.textContent)")
    assert marks == [span.text for span in starter.recognize(NOTE)]
    assert page.run("document.querySelector('mark.absent').textContent") == "fever"
    assert "81 mg" in page.run("document.querySelector('table').textContent")
    shown = page.run("getComputedStyle(document.querySelector('mark'), '::after').content")
    assert shown.startswith('"DRUG')


def test_markup_in_a_note_stays_text(page: Tab) -> None:
    """And the page's policy would not let it run."""
    page.run(PASTE % "<img src=x onerror='document.title=1'><script>document.title=2</script> has pneumonia.")
    assert page.run("document.querySelectorAll('#found img, #found script').length") == 0
    assert page.run("document.title") == "clinspan"


def test_an_error_is_said_on_the_page(page: Tab) -> None:
    """In the server's words."""
    page.run(PASTE % ("x" * 2_000_001))
    assert "at most" in page.run("document.querySelector('#said').textContent")


def test_the_browser_has_nothing_to_complain_of(page: Tab) -> None:
    """No blocked script or style, no missing file; the icon that every browser asks for aside."""
    page.run(PASTE % NOTE)
    said = [event["params"]["entry"] for event in page.events if event["method"] == "Log.entryAdded"]
    ours = [entry for entry in said if "413" not in entry["text"] and "favicon" not in entry.get("url", "")]
    assert ours == []


def test_the_page_prints_with_its_colours(page: Tab, tmp_path: Path) -> None:
    """Browsers leave backgrounds out unless a page asks for them."""
    page.run(PASTE % NOTE)
    assert page.run("getComputedStyle(document.querySelector('mark')).printColorAdjust") == "exact"
    assert page.ask("Page.printToPDF")["data"]
