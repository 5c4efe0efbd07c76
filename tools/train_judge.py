"""Train the judge of course_utils and write course_utils/judge.npz.

    python tools/train_judge.py

Network and loss are lesson 03's. It is trained longer than there, on both data sets, and on
pictures turned and shifted at random: about three minutes on two CPU cores. It needs MNIST, and
keeps the old file unless the new judge reaches the bars on the test images of both data sets.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data
from course_utils.judge import Judge
from course_utils.runtime import seed_everything

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "course_utils" / "judge.npz"
LESSON = ROOT / "notebooks" / "03_measuring" / "03_measuring_pytorch.ipynb"
BARS = {"mnist": 0.99, "digits": 0.97}
SEED, EPOCHS, BATCH_SIZE, LEARNING_RATE = 0, 10, 128, 3e-3
TOTAL_VARIANCE = 100.0  # of the features over MNIST's test images: the unit of the Fréchet distance


def lesson() -> SimpleNamespace:
    """What lesson 03 defines in PyTorch, `build_judge` and `judge_loss` among it."""
    cells = nbformat.read(LESSON, as_version=4).cells
    code = "\n\n".join(c.source for c in cells if "model" in c.metadata.get("tags", []))
    names: dict[str, Any] = {}
    exec(compile(code, LESSON.name, "exec"), names)
    return SimpleNamespace(**names)


def vary(images: torch.Tensor) -> torch.Tensor:
    """Turn, scale, slant and shift each image a little: (B, 1, 28, 28) to the same."""
    n = len(images)

    def uniform(limit: float) -> torch.Tensor:
        return (2 * torch.rand(n) - 1) * limit

    angle, slant = uniform(math.radians(12)), uniform(0.15)
    across, down = 1 + uniform(0.12), 1 + uniform(0.12)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Shifts are in half-widths of the image: 0.14 is two pixels.
    matrix = torch.stack(
        [across * cos, slant - sin, uniform(0.14), sin, down * cos, uniform(0.14)], dim=1
    ).view(n, 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def train(images: np.ndarray, labels: np.ndarray) -> nn.Sequential:
    """Train the network on images (n, 28, 28, 1) and labels (n,)."""
    taught = lesson()
    network = taught.build_judge().cpu()
    inputs, targets = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
    steps = EPOCHS * (len(images) // BATCH_SIZE)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        total = 0.0
        batches = torch.randperm(len(images)).split(BATCH_SIZE)[: steps // EPOCHS]
        for batch in batches:
            loss = taught.judge_loss(network(vary(inputs[batch])), targets[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / len(batches):.4f}", flush=True)
    return network.eval()


def weights_of(network: nn.Sequential) -> dict[str, np.ndarray]:
    """The network's weights in Judge's layout, each batch norm folded into the layer before it."""
    weights = {}
    modules = list(network)
    names = iter(("conv1", "conv2", "conv3", "hidden"))
    for layer, norm in zip(modules, modules[1:], strict=False):
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            continue
        name = next(names)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        kernel = layer.weight * scale.view(-1, *[1] * (layer.weight.ndim - 1))
        if kernel.ndim == 4:
            kernel = kernel.permute(2, 3, 1, 0)  # (out, c, k, k) to (k, k, c, out)
        else:  # Flatten saw (c, h, w); Judge flattens (h, w, c)
            kernel = kernel.view(128, 64, 4, 4).permute(2, 3, 1, 0).reshape(-1, 128)
        weights[f"{name}_kernel"] = kernel
        weights[f"{name}_bias"] = norm.bias - norm.running_mean * scale
    weights["output_kernel"], weights["output_bias"] = modules[-1].weight.T, modules[-1].bias
    return {name: value.detach().numpy().copy() for name, value in weights.items()}


def main() -> None:
    mnist, digits = data.load("mnist"), data.load("digits")
    if mnist.name != "mnist":
        sys.exit(
            "The judge is trained on MNIST, and MNIST was not found: connect to the network, or "
            "set COURSE_DATA to a folder that holds mnist/*.gz. The old judge.npz stays."
        )
    seed_everything(SEED)
    images = np.concatenate([mnist.images, digits.images])
    labels = np.concatenate([mnist.labels, digits.labels])
    weights = weights_of(train(images, labels))

    # A ReLU layer may be scaled freely as long as the next layer takes the scale back.
    weights |= {f"accuracy_{name}": np.float32(0) for name in BARS}
    features = Judge(weights).features(mnist.test_images)
    scale = math.sqrt(TOTAL_VARIANCE / features.var(axis=0).sum())
    weights["hidden_kernel"] *= scale
    weights["hidden_bias"] *= scale
    weights["output_kernel"] /= scale

    # Measured as it is kept: in half precision, evaluated in NumPy.
    weights = {name: value.astype(np.float16) for name, value in weights.items()}
    judge = Judge(weights)
    for dataset in (mnist, digits):
        accuracy = (judge.predict(dataset.test_images) == dataset.test_labels).mean()
        weights[f"accuracy_{dataset.name}"] = np.float32(accuracy)
        print(f"{dataset.name}: {accuracy:.2%} of {len(dataset.test_labels)} test images")
    if any(weights[f"accuracy_{name}"] < bar for name, bar in BARS.items()):
        sys.exit(f"Below the bars {BARS}: judge.npz is left as it was.")
    np.savez_compressed(TARGET, **weights)
    print(f"wrote {TARGET.name}, {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
