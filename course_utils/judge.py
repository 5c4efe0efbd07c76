"""The judge: a small CNN that reads digits, in NumPy. Its hidden layer is the measures' space."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from course_utils.plots import check_images


class Judge:
    """A small CNN that reads digits, evaluated in NumPy. `tools/train_judge.py` trained it.

    Three strided convolutions and a hidden layer of 128 units, whose activations are the feature
    space of `frechet_distance` and `precision_recall`. They are scaled so that their total variance
    over MNIST's test images is 100: a model that draws one average digit for ever is at a Fréchet
    distance of about 100.

    Attributes
    ----------
    accuracy : dict
        Share of right answers on the test images of "mnist" and "digits", as measured when trained.

    Examples
    --------
    >>> judge = Judge.load()
    >>> judge.features(np.zeros((2, 28, 28, 1))).shape
    (2, 128)
    """

    def __init__(self, weights):
        self._layers = [
            (
                weights[f"{name}_kernel"].astype(np.float32),
                weights[f"{name}_bias"].astype(np.float32),
            )
            for name in ("conv1", "conv2", "conv3", "hidden", "output")
        ]
        self.accuracy = {name: float(weights[f"accuracy_{name}"]) for name in ("mnist", "digits")}

    @classmethod
    @cache
    def load(cls) -> Judge:
        """Return the course's judge; the file is read once."""
        with np.load(Path(__file__).with_name("judge.npz"), allow_pickle=False) as weights:
            return cls(weights)

    def features(self, images) -> np.ndarray:
        """Last hidden activations, after the ReLU: float32 (n, 128), each at least 0.

        Parameters
        ----------
        images : (n, 28, 28, 1) or (n, 28, 28), in [0, 1]

        Raises
        ------
        ValueError
            If shape or values are others; the message says how to map them.
        """
        images = as_images(images)
        *convolutions, (kernel, bias), _ = self._layers
        blocks = []
        for start in range(0, len(images), 100):  # 100 at a time stay within about 16 MB
            x = images[start : start + 100]
            for layer in convolutions:
                x = _convolve(x, *layer)
            blocks.append(np.maximum(x.reshape(len(x), -1) @ kernel + bias, 0))
        return np.concatenate(blocks)

    def probabilities(self, images) -> np.ndarray:
        """Probability of each digit: float32 (n, 10), rows sum to 1."""
        logits = self._logits(self.features(images))
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def predict(self, images) -> np.ndarray:
        """The digit that each image shows: int64 (n,)."""
        return self.read(self.features(images))

    def read(self, features) -> np.ndarray:
        """The digits for features already computed: (n, 128) to int64 (n,)."""
        return self._logits(features).argmax(axis=1)

    def _logits(self, features) -> np.ndarray:
        kernel, bias = self._layers[-1]
        return features @ kernel + bias


def _convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Convolution of stride 2 and ReLU: (n, h, w, c) with (k, k, c, out) to (n, h/2, w/2, out)."""
    size = kernel.shape[0]
    pad = (size - 1) // 2
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    patches = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::2, ::2]  # (n, h, w, c, k, k)
    patches = patches.transpose(0, 1, 2, 4, 5, 3)  # channels last: long runs in memory, fast copy
    n, height, width = patches.shape[:3]
    y = patches.reshape(n * height * width, -1) @ kernel.reshape(-1, kernel.shape[-1])
    y += bias
    return np.maximum(y, 0, out=y).reshape(n, height, width, -1)


def as_images(images, name: str = "images") -> np.ndarray:
    """Check images and return them as float32 (n, 28, 28, 1) in [0, 1]."""
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    check_images(images, name)
    if images.shape[1:] != (28, 28, 1):
        raise ValueError(
            f"{name} has shape {images.shape}, expected (n, 28, 28, 1): the judge reads pictures "
            "of 28 × 28 pixels only"
        )
    return images.astype(np.float32, copy=False)
