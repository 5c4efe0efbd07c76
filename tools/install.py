"""Create .venv and install the course in it; a second run finds nothing to do and says so.

    python tools/install.py                        what a learner needs
    python tools/install.py --extras author,jax    the author's tools as well
    python tools/install.py --lab                  then open JupyterLab at the start page
    python tools/install.py --versions oldest      the lowest that are admitted, in .venv-oldest
    python tools/install.py --versions newest      those of today, in .venv-newest, each time anew

Only the standard library is used, and nothing that an old Python could not read: it is here
that somebody with an old Python is told so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lab import hand_over

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 13)  # the Pythons for which all pinned packages exist
LEARNER = {"pytorch", "keras", "lab"}
# pip's own index brings gigabytes of CUDA with torch on Linux; this one has the small CPU build.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CAUSES = (  # what a failing step says, and what to do about it; the first that fits counts
    (
        r"ensurepip is not",
        "Python's venv module is missing. Debian and Ubuntu: sudo apt install python3-venv",
    ),
    (
        r"No space left|Errno 28",
        "The disk is full: the course needs about 4 GB. Free some and try again.",
    ),
    (
        r"connection|timed out|getaddrinfo|SSLError|proxy",
        "The package index could not be reached. Check the network (a proxy goes into the "
        "variable HTTPS_PROXY) and try again.",
    ),
    (
        r"No matching distribution|ResolutionImpossible|Requires-Python",
        "There is no such package for this machine: a 64-bit Python from 3.11 to 3.13 on Linux, "
        "Windows or an Apple-silicon Mac is needed. Otherwise use Colab or Binder (README).",
    ),
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment of the course, and the file that names its versions."""

    folder: Path
    constraints: str | None  # None: the newest versions that pyproject.toml admits

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp(self) -> Path:
        """What is installed; written last, so never beside half of it."""
        return self.folder / "installed.json"

    @property
    def log(self) -> Path:
        return self.folder / "install.log"


ENVIRONMENTS = {
    "tested": Environment(ROOT / ".venv", "constraints.txt"),
    "oldest": Environment(ROOT / ".venv-oldest", "constraints-oldest.txt"),
    "newest": Environment(ROOT / ".venv-newest", None),
}


class Failure(Exception):
    """A step failed; the message says which, why, and what to do."""


def check_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise Failure(
            "The course needs Python 3.11, 3.12 or 3.13, and this is Python {}.{}.\n"
            "Install one of them (python.org, or your system's packages), then name it:\n"
            "  Linux, macOS:  make lab PYTHON=python3.12\n"
            "  Windows:       py -3.12 tools/install.py --lab".format(*sys.version_info)
        )


def wanted_state(environment: Environment, extras: set[str]) -> dict:
    """Describe the installation that should be there: files and machine as hash, and extras."""
    digest = hashlib.sha256(f"{ROOT} {sys.version_info[:2]}".encode())
    for name in filter(None, ("pyproject.toml", environment.constraints)):
        digest.update((ROOT / name).read_bytes())
    return {"hash": digest.hexdigest(), "extras": sorted(extras)}


def installed_state(environment: Environment) -> dict:
    try:
        found = environment.python.exists()
        return json.loads(environment.stamp.read_text("utf-8")) if found else {}
    except (OSError, ValueError):
        return {}


def venv_fits(environment: Environment) -> bool:
    """Whether the folder was made here (not moved or copied) and by this Python's version."""
    try:
        config = (environment.folder / "pyvenv.cfg").read_text("utf-8")
    except OSError:
        return False
    made_by = "version = {}.{}.".format(*sys.version_info)
    return environment.python.exists() and made_by in config and f"{environment.folder}\n" in config


def cpu_torch_wanted() -> bool:
    """Whether this is a Linux without an NVIDIA GPU."""
    gpu = shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version")
    return sys.platform == "linux" and not gpu


def reachable(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def run(environment: Environment, title: str, command: list[str]) -> None:
    """Run a step with one line of progress; keep all it says in the log; explain a failure."""
    show = Progress(title)
    lines: queue.Queue = queue.Queue()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUTF8": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )

    def read() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    said = []
    try:
        while True:
            try:
                line = lines.get(timeout=1)  # the clock moves each second, whatever pip does
            except queue.Empty:
                line = ""
            if line is None:
                break
            said += [line] if line else []
            show(line)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    log = environment.log if environment.folder.exists() else Path(os.devnull)
    with log.open("a", encoding="utf-8") as file:
        file.writelines([f"{title}\n", *said])
    show.end()
    if process.wait():
        raise Failure(explain(environment, title, said))


class Progress:
    """One line on a terminal that shows what pip does just now; elsewhere the title only."""

    def __init__(self, title: str) -> None:
        self.title, self.now, self.started = title, "", time.monotonic()
        self.live = sys.stdout.isatty()
        if not self.live:
            print(title, flush=True)

    def __call__(self, line: str) -> None:
        if line.startswith("Installing collected packages"):
            self.now = f"· installing {line.count(',') + 1} packages"
        elif re.match(r" *(Collecting|Downloading|Building|Processing) ", line):
            self.now = "· " + re.sub(r"\S*[/\\]", "", line.strip())
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            text = f"{self.title} · {time.monotonic() - self.started:.0f} s {self.now}"
            print(f"\r{text[:width]:<{width}}", end="", flush=True)

    def end(self) -> None:
        self.now = ""
        self("")
        if self.live:
            print()


def explain(environment: Environment, title: str, said: list[str]) -> str:
    """Say what failed, the likely cause and what to do, from what a step wrote."""
    said = [line.rstrip() for line in said if line.strip()]
    errors = [line for line in said if re.match(r"\s*error:", line, re.IGNORECASE)] or said
    trouble = "\n".join([line for line in said if re.match(r"WARNING|ERROR", line)] + said[-5:])
    advice = [todo for found, todo in CAUSES if re.search(found, trouble, re.IGNORECASE)][:1]
    return "\n".join(
        [
            f"This step failed: {title}",
            *(f"  {line}" for line in errors[-5:]),
            *(advice or [todo for _, todo in CAUSES[1:]]),
            f"(Free disk space: {shutil.disk_usage(ROOT).free / 1e9:.1f} GB. "
            f"All that was said: {environment.folder.name}/{environment.log.name})",
            "Then run the same command again: it goes on with what has been downloaded.",
        ]
    )


def install(environment: Environment, extras: set[str]) -> bool:
    """Make an environment what it should be; return whether there was anything to do."""
    done, wanted = installed_state(environment), wanted_state(environment, extras)
    pinned = environment.constraints is not None  # else nobody knows but by looking
    if pinned and done.get("hash") == wanted["hash"] and extras <= set(done["extras"]):
        return False
    extras = extras | set(done.get("extras", []))  # what is there once is kept up to date
    environment.stamp.unlink(missing_ok=True)
    cpu = cpu_torch_wanted() and "pytorch" in extras
    steps = 3 if cpu else 2
    folder = environment.folder
    print(f"Installing the course in {folder.name} (once; some minutes and about 3 GB)", flush=True)
    fresh = [] if pinned and venv_fits(environment) else ["--clear"]
    title = f"1 of {steps} · Python environment"
    run(environment, title, [sys.executable, "-m", "venv", *fresh, str(folder)])
    environment.log.unlink(missing_ok=True)
    pip = [str(environment.python), "-m", "pip", "install", "--no-input"]
    if pinned:
        pip += ["--constraint", environment.constraints]
    if cpu:
        step = f"2 of {steps} · PyTorch"
        small = [*pip, "--no-deps", "--index-url", CPU_INDEX, "torch"]
        if reachable(f"{CPU_INDEX}/torch/"):
            try:
                run(environment, f"{step}, CPU build", small)
            except Failure as failure:
                print(f"{failure}\nGoing on without PyTorch's own index.", flush=True)
                run(environment, f"{step}, from pip's index", [*pip, "torch"])
        else:
            print("PyTorch's own index is out of reach; taking what pip finds.", flush=True)
            run(environment, f"{step}, from pip's index", [*pip, "torch"])
    package = f".[{','.join(sorted(extras))}]"
    title = f"{steps} of {steps} · all other packages"
    run(environment, title, [*pip, "--editable", package])
    environment.stamp.write_text(json.dumps(wanted_state(environment, extras)), "utf-8")
    return True


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--extras", default="", help="more of pyproject's extras, with commas")
    parser.add_argument("--lab", action="store_true", help="open JupyterLab afterwards")
    parser.add_argument("--versions", choices=ENVIRONMENTS, default="tested", help="which ones")
    options = parser.parse_args(arguments)
    environment = ENVIRONMENTS[options.versions]
    try:
        check_python()
        install(environment, LEARNER | set(filter(None, options.extras.split(","))))
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    return hand_over([str(environment.python), "tools/lab.py"]) if options.lab else 0


if __name__ == "__main__":
    sys.exit(main())
