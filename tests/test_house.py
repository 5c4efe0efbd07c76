"""The house itself: versions agree, links lead somewhere, nothing private, one address."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import course_utils

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import install  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LEARNER = PROJECT["dependencies"] + sum((EXTRAS[name] for name in sorted(install.LEARNER)), [])
ADDRESS = PROJECT["urls"]["Repository"]
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}


def tracked(*suffixes: str) -> list[Path]:
    """The repository's files with these endings: committed, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("this is no git clone, so nobody can say which files belong to it")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name.endswith(suffixes)]
    return [path for path in paths if path.is_file()]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ------------------------------------------------------------------ versions


def requirements(lines: list[str]) -> dict[str, SpecifierSet]:
    found = {
        canonicalize_name(requirement.name): requirement.specifier
        for requirement in map(Requirement, lines)
    }
    found.pop(PROJECT["name"], None)  # an extra that takes in another
    return found


def pins(file: str = "constraints.txt") -> dict[str, SpecifierSet]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return requirements([line for line in lines if not line.startswith("#")])


def test_constraints_pin_every_direct_dependency_within_its_range():
    everything = requirements(PROJECT["dependencies"] + sum(EXTRAS.values(), []))
    for name, wanted in everything.items():
        assert name in pins(), f"constraints.txt has no version of {name}"
        (pin,) = pins()[name]
        assert pin.version in wanted, f"{name}{pin} is outside pyproject's {wanted}"


def test_the_oldest_constraints_pin_what_a_learner_needs_where_its_range_begins():
    for name, wanted in requirements(LEARNER).items():
        (lowest,) = [part.version for part in wanted if part.operator == ">="]
        (pin,) = pins("constraints-oldest.txt")[name]
        assert Version(pin.version) == Version(lowest), f"{name}{pin}, pyproject says {wanted}"


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-oldest.txt"])
def test_constraints_are_exact_and_small(file):
    for name, specifier in pins(file).items():
        assert re.fullmatch(r"==[\w.]+", str(specifier)), f"{name}{specifier}: write =="
        assert not re.match(r"nvidia|triton|cuda", name), f"{name} belongs to a GPU build"
    assert pins(file)["tensorflow"] == pins(file)["tensorflow-cpu"]
    lines = (ROOT / file).read_text("utf-8").splitlines()[2:]
    assert lines == sorted(lines)


def test_torch_is_the_version_that_comes_as_a_cpu_build():
    assert str(pins()["torch"]) == "==2.13.0"  # a looser request brings CUDA


def test_conda_environment_repeats_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    lines = environment["dependencies"]
    expected = {
        CONDA_NAMES.get(name, name): specifier
        for name, specifier in requirements(LEARNER).items()
        if name != "tensorflow"  # conda-forge has its small build for all machines
    }
    found = requirements([line for line in lines if line not in ("pip", "python=3.12")])
    assert found == expected


def test_what_colab_installs_is_whole():
    """Everywhere else the package is installed in place, and misses nothing."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    listed = {
        (file, package) for package, files in settings["package-data"].items() for file in files
    }
    packages, files = set(settings["packages"]), set()
    for path in ROOT.glob("course_utils/**/*"):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        if path.suffix == ".py":
            assert package in packages, f"{shown(path)}: pyproject's packages lack {package}"
        elif path.is_file() and path.suffix != ".pyc":
            files.add((f"*{path.suffix}", package))
    assert files == listed


def test_package_has_one_version():
    assert course_utils.__version__ == PROJECT["version"]


def test_python_versions_agree():
    oldest, newest = (".".join(map(str, version)) for version in (install.OLDEST, install.NEWEST))
    assert PROJECT["requires-python"] == f">={oldest}"
    environment = (ROOT / "environment.yml").read_text("utf-8")
    minor = int(re.search(r"- python=3\.(\d+)\n", environment)[1])
    assert install.OLDEST[1] <= minor <= install.NEWEST[1]
    assert f"from {oldest} to {newest}" in " ".join(advice for _, advice in install.CAUSES)


# ------------------------------------------------------------------ links


def prose(path: Path) -> str:
    """The Markdown of a page or of a notebook's cells, without code and formulas."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", "", text, flags=re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and as JupyterLab write them."""
    headings = re.findall(r"^#+ +(.*?) *$", prose(path), re.MULTILINE)
    github = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return {*github, *(heading.replace(" ", "-") for heading in headings)}


def broken_links(path: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    found = re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\)", prose(path))
    found += re.findall(r"(?:src|href)=[\"']([^\"']+)", prose(path))
    broken = []
    for link in found:
        if re.match(r"[a-z]+:", link):  # another site, a mail address, an attachment
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (path.parent / file).resolve() if file else path
        exists = target.exists() and target.is_relative_to(ROOT)
        if exists and anchor and target.suffix in (".md", ".ipynb"):
            exists = anchor in anchors(target)
        if not exists:
            broken.append(link)
    return broken


def test_relative_links_lead_somewhere():
    broken = {shown(path): broken_links(path) for path in tracked(".md", ".ipynb")}
    assert not {page: links for page, links in broken.items() if links}


def test_broken_links_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A title, here\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-title-here) [c](https://example.org) `[d](no.md)` $[e](f)$\n"
        '```\n[g](no.md)\n```\n[h](gone.md) [i](there.md#no "title") ![j](../k.png)\n'
        '<img src="gone.png">\n'
    )
    assert broken_links(page) == ["gone.md", "there.md#no", "../k.png", "gone.png"]


# ------------------------------------------------------------------ addresses


def test_no_file_names_a_place_on_one_machine():
    private = re.compile(r"(?<![\w.:/])/(?:work|root|home|Users|tmp)/\w|[A-Z]:\\+Users\\+\w")
    for path in tracked(".py", ".md", ".ipynb", ".toml", ".txt", ".yml", ".yaml", "run", "file"):
        text = path.read_text("utf-8")
        found = private.search(re.sub(r"base64,[\w+/=]+|\"image/png\": \"[^\"]*\"", "", text))
        assert not found, f"{shown(path)} names {found[0]}…, which no other machine has"


def test_every_notebook_has_its_badges():
    repository = ADDRESS.removeprefix("https://github.com/")
    readme = (ROOT / "README.md").read_text("utf-8")
    notebooks = [path for path in tracked(".ipynb") if shown(path).startswith("notebooks/")]
    assert notebooks, "there is no notebook; make notebooks"
    for path in notebooks:
        first = prose(path)[:2000]
        for link in (
            f"(https://colab.research.google.com/github/{repository}/blob/main/{shown(path)})",
            f"(https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{shown(path)})",
        ):
            assert link in first, f"{shown(path)} has no badge {link}; make notebooks"
            assert link in readme, f"README.md has no badge {link}; make notebooks"


def test_every_notebook_begins_with_the_installation_on_colab():
    for path in tracked(".ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        codes = [cell for cell in cells if cell["cell_type"] == "code"]
        tagged = [cell for cell in codes if "colab" in cell["metadata"].get("tags", [])]
        assert tagged == codes[:1], f"{shown(path)}: not its first code cell, once; make notebooks"
        assert f'--no-deps faker "{ADDRESS}/archive/main.zip"' in "".join(tagged[0]["source"]), (
            f"{shown(path)} installs something else on Colab; make notebooks"
        )


def test_the_address_stands_in_one_place():
    name = ADDRESS.removeprefix("https://github.com/")
    built = re.compile(r"<!-- lessons:.*?<!-- /lessons -->", re.DOTALL)
    for path in tracked(".py", ".md", ".toml", ".txt", ".yml", ".yaml", "run", "file", "-prose"):
        if shown(path) in ("pyproject.toml", "notebooks/START.md"):
            continue
        text = built.sub("", path.read_text("utf-8"))
        assert name not in text, f"{shown(path)} repeats the address; only pyproject.toml has it"
