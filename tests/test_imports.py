"""The helper package costs next to nothing to import, and brings no framework along."""

import pkgutil
import subprocess
import sys

import pytest

import course_utils

MODULES = ["course_utils"] + [
    f"course_utils.{module.name}" for module in pkgutil.iter_modules(course_utils.__path__)
]
HEAVY = ["torch", "tensorflow", "keras", "jax", "matplotlib", "IPython", "sklearn", "scipy"]
HEAVY += ["PIL", "faker", "pooch", "pandas"]
BUDGET = 0.1  # seconds beyond NumPy

PROGRAM = f"""
import time, sys, numpy
start = time.perf_counter()
import MODULE
print(time.perf_counter() - start, *[name for name in {HEAVY} if name in sys.modules])
"""


@pytest.mark.parametrize("module", MODULES)
def test_import_is_light(module):
    seconds = []
    for _ in range(5):  # the quickest counts: others may share the machine
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("MODULE", module)],
            capture_output=True,
            text=True,
            check=True,
        )
        took, *heavy = run.stdout.split()
        assert not heavy, f"{module} imports {heavy}: import them inside the functions."
        seconds.append(float(took))
        if min(seconds) < BUDGET:
            return
    pytest.fail(f"{module} takes {min(seconds):.3f} s beyond NumPy, at most {BUDGET} s are meant.")


def test_modules_were_found():
    assert {"course_utils.live", "course_utils.plots", "course_utils.runtime"} <= set(MODULES)
