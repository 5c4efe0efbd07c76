"""Plan a JupyterHub for the course: what it needs, from what was measured, and what learners click.

python tools/hub_plan.py                             write the table of workshop/hub/README.md
python tools/hub_plan.py --links https://hub.example.org     print the links for that hub
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from pathlib import Path
from urllib.parse import urlencode

import notebook_files
from build import TRACKS, Course

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "workshop" / "hub" / "README.md"
MEASURED = ROOT / "workshop" / "hub" / "measured.json"  # by tools/hub_load.py --keep
BLOCK = re.compile(r"(<!-- sizing: built by tools/hub_plan\.py -->\n).*?(<!-- /sizing -->)", re.S)
GROUPS = (30, 100, 1000)  # learners
# Assumed. The plans' rows last at least twice as long as what they run, so half a core each is
# enough even if everybody runs the same notebook at the same moment.
CORES_EACH = 0.5
SYSTEM_GIB = 2  # on each machine, for the system and the hub
MACHINE = {"cores": 16, "gib": 64}  # one that many clouds have
DISK_GIB = 1  # for each learner: the course, and what they make of it


def link(hub: str, repository: str, track: str) -> str:
    """Return the link that brings a learner the course, or its news, and opens lesson 00."""
    course = repository.rstrip("/").rpartition("/")[2]
    lesson = f"lab/tree/{course}/notebooks/00_start/00_start_{track}.ipynb"
    query = urlencode({"repo": repository, "branch": "main", "urlpath": lesson})
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{query}"


def kernel_gib(measured: dict[str, dict], track: str) -> float:
    """The largest peak of one lesson's kernel in a track."""
    return max(figures["peak_gib"] for name, figures in measured.items() if name.endswith(track))


def needs(learners: int, each_gib: float) -> tuple[int, int, int]:
    """Return the memory in GiB, the cores, and the machines that a group needs."""
    fit = min((MACHINE["gib"] - SYSTEM_GIB) / each_gib, MACHINE["cores"] / CORES_EACH)
    cores = math.ceil(learners * CORES_EACH)
    return math.ceil(learners * each_gib), cores, math.ceil(learners / math.floor(fit))


def sizing(measured: dict[str, dict], loads: dict[str, dict]) -> str:
    """Return the figures, the arithmetic and the table, as Markdown."""
    load = loads["mnist"]
    server = load["server_mib"] / 1024
    text = (
        f"- A server without a notebook: {load['server_mib']} MiB, measured by `make hub-load` "
        f"({load['learners']} learners at once; memory that several share counts once).\n"
        f"- A kernel that has run lesson 00 whole: {load['kernel_mib']} MiB, measured likewise.\n"
    )
    for name, title in (("mnist", "MNIST"), ("digits", "scikit-learn's digits")):
        text += (
            "- {learners} learners with {title}, {at_once} of them computing at once: through in "
            "{minutes} minutes, with {peak_gib} GiB for all together, measured likewise.\n"
        ).format(title=title, **loads[name])
    rows = [["Learners", "Track", "Memory", "Cores", "Machines", "Disk for homes"], ["---"] * 6]
    each = {}
    for track, framework in TRACKS.items():
        peak = kernel_gib(measured, track)
        each[track] = round(peak + server, 2)
        text += (
            f"- The largest kernel in {framework}: {peak:.2f} GiB at its peak, measured by `make "
            f"test`. With the server {peak:.2f} + {server:.2f} = {each[track]:.2f} GiB a learner.\n"
        )
    text += (
        f"- Assumed: {CORES_EACH} cores and {DISK_GIB} GiB of disk a learner; a machine has "
        f"{MACHINE['cores']} cores and {MACHINE['gib']} GiB, of which the system and the hub take "
        f"{SYSTEM_GIB} GiB.\n\n"
    )
    for learners in GROUPS:
        for track, framework in TRACKS.items():
            gib, cores, machines = needs(learners, each[track])
            memory = f"{learners:,} × {each[track]:.2f} = {gib:,} GiB"
            disk = f"{learners * DISK_GIB:,} GiB"
            half = f"{learners:,} × {CORES_EACH} = {cores:,}"
            rows.append([f"{learners:,}", framework, memory, half, f"{machines}", disk])
    return text + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def page() -> str:
    """Return the text that workshop/hub/README.md should have."""
    measured = Course.load(ROOT).measured
    block = sizing(measured, json.loads(MEASURED.read_text("utf-8")))
    return BLOCK.sub(lambda found: found[1] + block + found[2], PAGE.read_text("utf-8"))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--links", metavar="HUB", help="the hub's address; write nothing")
    options = parser.parse_args(arguments)
    if options.links:
        if not re.match(r"https?://[^/]", options.links):
            parser.error(f'--links is "{options.links}"; it needs the form https://hub.example.org')
        repository = Course.load(ROOT).address
        for track, framework in TRACKS.items():
            print(f"{framework}: {link(options.links, repository, track)}")
    else:
        notebook_files.write(PAGE, page().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
