"""Before the tests: Ctrl-C works, no checkpoint is kept. After them: the table of answers."""

import functools
import http.server
import os
import shutil
import signal
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest


def pytest_configure() -> None:
    os.environ["COURSE_CHECKPOINTS"] = ""
    # What is started in the background ignores SIGINT, and so would the programs under test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")  # while it is open, nothing else can run an event loop
def browser():
    """A real browser, for the tests of what people see; skips them where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no chromium (apt install chromium)")
    options = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    options += " --disable-background-networking --disable-component-update"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options.split())
        yield browser
        browser.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def serve():
    """Serve a folder; return its address."""
    with ExitStack() as servers:

        def serve(folder):
            handler = functools.partial(Quiet, directory=folder)
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            servers.enter_context(server)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}/"

        yield serve


@pytest.fixture
def visit_alone(browser):
    """Open an address in a context of its own; the page's `said` is all that went wrong."""
    contexts = []

    def visit(address, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.said = []
        page.on("console", lambda m: m.type in ("error", "warning") and page.said.append(m.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("requestfailed", lambda r: is_lost(r) and page.said.append(f"failed: {r.url}"))
        page.on("response", lambda r: r.status >= 400 and page.said.append(f"{r.status} {r.url}"))
        own = "{0.scheme}://{0.netloc}/".format(urlsplit(address)), "data:", "blob:"
        page.on("request", lambda r: r.url.startswith(own) or page.said.append(f"foreign: {r.url}"))
        page.goto(address)
        return page

    def is_lost(request):  # and not given up, because the next page was opened meanwhile
        return request.failure != "net::ERR_ABORTED"

    yield visit
    for context in contexts:
        assert context.pages[0].said == []
        context.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    rows: dict[str, dict[str, int]] = {}
    for report in reports:
        found = dict(report.user_properties)
        if "exercise" in found:
            rows.setdefault(found.pop("exercise"), {}).update(found)
    if not rows:
        return
    columns = ("right, passed", "wrong, caught", "strange, survived")
    terminalreporter.section("answers to the exercises")
    terminalreporter.line(f"{'':<24}" + "".join(f"{column:>19}" for column in columns))
    total = {column: sum(row.get(column, 0) for row in rows.values()) for column in columns}
    for name, row in {**dict(sorted(rows.items())), "all": total}.items():
        terminalreporter.line(f"{name:<24}" + "".join(f"{row.get(c, 0):>19}" for c in columns))
