""".github/workflows: they follow GitHub's schema, do what `make` does, and may do little else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
SCHEMA = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]


def lint(*paths: Path) -> subprocess.CompletedProcess:
    return subprocess.run([*SCHEMA, *map(str, paths)], capture_output=True, text=True, timeout=60)


def test_they_follow_the_schema():
    assert [path.stem for path in WORKFLOWS] == ["drift", "site", "test"]
    result = lint(*WORKFLOWS)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schema_finds_a_slip(tmp_path):
    text = WORKFLOWS[-1].read_text("utf-8")
    assert "timeout-minutes" in text
    (tmp_path / "test.yml").write_text(text.replace("timeout-minutes", "timeout"), "utf-8")
    result = lint(tmp_path / "test.yml")
    assert result.returncode == 1 and "timeout" in result.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_they_do_what_make_does(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}  # more only for the job that needs it
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    called = set()
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        for step in job["steps"]:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+|", step.get("uses", ""))
            for word in re.findall(r"^make (.+)$", step.get("run", ""), re.MULTILINE):
                chosen = [line["target"] for line in matrix.get("include", [])]
                called |= set(chosen if word == "${{ matrix.target }}" else [word])
    assert called and called <= targets


def test_windows_runs_what_readme_says():
    """There is no make: the commands are README's, so that somebody tries them."""
    readme = (ROOT / "README.md").read_text("utf-8")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    commands = [step["run"] for step in workflow["jobs"]["windows"]["steps"] if "run" in step]
    assert len(commands) == 2
    for command in commands:
        assert command.removeprefix("python").removesuffix("fast") in readme
