"""The Keras track trains on backends other than TensorFlow; `make test-backends` runs it whole."""

import os
import subprocess
import sys
from pathlib import Path

import equality
import pytest

TESTS = Path(__file__).parent
# In a process of its own: a process has one backend. The real data are a point far from where an
# untrained generator or decoder draws, so the first loss must fall within a few steps.
PROGRAM = """
import equality, keras, numpy as np
lesson = equality.load("LESSON", "keras")
build = equality.builders("LESSON")[-1]  # the one for images
kind = equality.kind(build)
keras.utils.set_random_seed(0)
networks = {role: equality.part(lesson, build, f"build_{{}}{role}")() for role in kind.roles}
weights = [network.get_weights() for network in networks.values()]
model = equality.part(lesson, build, kind.container)(*networks.values())
model.compile(optimizer=lesson["adam"]())
images, *labels = networks[kind.of_latent_and_images[1]].inputs
shape = [32 if size is None else size for size in images.shape]
x = [np.full(shape, 5.0, "float32")]
x += [np.arange(32, dtype="int32") % equality.CLASSES for _ in labels]
first = [keras.ops.convert_to_tensor(part) for part in x]
start = model.train_on_batch(first if labels else first[0], return_dict=True)
batches = ((tuple(x) if labels else x[0],) for _ in range(20))
history = model.fit(batches, steps_per_epoch=20, verbose=0).history
assert all(np.isfinite(values).all() for values in history.values()), history
loss = kind.loss_names[0]
assert loss not in history or history[loss][0] < start[loss], (start, history)
for network, untrained in zip(networks.values(), weights, strict=True):
    assert all((new != old).any() for new, old in zip(network.get_weights(), untrained)), network
print(keras.backend.backend())
"""
QUICK = "01_gan"
LESSONS = [
    pytest.param(lesson, marks=() if lesson == QUICK else pytest.mark.slow)
    for lesson in sorted({lesson for lesson, _ in equality.models()})
]


@pytest.mark.parametrize("lesson", LESSONS)
@pytest.mark.parametrize("backend", ["torch", pytest.param("jax", marks=pytest.mark.slow)])
def test_some_steps_on_another_backend(lesson, backend):
    pytest.importorskip(backend)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("LESSON", lesson)],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split() == [backend]
