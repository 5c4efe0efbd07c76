"""course_utils.metrics against SciPy, closed forms, naive loops and PyTorch."""

import os
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import linalg, ndimage, stats

from course_utils import data, metrics
from course_utils.metrics import Judge

load = cache(data.load)  # the tests only read


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module", params=["mnist", "digits"])
def dataset(request):
    images = load(request.param)
    if images.name != request.param:
        pytest.skip("MNIST is not on this machine: set COURSE_DATA or connect it")
    return replace(images, images=images.images[:10000], labels=images.labels[:10000])  # for speed


@pytest.fixture(scope="module")
def digits():
    return load("digits")


# ------------------------------------------------------------------------------------ the judge


def test_judge_reads_both_data_sets(dataset):
    judge = Judge.load()
    accuracy = (judge.predict(dataset.test_images) == dataset.test_labels).mean()
    assert accuracy >= {"mnist": 0.99, "digits": 0.97}[dataset.name]
    assert accuracy == pytest.approx(judge.accuracy[dataset.name], abs=5e-4)


def test_judge_file_is_small():
    path = os.path.join(os.path.dirname(metrics.__file__), "judge.npz")
    assert os.path.getsize(path) < 400_000


def test_judge_is_the_network_that_pytorch_would_run(rng):
    """The NumPy convolutions, paddings and strides against PyTorch's with the same weights."""
    torch = pytest.importorskip("torch")
    judge, images = Judge.load(), rng.random((300, 28, 28, 1), np.float32)  # more than one block
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    *convolutions, hidden, output = judge._layers
    for kernel, bias in convolutions:
        weight = torch.from_numpy(kernel).permute(3, 2, 0, 1)
        padding = (kernel.shape[0] - 1) // 2
        x = torch.conv2d(x, weight, torch.from_numpy(bias), stride=2, padding=padding).relu()
    flat = x.permute(0, 2, 3, 1).flatten(1)
    features = (flat @ torch.from_numpy(hidden[0]) + torch.from_numpy(hidden[1])).relu()
    logits = features @ torch.from_numpy(output[0]) + torch.from_numpy(output[1])
    np.testing.assert_allclose(judge.features(images), features.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        judge.probabilities(images), logits.softmax(dim=1).numpy(), rtol=1e-3, atol=1e-5
    )
    np.testing.assert_array_equal(judge.predict(images), logits.argmax(dim=1).numpy())


def test_judge_takes_images_without_channel_axis(digits):
    judge, images = Judge.load(), digits.test_images[:7]
    np.testing.assert_array_equal(judge.features(images), judge.features(images[..., 0]))


def test_network_that_is_trained_is_the_one_that_is_kept():
    """tools/train_judge.py folds batch norm into the weights: the outputs must stay the same."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("course_utils.runtime")
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools"))
    try:
        import train_judge
    finally:
        sys.path.pop(0)
    torch.manual_seed(0)
    network = train_judge.lesson().build_judge().cpu()
    images = torch.rand(64, 1, 28, 28)
    for _ in range(20):
        network(images)  # moves batch norm's running statistics away from 0 and 1
    weights = train_judge.weights_of(network) | {"accuracy_mnist": 0, "accuracy_digits": 0}
    with torch.no_grad():
        expected = network.eval()(images).softmax(dim=1).numpy()
    given = Judge(weights).probabilities(images.permute(0, 2, 3, 1).numpy())
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_judge_that_lesson_03_trains_is_one_network_in_both_tracks(rng):
    for framework in ("torch", "keras"):
        pytest.importorskip(framework)
    import equality
    import keras

    with equality.same_arithmetic():
        lessons = [equality.load("03_measuring", track) for track in ("pytorch", "keras")]
        ours, theirs = networks = [lesson["build_judge"]() for lesson in lessons]
        twins = equality.couple(*networks)
        assert len(twins) == 4 * 5 + 2  # each of four layers and its batch norm, and the last one
        images, labels = rng.random((16, 28, 28, 1)), rng.integers(10, size=16)
        logits = ours.eval()(equality.to_pytorch(images))
        assert equality.difference(logits.detach().numpy(), theirs(images)) < 1e-6
        loss = lessons[0]["judge_loss"](logits, equality.to_pytorch(labels))
        same = lessons[1]["judge_loss"](
            labels, keras.ops.convert_to_tensor(logits.detach().numpy())
        )
        assert float(same) == pytest.approx(float(loss.detach()), rel=1e-6)


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((2, 1, 28, 28)), r"shape \(2, 1, 28, 28\).*transpose\(0, 2, 3, 1\)"),
        (np.zeros((0, 28, 28, 1)), "no images"),
        (np.full((2, 28, 28, 1), np.nan), "NaN"),
        (np.linspace(-1, 1, 784).reshape(1, 28, 28), r"-1 to 1.*\(images \+ 1\) / 2"),
        (np.full((1, 28, 28), 255, np.uint8), "holds uint8.*/ 255"),
        (np.zeros((1, 32, 32, 1)), "28 × 28 pixels only"),
        (np.linspace(-7, 1, 784).reshape(1, 28, 28), "-7 to 1.*sigmoid"),
    ],
)
def test_bad_images_are_named_with_the_mend(images, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Judge.load().features(images)


# --------------------------------------------------------------------------------- the measures


def test_frechet_agrees_with_scipy(rng):
    a = rng.normal(size=(500, 20)) @ rng.normal(size=(20, 20))
    b = rng.normal(size=(700, 20)) @ rng.normal(size=(20, 20)) + rng.normal(size=20)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(cov_a @ cov_b).real
    mean = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    expected = mean + np.trace(cov_a + cov_b - 2 * root)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert metrics.frechet_distance(b, a) == pytest.approx(expected, rel=1e-8)


def test_frechet_of_commuting_gaussians_is_the_closed_form(rng):
    """For covariances with the same axes: |m|² + sum of (s_i - t_i)² over standard deviations."""
    white = rng.normal(size=(400, 6))
    white = np.linalg.solve(np.linalg.cholesky(np.cov(white.T)), (white - white.mean(axis=0)).T).T
    s, t = np.array([1, 2, 3, 0.5, 0, 4]), np.array([2, 2, 1, 0, 0.3, 4])
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    shift = np.array([3, 0, 0, 0, 4, 0])
    a, b = white * s @ rotation, (white * t + shift) @ rotation
    assert metrics.frechet_distance(a, b) == pytest.approx(25 + ((s - t) ** 2).sum(), abs=1e-6)


def test_frechet_of_a_set_to_itself_is_zero(rng):
    a = rng.normal(size=(300, 30))
    a[:, 4] = 0  # a unit that never fires
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_refuses_what_it_cannot_measure(rng):
    a = rng.normal(size=(100, 30))
    with pytest.raises(ValueError, match="30 samples, expected at least 31.*singular"):
        metrics.frechet_distance(a[:30], a)
    with pytest.raises(ValueError, match="features_b holds NaN"):
        metrics.frechet_distance(a, np.where(a == a[3, 3], np.nan, a))
    with pytest.raises(ValueError, match="30 columns and features_b 29"):
        metrics.frechet_distance(a, a[:, 1:])
    with pytest.raises(ValueError, match=r"shape \(100,\).*\(n, d\)"):
        metrics.frechet_distance(a[:, 0], a)


def naive_kernel_distance(a, b):
    def mean(x, y, same):
        values = [
            (sum(p * q for p, q in zip(x[i], y[j], strict=True)) / len(x[i]) + 1) ** 3
            for i in range(len(x))
            for j in range(len(y))
            if not (same and i == j)
        ]
        return sum(values) / len(values)

    return mean(a, a, same=True) + mean(b, b, same=True) - 2 * mean(a, b, same=False)


def test_kernel_distance_agrees_with_a_naive_loop(rng):
    a, b = rng.normal(size=(23, 4)), rng.normal(size=(31, 4)) + 0.5
    distance, error = metrics.kernel_distance(a, b, blocks=1)
    assert distance == pytest.approx(naive_kernel_distance(a, b), rel=1e-10)
    assert np.isnan(error)


def test_kernel_distance_is_the_closed_form_for_two_single_places():
    """With all points of a set at one place there are three values of the kernel only."""
    a, b = np.tile([1.0, 2.0], (20, 1)), np.tile([3.0, -1.0], (40, 1))
    expected = (5 / 2 + 1) ** 3 + (10 / 2 + 1) ** 3 - 2 * (1 / 2 + 1) ** 3
    assert metrics.kernel_distance(a, b, blocks=4) == pytest.approx((expected, 0))


def test_kernel_distance_has_no_bias_and_a_right_standard_error(rng):
    distances, errors = np.transpose(
        [metrics.kernel_distance(*rng.normal(size=(2, 60, 3)), blocks=6) for _ in range(400)]
    )
    spread = distances.std()
    assert abs(distances.mean()) < 3 * spread / np.sqrt(400)
    assert np.sqrt((errors**2).mean()) == pytest.approx(spread, rel=0.15)


def test_kernel_distance_takes_large_sets_in_parts(rng):
    a, b = rng.normal(size=(2, 4000, 2))  # more than one part
    together = ((np.concatenate([a, b]) @ np.concatenate([a, b]).T) / 2 + 1) ** 3
    np.fill_diagonal(together, 0)
    own = (together[:4000, :4000].sum() + together[4000:, 4000:].sum()) / (4000 * 3999)
    expected = own - 2 * together[:4000, 4000:].mean()
    assert metrics.kernel_distance(a, b, blocks=1)[0] == pytest.approx(expected, abs=1e-9)


def test_kernel_distance_refuses_what_it_cannot_measure(rng):
    a = rng.normal(size=(20, 3))
    with pytest.raises(ValueError, match="19 samples, expected at least 20.*10 blocks"):
        metrics.kernel_distance(a, a[:19])
    with pytest.raises(ValueError, match="3 columns and features_b 2"):
        metrics.kernel_distance(a, a[:, :2])
    with pytest.raises(ValueError, match="blocks is 0"):
        metrics.kernel_distance(a, a, blocks=0)


def naive_share_inside(points, centres, k):
    inside = 0
    for point in points:
        for i, centre in enumerate(centres):
            others = [np.linalg.norm(centre - c) for j, c in enumerate(centres) if j != i]
            if np.linalg.norm(point - centre) <= sorted(others)[k - 1]:
                inside += 1
                break
    return inside / len(points)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_recall_agrees_with_a_naive_loop(rng, k):
    real, fake = rng.normal(size=(60, 4)), rng.normal(size=(45, 4)) * 0.6 + 1
    expected = naive_share_inside(fake, real, k), naive_share_inside(real, fake, k)
    assert min(expected) > 0 and max(expected) < 1
    assert metrics.precision_recall(real, fake, k) == pytest.approx(expected)


def test_precision_recall_where_the_answer_is_known(rng):
    near, far = rng.normal(size=(50, 3)), rng.normal(size=(50, 3)) + 100
    both = np.concatenate([near, far])
    assert metrics.precision_recall(both, near) == (1.0, 0.5)  # half of the real ones are missed
    assert metrics.precision_recall(near, both) == (0.5, 1.0)  # half of the fakes are not real
    assert metrics.precision_recall(near, far) == (0.0, 0.0)
    with pytest.raises(ValueError, match="3 samples, expected at least 4"):
        metrics.precision_recall(near[:3], far)


def test_blocks_do_not_change_the_distances(rng):
    a, b = rng.normal(size=(33, 5)), rng.normal(size=(21, 5))
    blocks = np.concatenate([block for _, block in metrics._distance_blocks(a, b, cells=50)])
    expected = ((a[:, None] - b) ** 2).sum(axis=-1)
    np.testing.assert_allclose(blocks, expected, atol=1e-10)


def test_class_coverage():
    ten = np.repeat(np.arange(10), 100)
    assert metrics.class_coverage(ten, 10) == 1
    assert metrics.class_coverage(np.full(500, 7), 10) == 0.1
    # One fifth of a tenth is 2 %: 20 of 1,000 reach the class, 19 do not.
    for count, expected in ((20, 0.2), (19, 0.1)):
        labels = np.array([0] * (1000 - count) + [1] * count)
        assert metrics.class_coverage(labels, 10) == expected
    # A rare class needs a fifth of its own share only.
    assert metrics.class_coverage(np.array([0] * 99 + [1]), np.array([0] * 95 + [1] * 5)) == 1
    with pytest.raises(ValueError, match="not one-hot"):
        metrics.class_coverage(np.eye(10), 10)
    with pytest.raises(ValueError, match="fraction is 0"):
        metrics.class_coverage(ten, 10, fraction=0)


def test_label_entropy():
    assert metrics.label_entropy(np.repeat(np.arange(10), 7)) == pytest.approx(np.log(10))
    assert metrics.label_entropy(np.full(5, 3)) == 0
    shares = np.array([0.5, 0.25, 0.125, 0.125])
    labels = np.repeat([9, 2, 4, 7], (shares * 800).astype(int))
    assert metrics.label_entropy(labels) == pytest.approx(1.75 * np.log(2))  # 1.75 bits
    assert metrics.label_entropy(labels) == pytest.approx(stats.entropy(shares))
    with pytest.raises(ValueError, match="not one-hot"):
        metrics.label_entropy(np.eye(10))


def test_label_accuracy():
    assert metrics.label_accuracy(np.array([1, 2, 3, 3]), np.array([1, 2, 3, 4])) == 0.75
    with pytest.raises(ValueError, match="2 labels and drawn 1"):
        metrics.label_accuracy(np.array([1, 2]), np.array([1]))


def test_nearest_training_image_agrees_with_a_naive_search(digits, rng):
    training, images = digits.images[:4500], digits.test_images[:9]  # more than one block
    distances, indices = metrics.nearest_training_image(images, training)
    expected = np.sqrt(((images[:, None, ..., 0] - training[..., 0]) ** 2).sum(axis=(2, 3)))
    np.testing.assert_array_equal(indices, expected.argmin(axis=1))
    np.testing.assert_allclose(distances, expected.min(axis=1), rtol=1e-5)


def test_memorised_finds_copies_and_only_copies(dataset, rng):
    training = dataset.images
    test = dataset.test_images[rng.permutation(len(dataset.test_images))]
    held_out, unseen = test[:1000], test[1000:2000]
    ones = dataset.test_images[dataset.test_labels == 1]
    copies = training[rng.choice(len(training), 500)]
    noisy = np.clip(copies + rng.normal(0, 0.1, copies.shape), 0, 1)
    blurred = np.clip(ndimage.gaussian_filter(copies, (0, 0.7, 0.7, 0)), 0, 1)
    assert metrics.memorised(copies, training, held_out) == 1
    assert metrics.memorised(noisy, training, held_out) > 0.8
    assert metrics.memorised(blurred, training, held_out) > 0.8
    assert metrics.memorised(held_out, training, held_out) == pytest.approx(0.01)
    assert metrics.memorised(unseen, training, held_out) == pytest.approx(0.01, abs=0.01)
    assert metrics.memorised(ones, training, held_out) < 0.05  # near each other, yet no copies


def test_a_copy_of_an_image_that_is_there_twice_counts_as_memorised(digits):
    training = np.concatenate([digits.images[:50], digits.images[:50]])
    assert metrics.memorised(digits.images[:50], training, digits.test_images[:200]) == 1


# ------------------------------------------------------------------------------- all of it at once


@pytest.fixture(scope="module")
def score(dataset):
    """Scores of a thousand images of each kind."""
    chosen = np.random.default_rng(1).permutation(len(dataset.test_images))[:1000]
    real = dataset.test_images[chosen]

    def blurred(sigma):
        return np.clip(ndimage.gaussian_filter(real, (0, sigma, sigma, 0)), 0, 1)

    noise = np.random.default_rng(2).random(real.shape, np.float32)
    kinds = {
        "real": real,
        "slightly blurred": blurred(0.7),
        "strongly blurred": blurred(2),
        "noisy": np.clip(real + 0.5 * (noise - 0.5), 0, 1),
        "ten repeated": np.resize(real[:10], real.shape),
        "one class": np.resize(real[dataset.test_labels[chosen] == 7], real.shape),
        "noise": noise,
    }
    return {kind: metrics.evaluate(images, dataset, n=1000) for kind, images in kinds.items()}


def test_measures_rank_as_an_outside_judge_does(score):
    for better, worse in [
        ("real", "slightly blurred"),
        ("slightly blurred", "strongly blurred"),
        ("real", "noisy"),
        ("slightly blurred", "ten repeated"),
        ("slightly blurred", "one class"),
        ("slightly blurred", "noise"),
        ("noisy", "noise"),
        ("ten repeated", "noise"),
    ]:
        assert score[better].frechet < score[worse].frechet, (better, worse)
    # The ten are real and cover nothing but themselves, 1 % of the thousand real ones.
    assert score["ten repeated"].precision > 0.8 and score["ten repeated"].recall < 0.02
    assert score["one class"].coverage == 0.1 and score["real"].coverage == 1
    assert score["one class"].precision > 0.5 > score["one class"].recall
    assert score["noise"].precision < 0.05
    for kind in score:
        assert score[kind].memorised < 0.05, kind


def test_evaluate_agrees_with_the_single_measures(digits):
    """Class by class on purpose: the small samples must still hold every class."""
    order = np.argsort(digits.test_labels, kind="stable")
    images, labels = digits.test_images[order], digits.test_labels[order]
    scores = metrics.evaluate(images, digits, labels, n=len(images))
    judge = Judge.load()
    features, real = judge.features(images), judge.features(digits.test_images)
    assert scores.frechet == pytest.approx(metrics.frechet_distance(features, real), abs=1e-6)
    assert scores.frechet == pytest.approx(0, abs=1e-3)  # the same images in another order
    assert scores.label_accuracy == pytest.approx(judge.accuracy["digits"], abs=0.005)
    assert scores.floor.label_accuracy == pytest.approx(scores.label_accuracy)
    assert scores.coverage == scores.floor.coverage == 1
    # A thousand of the same four thousand: nearly all are inside each other's balls.
    assert min(scores.precision, scores.recall) > 0.9
    assert (scores.n, scores.n_manifold, scores.n_memorised) == (4000, 1000, 1000)
    wrong = metrics.evaluate(images, digits, (labels + 1) % 10, n=len(images))
    assert wrong.label_accuracy < 0.02


def test_evaluate_keeps_images_and_labels_together_when_it_chooses(digits):
    scores = metrics.evaluate(digits.test_images, digits, digits.test_labels, n=1000)
    assert scores.label_accuracy > 0.95


def test_floor_is_computed_once(digits):
    first, second = (metrics.evaluate(digits.test_images, digits, n=500) for _ in range(2))
    assert first == second
    assert metrics._real_side(digits, 500) is metrics._real_side(digits, 500)


def test_table_shows_samples_beside_real_images(digits):
    without = str(metrics.evaluate(digits.test_images, digits, n=500))
    scores = metrics.evaluate(digits.test_images, digits, digits.test_labels, n=500)
    lines = str(scores).splitlines()
    assert "label accuracy" not in without and without.splitlines() == lines[:-1]
    assert lines[0].split() == ["measure", "samples", "real", "better", "sample", "size"]
    values = f"{scores.frechet:.3f} {scores.floor.frechet:.3f}"
    assert lines[1].split() == f"Fréchet distance {values} lower 500".split()
    assert len({len(line) for line in lines}) == 1


def test_evaluate_without_classes_that_the_judge_knows(digits):
    pictures = replace(digits, class_names=(), labels=None, test_labels=None)
    scores = metrics.evaluate(digits.test_images, pictures, n=500)
    assert scores.coverage is None and "coverage" not in str(scores)
    with pytest.raises(ValueError, match="leave labels out"):
        metrics.evaluate(digits.test_images, pictures, digits.test_labels, n=500)


def test_evaluate_says_how_many_images_it_needs(digits):
    with pytest.raises(ValueError, match="4000 images were given, expected at least 5000.*n=4000"):
        metrics.evaluate(digits.test_images, digits)
    with pytest.raises(ValueError, match="3 labels for 4000 images"):
        metrics.evaluate(digits.test_images, digits, digits.test_labels[:3], n=500)
    few = replace(digits, images=digits.images[:300])
    with pytest.raises(ValueError, match="300 training images, expected at least 500"):
        metrics.evaluate(digits.test_images, few, n=500)
