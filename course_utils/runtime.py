"""Seeds, devices, versions, memory: what a lesson stands on."""

import contextlib
import errno
import os
import platform
import random
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from course_utils import __version__
from course_utils.plots import in_kernel

__all__ = [
    "append_line",
    "check",
    "course_folder",
    "device",
    "own_file",
    "peak_memory",
    "reads_first",
    "report",
    "seed_everything",
]

GIB = 2**30
NEEDED_MEMORY = 1.5  # GiB: what a lesson may take at its peak
NEEDED_DISK = 0.5  # GiB: data, executed notebooks, checkpoints, and room to breathe
FRAMEWORKS = ("torch", "keras", "tensorflow", "jax")
BACKENDS = ("torch", "tensorflow", "jax")  # Keras needs one of them
# The same library under several names; the first one installed counts.
DISTRIBUTIONS = {"tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel")}


def seed_everything(seed: int) -> "np.random.Generator":
    """Seed Python, NumPy and every framework that is already imported.

    Call it after the imports: a framework imported later keeps its own seed. JAX has no global
    seed; Keras's own is set, on whichever backend it runs. TensorFlow is made to read before it
    writes, see `reads_first`. Nothing is printed.

    Parameters
    ----------
    seed
        A whole number from 0 to 2³² - 1.

    Returns
    -------
    numpy.random.Generator
        ``np.random.default_rng(seed)``, for the lesson's own random numbers.

    Raises
    ------
    TypeError, ValueError
        If `seed` is something else.

    Examples
    --------
    >>> seed_everything(7).integers(100, size=3)
    array([94, 62, 68])
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(
            f"seed is {seed!r} ({type(seed).__name__}), expected a whole number such as 0."
        )
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}, expected a number from 0 to {2**32 - 1}.")
    seed = int(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries still draw from the global generator
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)  # on every device
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(seed)
        reads_first()
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)
    return np.random.default_rng(seed)


def device(framework: str | None = None) -> str:
    """Return the device that a framework will compute on.

    On TensorFlow it also makes sure that compiled steps read before they write, see
    `reads_first`: a lesson calls this before all else.

    Parameters
    ----------
    framework
        "torch" or "keras"; by default Keras if it is imported (it may have imported PyTorch as
        its backend), else PyTorch.

    Returns
    -------
    str
        For PyTorch, and for Keras on PyTorch, what ``torch.device`` takes: "cuda", "mps" or
        "cpu". For Keras on TensorFlow or JAX: "gpu", "tpu" or "cpu".

    Raises
    ------
    ValueError
        If `framework` has another name.
    RuntimeError
        If the framework is not imported yet.

    Examples
    --------
    >>> device("caffe")
    Traceback (most recent call last):
        ...
    ValueError: framework is 'caffe', expected 'torch' or 'keras'.
    """
    if framework is None:
        framework = next((name for name in ("keras", "torch") if name in sys.modules), None)
        if framework is None:
            raise RuntimeError("No framework is imported yet: import torch or keras first.")
    if framework not in ("torch", "keras"):
        raise ValueError(f"framework is {framework!r}, expected 'torch' or 'keras'.")
    if framework not in sys.modules:
        raise RuntimeError(f"{framework} is not imported yet: import {framework} first.")
    backend = sys.modules["keras"].backend.backend() if framework == "keras" else "torch"
    if backend == "torch":
        torch = sys.modules["torch"]
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if backend == "tensorflow":
        reads_first()
        return "gpu" if sys.modules["tensorflow"].config.list_physical_devices("GPU") else "cpu"
    if backend == "jax":
        return sys.modules["jax"].default_backend()
    return "cpu"


def reads_first() -> None:
    """Make TensorFlow's compiled training steps read all weights before they change them.

    A loss that only looks through a network, with ``stop_gradient`` around its weights, reads
    them a second time. That reading must come before the optimiser's update, and in the graph
    that Keras builds it does. But TensorFlow's graph optimiser ("dependency optimization", 2.20
    and 2.21, without XLA) drops this order: whichever comes first, comes first, and the generator
    of a GAN learns now from the old discriminator, now from a half updated one. Nothing fails;
    the same step from the same weights gives different results. Without that one optimisation it
    gives the same, always.
    """
    options = {"dependency_optimization": False}
    sys.modules["tensorflow"].config.optimizer.set_experimental_options(options)


def course_folder() -> Path:
    """Return the folder of the course in which this runs; outside of it, the present folder."""
    here = Path.cwd()
    course = (folder for folder in (here, *here.parents) if (folder / "exercises").is_dir())
    return next(course, here)


def own_file(name: str, variable: str) -> Path:
    """Return a learner's own file: where `variable` says, else in the course's folder."""
    if chosen := os.environ.get(variable):
        return Path(chosen).expanduser()
    return course_folder() / name


def append_line(path: Path, line: str) -> None:
    """Write a line at the end of a file, and lose none that is there.

    It is written in one piece, so two notebooks may write at once; on Windows, which seeks the end
    first, not in the very same moment. A last line that has no end, because a kill cut it short or
    an editor left it so, is ended first.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b", buffering=0) as file:
        begin = ""
        if size := file.seek(0, os.SEEK_END):
            file.seek(size - 1)
            begin = "" if file.read(1) == b"\n" else "\n"
        content = f"{begin}{line}\n".encode()
        if file.write(content) < len(content):  # the disk took a part of it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def peak_memory() -> float:
    """Return the most memory this process has held so far, in GiB.

    It never falls; on a GPU's own memory it says nothing.

    Raises
    ------
    RuntimeError
        On Windows without psutil.

    Examples
    --------
    >>> 0.01 < peak_memory() < 100
    True
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / GIB
    try:
        import resource
    except ImportError:  # Windows
        try:
            import psutil
        except ImportError as error:
            raise RuntimeError(
                "Reading the peak memory on Windows needs psutil: pip install psutil."
            ) from error
        return psutil.Process().memory_info().peak_wset / GIB
    # macOS counts bytes, the others KiB.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


def report() -> None:
    """Print versions, device, cores and memory as a table.

    It names no folder, user or machine, so it can be pasted into a question.
    """
    rows = [
        ("course_utils", __version__),
        ("Python", platform.python_version()),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("numpy", np.__version__),
    ]
    for name in FRAMEWORKS:
        found = version(name)
        if found is None:
            continue
        if name not in sys.modules:
            found += ", not imported"
        elif name == "keras":
            found += f" on {sys.modules['keras'].backend.backend()}, computes on {device('keras')}"
        elif name == "torch":
            found += f", computes on {device('torch')}"
        rows.append((name, found))
    free, total = memory()
    rows += [
        ("CPU cores", str(cores())),
        ("memory", f"{free:.1f} of {total:.1f} GiB free" if total else "unknown"),
    ]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in rows))


def check() -> list[str]:
    """Say whether this computer is ready for the course, and if not, what to do.

    Looks at Python, the packages and their versions (as the package's own metadata asks for
    them), one framework at least, matplotlib at work, memory, disk, and the folder that
    downloads are kept in. Nothing is installed or downloaded, no framework is imported.

    Returns
    -------
    list[str]
        One sentence for each problem, with its mend. Empty when all is well: then one line,
        "Ready: ...", is printed; otherwise each problem is.
    """
    problems = [*_package_problems(), *_matplotlib_problems(), *_machine_problems()]
    if problems:
        for problem in problems:
            print(f"Problem: {problem}")
        return problems
    found = [f"Python {platform.python_version()}"]
    found += [f"{name} {version(name)}" for name in FRAMEWORKS if version(name)]
    line = f"Ready: {', '.join(found)}, {cores()} CPU cores"
    free, total = memory()
    line += f", {free:.1f} GiB of memory free." if total else "."
    # Green where colour is understood: a notebook or a terminal.
    print(f"\033[32m{line}\033[0m" if in_kernel() or sys.stdout.isatty() else line)
    return problems


def version(name: str) -> str | None:
    """Return the installed version of a distribution, or None. Imports nothing."""
    from importlib import metadata  # here: it takes as long to import as all the rest together

    for distribution in DISTRIBUTIONS.get(name, (name,)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(distribution)
    return None


def cores() -> int:
    """Return the number of CPU cores this process may use.

    Looks at the affinity and, in a container (Binder), at its quota.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _read("/sys/fs/cgroup/cpu.max").split()  # "150000 100000" or "max 100000"
    if len(quota) == 2 and quota[0] != "max":
        count = min(count, max(1, round(int(quota[0]) / int(quota[1]))))
    return count


def memory() -> tuple[float, float]:
    """Return the free and the whole memory in GiB, within a container's limit; 0 if unknown."""
    try:
        import psutil  # ipykernel brings it, so a notebook has it
    except ImportError:
        return 0.0, 0.0
    machine = psutil.virtual_memory()
    free, total = machine.available, machine.total
    limit = _read("/sys/fs/cgroup/memory.max")
    if limit.isdigit() and int(limit) < total:
        total = int(limit)
        used = int(_read("/sys/fs/cgroup/memory.current") or 0)
        # Files read once and kept just in case are given up on demand: they count as free.
        for line in _read("/sys/fs/cgroup/memory.stat").splitlines():
            if line.startswith("inactive_file "):
                used -= int(line.split()[1])
        free = min(free, max(0, total - used))
    return free / GIB, total / GIB


def _held() -> float:
    """Return the memory that this process holds now, in GiB."""
    import psutil

    return psutil.Process().memory_info().rss / GIB


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _package_problems() -> list[str]:
    """Hold what is installed to the ranges in the package's own metadata (pyproject.toml)."""
    from importlib import metadata

    try:
        wanted = metadata.requires("course-utils") or []
        python = metadata.metadata("course-utils")["Requires-Python"]
    except metadata.PackageNotFoundError:
        return ["course-utils is not installed. In the course's folder: pip install -e ."]
    try:
        from packaging.requirements import Requirement
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return ["packaging is missing, so no version can be checked: pip install packaging"]

    problems = []
    if python and not SpecifierSet(python).contains(platform.python_version(), prereleases=True):
        problems.append(
            f"Python is {platform.python_version()}, expected {python}. Install a newer Python "
            "from python.org, then set the course up again with it."
        )
    for requirement in map(Requirement, wanted):
        name = requirement.name.removesuffix("-cpu")
        # Without an extra: needed. With one: checked only if it is there.
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        checked = needed or (
            name in FRAMEWORKS
            and any(requirement.marker.evaluate({"extra": e}) for e in ("pytorch", "keras", "jax"))
        )
        found = version(name)
        command = f'pip install "{requirement.name}{requirement.specifier}"'
        if found is None:
            if needed:
                problems.append(f"{name} is missing: {command}")
        elif checked and not requirement.specifier.contains(found, prereleases=True):
            problems.append(f"{name} is {found}, expected {requirement.specifier}: {command}")
    if not version("torch") and not version("keras"):
        problems.append(
            "There is no framework: for the PyTorch notebooks pip install torch; "
            "for the Keras notebooks pip install keras tensorflow"
        )
    elif not any(map(version, BACKENDS)):
        problems.append("Keras has no backend to compute with: pip install tensorflow")
    return problems


def _matplotlib_problems() -> list[str]:
    if version("matplotlib") is None:
        return []  # reported as missing
    try:
        from matplotlib.figure import Figure

        with tempfile.TemporaryFile() as file:
            Figure(figsize=(1, 1)).savefig(file)
    except Exception as error:  # whatever breaks it, the mend is the same
        return [
            f"matplotlib cannot draw ({type(error).__name__}: {error}): "
            "pip install --force-reinstall matplotlib"
        ]
    return []


def _machine_problems() -> list[str]:
    problems = []
    free, total = memory()
    # A lesson's peak is its whole kernel's: what this process holds by now is a part of it.
    if total and free + (held := _held()) < NEEDED_MEMORY:
        problems.append(
            f"{free:.1f} GiB of memory are free and {held:.1f} taken by this notebook, a lesson "
            f"needs up to {NEEDED_MEMORY}: close other programs and shut down other notebooks "
            "(in JupyterLab: Kernel menu, Shut Down All Kernels)."
        )
    if version("pooch") is None:
        return problems  # reported as missing
    from course_utils import downloads

    cache = downloads.cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
        space = shutil.disk_usage(cache).free / GIB
    except OSError as error:
        return [
            *problems,
            f"Downloads cannot be kept ({error.strerror}): make the folder {cache} writable.",
        ]
    if space < NEEDED_DISK:
        problems.append(f"{space:.1f} GiB of disk are free, expected {NEEDED_DISK}: delete files.")
    return problems
