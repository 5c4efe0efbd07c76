"""The Keras track trains on backends other than TensorFlow; `make test-backends` runs it whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# In a process of its own: a process has one backend. The real data are a point far from where an
# untrained generator draws, so the discriminator must get better within a few steps.
PROGRAM = """
import equality, keras, numpy as np
lesson = equality.load("LESSON", "keras")
for build in equality.generators("LESSON"):
    keras.utils.set_random_seed(0)
    builders = [build, build.replace("generator", "discriminator")]
    networks = [lesson[builder]() for builder in builders]
    starts = [network.get_weights() for network in networks]
    gan = lesson["GAN"](*networks)
    gan.compile(optimizer=lesson["adam"]())
    real = np.full((640, *networks[1].input_shape[1:]), 5.0, "float32")
    history = gan.fit(real, batch_size=32, epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values()), history
    assert history["discriminator_loss"][0] < 1.3, history  # untrained: 1.39
    for network, start in zip(networks, starts, strict=True):
        assert all((new != old).any() for new, old in zip(network.get_weights(), start)), network
print(keras.backend.backend())
"""


@pytest.mark.parametrize("lesson", ["01_gan"])
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
