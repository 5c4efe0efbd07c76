"""Write the start page, then open JupyterLab at it.

Runs in the environment in which the course is installed: `make lab` calls it in .venv, and in
a conda environment it is called by hand: python tools/lab.py [JupyterLab's own options].
With --page the start page is written and nothing is opened.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START = ROOT / "notebooks" / "START.md"


def page(source: Path = START) -> Path:
    """Make a notebook of the start page, run it, and return its path.

    It shows progress and environment as they are now, so it is written at each start, and git
    ignores it.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    parts = re.split(r"^```python\n(.*?)\n```$", source.read_text("utf-8"), flags=re.M | re.S)
    cells = [
        (nbformat.v4.new_code_cell if odd else nbformat.v4.new_markdown_cell)(part.strip("\n"))
        for odd, part in zip([False, True] * len(parts), parts, strict=False)
        if part.strip()
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    client = NotebookClient(
        notebook,
        timeout=60,
        coalesce_streams=True,
        resources={"metadata": {"path": str(source.parent)}},
    )
    try:
        client.execute(stderr=subprocess.DEVNULL)  # where a kernel warns of what is no concern here
    except (CellExecutionError, DeadKernelError, TimeoutError) as error:
        print(f"The start page could not be run to its end: {error}", file=sys.stderr)
    written = source.with_suffix(".ipynb")
    nbformat.write(notebook, written)
    return written


def has_browser() -> bool:
    """Whether a window can open: anywhere but on a Linux without a display."""
    return sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    )


def command() -> list[str]:
    """JupyterLab's command line: quiet, at the start page, ended by one Ctrl-C."""
    start = START.with_suffix(".ipynb").relative_to(ROOT).as_posix()
    options = [
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/lab/tree/{start}",
        # Markdown is shown as a page, not as its source: no address can ask for that.
        f"--LabApp.app_settings_dir={ROOT / 'tools' / 'jupyterlab'}",
        "--Application.log_level=ERROR",
        "--ServerApp.answer_yes=True",
    ]
    if not has_browser():
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # in a container root is the only user there is
    return [sys.executable, "-m", "jupyterlab", *options]


def hand_over(command: list[str]) -> int:
    """Run a program that ends itself on Ctrl-C, and wait for it; return its exit status."""
    program = subprocess.Popen(command, cwd=ROOT)
    while True:
        try:
            return program.wait()
        except KeyboardInterrupt:
            pass  # the program got the same Ctrl-C and is shutting down


def main(arguments: list[str]) -> int:
    page()
    if arguments == ["--page"]:
        return 0
    from course_utils import runtime

    runtime.check()
    where = "in your browser" if has_browser() else "at the address printed below"
    print(f"JupyterLab opens {where}. Ctrl-C in this window ends it.", flush=True)
    return hand_over([*command(), *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
