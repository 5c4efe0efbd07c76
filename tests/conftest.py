"""Before the tests: Ctrl-C works, no checkpoint is kept. After them: the table of answers."""

import os
import shutil
import signal

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
