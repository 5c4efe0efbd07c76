"""Seeds repeat, devices are named as each framework names them, problems come with a mend."""

import os
import random
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace as Stub

import numpy as np
import pytest

from course_utils import downloads, runtime

REQUIRED = ["numpy>=1.26", "matplotlib>=3.8", 'torch>=2.6; extra == "pytorch"']


def draw():
    legacy = np.random.random()  # noqa: NPY002 - the global generator is what is tested
    return random.random(), legacy, runtime.seed_everything(3).random()


def test_seeds_repeat_and_differ():
    runtime.seed_everything(0)
    first = draw()
    runtime.seed_everything(0)
    assert draw() == first
    runtime.seed_everything(1)
    assert draw()[:2] != first[:2]
    expected = np.random.default_rng(5).random(3)
    np.testing.assert_array_equal(runtime.seed_everything(5).random(3), expected)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range(seed):
    with pytest.raises(ValueError, match="expected a number from 0"):
        runtime.seed_everything(seed)


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_seed_of_another_type(seed):
    with pytest.raises(TypeError, match="expected a whole number"):
        runtime.seed_everything(seed)


def test_torch_is_seeded_and_its_device_is_its_own():
    torch = pytest.importorskip("torch")
    runtime.seed_everything(0)
    first = torch.rand(3)
    runtime.seed_everything(0)
    assert torch.equal(torch.rand(3), first)
    assert torch.zeros(1, device=runtime.device("torch")).device.type == runtime.device("torch")


@pytest.mark.parametrize(
    "backend",
    ["tensorflow", *(pytest.param(name, marks=pytest.mark.slow) for name in ("torch", "jax"))],
)
def test_keras_is_seeded_and_its_device_is_the_backends(backend):
    for name in ("keras", backend):
        if runtime.version(name) is None:
            pytest.skip(f"{name} is not installed")
    program = """
import keras
from course_utils import runtime
def draw():
    runtime.seed_everything(1)
    return float(keras.random.normal(()))
assert draw() == draw()
assert runtime.device() == runtime.device("keras") in ("cpu", "gpu", "cuda", "mps", "tpu")
runtime.report()
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert f" on {backend}, computes on " in run.stdout


def keras_on(backend):
    return Stub(backend=Stub(backend=lambda: backend))


def torch_with(cuda, mps):
    return Stub(
        cuda=Stub(is_available=lambda: cuda),
        backends=Stub(mps=Stub(is_available=lambda: mps)),
    )


def tensorflow_with(gpus):
    optimizer = Stub(set_experimental_options=lambda options: None)
    return Stub(config=Stub(list_physical_devices=lambda kind: gpus, optimizer=optimizer))


@pytest.mark.parametrize(
    ("backend", "modules", "expected"),
    [
        ("torch", {"torch": torch_with(True, False)}, "cuda"),
        ("torch", {"torch": torch_with(False, True)}, "mps"),
        ("torch", {"torch": torch_with(False, False)}, "cpu"),
        ("tensorflow", {"tensorflow": tensorflow_with(["a GPU"])}, "gpu"),
        ("tensorflow", {"tensorflow": tensorflow_with([])}, "cpu"),
        ("jax", {"jax": Stub(default_backend=lambda: "gpu")}, "gpu"),
        ("numpy", {}, "cpu"),
    ],
)
def test_device_on_computers_that_we_do_not_have(monkeypatch, backend, modules, expected):
    monkeypatch.setitem(sys.modules, "keras", keras_on(backend))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert runtime.device() == expected
    if backend == "torch":
        assert runtime.device("torch") == expected


def test_device_needs_a_framework(monkeypatch):
    for name in ("torch", "keras"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(RuntimeError, match="import torch or keras first"):
        runtime.device()
    with pytest.raises(RuntimeError, match="import torch first"):
        runtime.device("torch")


def test_peak_memory_grows_by_what_is_taken():
    program = """
import numpy as np
from course_utils.runtime import peak_memory
before = peak_memory()
np.ones(2**27 // 4, np.float64)  # 256 MiB
print(peak_memory() - before)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) == pytest.approx(0.25, abs=0.003)


def test_report_names_versions_but_neither_folder_nor_host(capsys):
    import platform

    runtime.report()
    out = capsys.readouterr().out
    assert f"numpy         {np.__version__}" in out
    assert "CPU cores" in out
    assert "/" not in out and platform.node() not in out


@pytest.fixture
def installed(monkeypatch):
    """Pretend: these distributions are installed, and the package asks for REQUIRED."""
    versions = {"numpy": "2.1.0", "matplotlib": "3.10.0", "torch": "2.11.0+cu128", "pooch": "1.8"}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRED)
    monkeypatch.setattr(metadata, "metadata", lambda name: {"Requires-Python": ">=3.11"})
    monkeypatch.setattr(runtime, "memory", lambda: (8.0, 16.0))
    monkeypatch.setattr(runtime.shutil, "disk_usage", lambda path: Stub(free=9 * 2**30))
    return versions


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(downloads, "cache", lambda: tmp_path / "cache")
    return tmp_path


def test_ready(installed, capsys):
    assert runtime.check() == []
    out = capsys.readouterr().out
    assert out.startswith("Ready: Python 3.") and "torch 2.11.0+cu128" in out


def only(problems, part):
    assert len(problems) == 1, problems
    assert part in problems[0]


def test_missing_package(installed, capsys):
    del installed["numpy"]
    only(runtime.check(), 'numpy is missing: pip install "numpy>=1.26"')
    assert capsys.readouterr().out.startswith("Problem: numpy is missing")


def test_old_package(installed):
    installed["numpy"] = "1.9.2"  # as text, greater than 1.26
    only(runtime.check(), 'numpy is 1.9.2, expected >=1.26: pip install "numpy>=1.26"')


def test_old_framework(installed):
    installed["torch"] = "2.1.0"
    only(runtime.check(), "torch is 2.1.0, expected >=2.6")


def test_no_framework(installed):
    del installed["torch"]
    only(runtime.check(), "There is no framework")


def test_keras_without_a_backend(installed):
    del installed["torch"]
    installed["keras"] = "3.13.0"
    only(runtime.check(), "Keras has no backend")
    installed["tensorflow-cpu"] = "2.20.0"
    assert runtime.check() == []


def test_old_python(installed, monkeypatch):
    monkeypatch.setattr(metadata, "metadata", lambda name: {"Requires-Python": ">=3.99"})
    only(runtime.check(), "expected >=3.99")


def test_little_memory(installed, monkeypatch):
    monkeypatch.setattr(runtime, "memory", lambda: (0.4, 2.0))
    monkeypatch.setattr(runtime, "_held", lambda: 1.0)
    only(runtime.check(), "0.4 GiB of memory are free and 1.0 taken by this notebook")


def test_what_a_lesson_holds_already_is_not_wanted_again(installed, monkeypatch):
    monkeypatch.setattr(runtime, "memory", lambda: (1.4, 2.0))  # of a hub's 2, after the imports
    monkeypatch.setattr(runtime, "_held", lambda: 0.4)
    assert runtime.check() == []


def test_what_a_process_holds():
    here = runtime._held()
    block = np.ones(2**25)  # a quarter of a GiB
    assert runtime._held() - here == pytest.approx(block.nbytes / runtime.GIB, abs=0.05)


def test_little_disk(installed, monkeypatch):
    monkeypatch.setattr(runtime.shutil, "disk_usage", lambda path: Stub(free=2**28))
    only(runtime.check(), "0.2 GiB of disk are free")


def test_cache_that_cannot_be_written(installed, cache):
    (cache / "cache").write_text("a file stands where the folder should be")
    only(runtime.check(), "Downloads cannot be kept")


def test_matplotlib_that_cannot_draw(installed, monkeypatch):
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "savefig", lambda *_: 1 / 0)
    only(runtime.check(), "matplotlib cannot draw (ZeroDivisionError")


def test_the_package_itself_is_missing(installed, monkeypatch):
    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    only(runtime.check(), "pip install -e .")


def test_a_containers_limits_count(monkeypatch):
    psutil = pytest.importorskip("psutil")
    total = psutil.virtual_memory().total
    files = {
        "/sys/fs/cgroup/cpu.max": "100000 100000",
        "/sys/fs/cgroup/memory.max": str(total // 2),
        "/sys/fs/cgroup/memory.current": str(total // 2 - 2**20),
        "/sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {2**20}",
    }
    monkeypatch.setattr(runtime, "_read", lambda path: files.get(path, ""))
    assert runtime.cores() == 1
    free, whole = runtime.memory()
    assert whole == pytest.approx(total / 2 / 2**30)
    assert free == pytest.approx(2**21 / 2**30)
