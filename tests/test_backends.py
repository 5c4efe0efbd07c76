"""The Keras track trains on backends other than TensorFlow; `make test-backends` runs it whole."""

import os
import subprocess
import sys
from pathlib import Path

import equality
import pytest

TESTS = Path(__file__).parent
# In processes of their own: a process has one backend. The real data are a point far from where an
# untrained generator or decoder draws, so the first loss must fall within a few steps; and so must
# the only loss of a network alone. (Not where captions are matched: these pictures are all alike.)
PROGRAM = """
import equality, keras, numpy as np
equality.BATCH = 32
for lesson, models in LESSONS.items():
    print(lesson, flush=True)
    lessons = [equality.load(lesson, track) for track in ("pytorch", "keras")]
    for build, container in models:
        made = equality.KINDS[container](*lessons, build)
        keras.utils.set_random_seed(0)
        networks = {role: made.untrained(role)[1] for role in made.takes}
        weights = [network.get_weights() for network in networks.values()]
        model = equality.part(lessons[1], build, f"{{}}{container}")(*networks.values())
        model.compile(optimizer=lessons[1]["adam"]())
        for name, array in made.arrays.items():
            far = np.full(array.shape, -5.0 if name == "fake" else 5.0, "float32")
            made.arrays[name] = far if array.dtype.kind == "f" else array.astype("int32")
        start = model.train_on_batch(made.theirs(made.batch), return_dict=True)
        x = tuple(made.arrays[name] for name in made.batch if name in made.arrays)
        batches = ((x if len(x) > 1 else x[0],) for _ in range(20))
        history = model.fit(batches, steps_per_epoch=20, verbose=0).history
        assert all(np.isfinite(values).all() for values in history.values()), history
        loss = "loss" if len(networks) == 1 else made.loss_names[0]
        if loss in history and "tokens" not in made.batch:
            assert history[loss][0] < start[loss], (build, start, history)
        for network, untrained in zip(networks.values(), weights, strict=True):
            moved = [(new != old).any() for new, old in zip(network.get_weights(), untrained)]
            assert all(moved), (build, network, moved)
print(keras.backend.backend())
"""
QUICK = "01_gan"
LESSONS = sorted({lesson for lesson, *_ in equality.models()})


@pytest.mark.parametrize(
    "backend, lessons",
    [
        ("torch", [QUICK]),
        pytest.param("torch", [name for name in LESSONS if name != QUICK], marks=pytest.mark.slow),
        pytest.param("jax", LESSONS, marks=pytest.mark.slow),
    ],
)
def test_some_steps_on_another_backend(backend, lessons):
    pytest.importorskip(backend)
    # The rings are the images' models once more.
    models = {
        lesson: [
            names for of, *names in equality.models() if of == lesson and "ring" not in names[0]
        ]
        for lesson in lessons
    }
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("LESSONS", repr(models))],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"{run.stdout}{run.stderr[-2000:]}"
    assert run.stdout.split() == [*lessons, backend]
