"""Check the environment, then open JupyterLab at the course's start page.

Runs in the environment in which the course is installed: `make lab` calls it in .venv, and in
a conda environment it is called by hand: python tools/lab.py [JupyterLab's own options].
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START = "notebooks/START.md"


def has_browser() -> bool:
    """Whether a window can open: anywhere but on a Linux without a display."""
    return sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    )


def command() -> list[str]:
    """JupyterLab's command line: quiet, at the start page, ended by one Ctrl-C."""
    options = [
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/lab/tree/{START}",
        # No address can ask for the rendered page: only JupyterLab's settings can.
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
    from course_utils import runtime

    runtime.check()
    where = "in your browser" if has_browser() else "at the address printed below"
    print(f"JupyterLab opens {where}. Ctrl-C in this window ends it.", flush=True)
    return hand_over([*command(), *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
