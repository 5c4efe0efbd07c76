"""Before the tests: Ctrl-C works. After them: the table of answers that the checkers were given."""

import signal

import pytest


def pytest_configure() -> None:
    """What is started in the background ignores SIGINT, and so would the programs under test."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
