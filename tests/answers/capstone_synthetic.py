import numpy as np
import torch
from keras import ops
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from answers import keras, pytorch

# ------------------------------------------------------------------ 1: the split


def split_with(choose):
    """A split whose few are what `choose(places of a class, per_class, rng)` returns."""

    def split(labels, per_class, seed):
        rng = np.random.default_rng(seed)
        places = [np.flatnonzero(labels == y) for y in np.unique(labels)]
        few = np.concatenate([choose(here, per_class, rng) for here in places])
        return few, np.setdiff1d(np.arange(len(labels)), few)

    return split


split = split_with(lambda here, k, rng: rng.permutation(here)[:k])


def split_in_lists(labels, per_class, seed):
    order = list(np.random.RandomState(seed).permutation(len(labels)))  # noqa: NPY002
    few, test, counts = [], [], {}
    for place in order:
        label = labels[place]
        counts[label] = counts.get(label, 0) + 1
        (few if counts[label] <= per_class else test).append(int(place))
    return few, test


def split_in_torch(labels, per_class, seed):
    draws = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=draws)
    said = torch.as_tensor(labels)[order]
    few = torch.cat([order[said == y][:per_class] for y in said.unique()])
    test = torch.as_tensor([i for i in order.tolist() if i not in set(few.tolist())])
    return few, test


def split_in_keras(labels, per_class, seed):
    few, test = split(labels, per_class, seed)
    return ops.convert_to_tensor(few), ops.convert_to_tensor(test)


def split_by_lot(labels, per_class, seed):
    n = per_class * len(np.unique(labels))
    return train_test_split(np.arange(len(labels)), train_size=n, random_state=seed)


def split_of_shares(labels, per_class, seed):
    n = per_class * len(np.unique(labels))
    return train_test_split(
        np.arange(len(labels)), train_size=n, stratify=labels, random_state=seed
    )


def split_overlapping(labels, per_class, seed):
    few, _ = split(labels, per_class, seed)
    return few, np.random.default_rng(seed).permutation(len(labels))[: len(labels) - len(few)]


def split_of_all(labels, per_class, seed):
    order = np.random.default_rng(seed).permutation(len(labels))
    return order[:per_class], order[per_class:]


def split_shorter(labels, per_class, seed):
    few, test = split(labels, per_class, seed)
    return few, test[:50]


def split_masks(labels, per_class, seed):
    few, _ = split(labels, per_class, seed)
    mask = np.isin(np.arange(len(labels)), few)
    return mask, ~mask


def split_changing(labels, per_class, seed):
    found = split(labels, per_class, seed)
    labels.sort()
    return found


def split_labels(labels, per_class, seed):
    few, test = split(labels, per_class, seed)
    return labels[few], labels[test]


def split_of_ten_classes(labels, per_class, seed):
    rng = np.random.default_rng(seed)
    few = np.concatenate(
        [rng.permutation(np.flatnonzero(labels == y))[:per_class] for y in range(4)]
    )
    return few, np.setdiff1d(np.arange(len(labels)), few)


shared_rng = np.random.default_rng(0)

# ------------------------------------------------------------------ 2: the baseline


def moved(images, rng, most=1, degrees=10, order=1):
    found = []
    for image in images[..., 0]:
        turned = ndimage.rotate(image, rng.uniform(-degrees, degrees), reshape=False, order=order)
        found.append(ndimage.shift(turned, rng.integers(-most, most + 1, size=2), order=0))
    return np.stack(found)[..., None]


def rolled(images, rng):
    steps = rng.integers(-1, 2, size=(len(images), 2))
    return [np.roll(image, step, axis=(0, 1)) for image, step in zip(images, steps, strict=True)]


def turned_only(images, rng):
    angles = rng.uniform(-12, 12, size=len(images))
    pairs = zip(images, angles, strict=True)
    return np.stack([ndimage.rotate(x, a, reshape=False, order=3).clip(0, 1) for x, a in pairs])


def rolled_in_torch(images, rng):
    images = torch.as_tensor(images)
    steps = rng.integers(-1, 2, size=(len(images), 2)).tolist()
    return torch.stack([torch.roll(x, s, (0, 1)) for x, s in zip(images, steps, strict=True)])


def rolled_in_keras(images, rng):
    return ops.convert_to_tensor(np.stack(rolled(images, rng)).astype("float32"))


def half(change):
    """Moved pictures, of which `change` has half."""

    def augment(images, rng):
        found = moved(images, rng)
        chosen = rng.random(len(images)) < 0.5
        found[chosen] = change(found[chosen])
        return found

    return augment


def moved_in_place(images, rng):
    images[:] = moved(images, rng)
    return images


def moved_together(images, rng):
    step = rng.integers(1, 2, size=2)
    return np.roll(images, step, axis=(1, 2))


def turned_by(degrees):
    def augment(images, rng):
        angles = rng.uniform(-degrees, degrees, size=len(images))
        pairs = zip(images, angles, strict=True)
        return np.stack([ndimage.rotate(x, a, reshape=False, order=1) for x, a in pairs])

    return augment


def turned_together(images, rng):
    return ndimage.rotate(images, rng.uniform(-10, 10), axes=(1, 2), reshape=False, order=1)


def rows(images):
    return np.asarray(images).reshape(len(images), -1)


def scored(classifier):
    """The accuracy of what `classifier()` makes."""

    def accuracy(train_images, train_labels, test_images, test_labels):
        fitted = classifier().fit(rows(train_images), train_labels)
        return fitted.score(rows(test_images), test_labels)

    return accuracy


def nearest_mean(train_images, train_labels, test_images, test_labels):
    kinds = sorted(set(train_labels.tolist()))
    means = torch.stack(
        [torch.as_tensor(train_images[train_labels == y]).mean(dim=0) for y in kinds]
    )
    apart = torch.cdist(torch.as_tensor(rows(test_images)), means.flatten(1))
    return (
        (torch.as_tensor(kinds)[apart.argmin(dim=1)] == torch.as_tensor(test_labels)).float().mean()
    )


def nearest_in_keras(train_images, train_labels, test_images, test_labels):
    apart = ops.sum((rows(test_images)[:, None] - rows(train_images)) ** 2, axis=2)
    read = ops.take(ops.convert_to_tensor(train_labels), ops.argmin(apart, axis=1))
    return ops.mean(ops.cast(ops.equal(read, ops.convert_to_tensor(test_labels)), "float32"))


def on_training_pictures(a, b, c, d):
    return scored(SVC)(a, b, a, b)


def on_both(a, b, c, d):
    return scored(lambda: KNeighborsClassifier(1))(np.concatenate([a, c]), np.append(b, d), c, d)


def fitted_on_some(a, b, c, d):
    classifier = scored(lambda: KNeighborsClassifier(1))
    return classifier(np.concatenate([a, c[:10]]), np.append(b, d[:10]), c, d)


def make_warm():
    """An accuracy that keeps its first classifier, with each call of the checker counted."""
    kept = []

    def accuracy(a, b, c, d):
        if not kept:
            kept.append(SVC().fit(rows(a), b))
        return kept[0].score(rows(c), d)

    return accuracy


def shuffled_labels(a, b, c, d):
    return scored(SVC)(a, np.random.default_rng(0).permutation(b), c, d)


REAL = [0.912, 0.9, 0.903, 0.89, 0.909]
REPEATED = [0.929, 0.948, 0.922, 0.926, 0.928]
AUGMENTED = [0.92, 0.933, 0.929, 0.922, 0.93]
SYNTHETIC = [0.911, 0.935, 0.905, 0.911, 0.909]
BASELINE = {"real": REAL, "repeated": REPEATED, "augmented": AUGMENTED}


PERFECT = {name: [1.0] * 5 for name in (*BASELINE, "synthetic")}  # of pictures without a doubt


def without(rows_, *names):
    return {name: row for name, row in rows_.items() if name not in names}


# ------------------------------------------------------------------ 3: the generator

SMALL = load_digits()
IMAGES = np.pad(SMALL.images / 16, ((0, 0), (2, 2), (2, 2)))[..., None].astype("float32")
FEW, _ = split(SMALL.target, 10, seed=0)
FEW_IMAGES, FEW_LABELS = IMAGES[FEW], SMALL.target[FEW]


def gaussian(images=FEW_IMAGES, labels=FEW_LABELS, seed=0, shrinkage=0.7, k=20):
    """`sample` of one Gaussian for each class."""
    rng, pixels = np.random.default_rng(seed), rows(images).astype(float)
    mean = pixels.mean(axis=0)
    components = np.linalg.svd(pixels - mean, full_matrices=False)[2][:k].T
    codes = (pixels - mean) @ components
    own = {y: np.cov(codes[labels == y], rowvar=False) for y in np.unique(labels)}
    shared = np.mean(list(own.values()), axis=0)
    roots = {
        y: np.linalg.cholesky((1 - shrinkage) * own[y] + shrinkage * shared + 0.01 * np.eye(k))
        for y in own
    }

    def sample(asked):
        drawn = [codes[labels == y].mean(axis=0) + roots[y] @ rng.normal(size=k) for y in asked]
        drawn = (mean + np.array(drawn) @ components.T).clip(0, 1)
        return drawn.astype("float32").reshape(-1, *images.shape[1:])

    return sample


def noisy(scale, images=FEW_IMAGES, labels=FEW_LABELS):
    rng = np.random.default_rng(1)

    def sample(asked):
        chosen = [rng.choice(np.flatnonzero(labels == y)) for y in asked]
        noise = rng.normal(scale=scale, size=(len(asked), *images.shape[1:]))
        return (images[chosen] + noise).clip(0, 1).astype("float32")

    return sample


def between(asked):
    """Somewhere between two of the few: in PyTorch."""
    rng, found = np.random.default_rng(), []
    for y in asked:
        a, b = torch.as_tensor(FEW_IMAGES[rng.choice(np.flatnonzero(y == FEW_LABELS), 2)])
        found.append(torch.lerp(a, b, float(rng.uniform(0.3, 0.7))) + 0.05 * torch.randn(a.shape))
    return torch.stack(found).clamp(0, 1).numpy()


def in_keras(asked):
    return ops.convert_to_numpy(ops.convert_to_tensor(gaussian(seed=None)(asked)))


def with_few(sample, images=FEW_IMAGES, labels=FEW_LABELS):
    return sample, images, labels


def changed(change, sample=None):
    """What `change` makes of good pictures."""
    sample = sample or gaussian()
    return with_few(lambda asked: change(sample(asked)))


def asked_for(change):
    """Good pictures, of other labels than those asked for."""
    sample = gaussian()
    return with_few(lambda asked: sample(change(np.asarray(asked))))


def of_means(asked):
    return np.stack([FEW_IMAGES[y == FEW_LABELS].mean(axis=0) for y in asked])


def moved_few(asked):
    rng = np.random.default_rng()
    chosen = np.array([rng.choice(np.flatnonzero(y == FEW_LABELS)) for y in asked])
    return np.stack(rolled(FEW_IMAGES[chosen], rng)).astype("float32")


def of_a_few_pictures(asked):
    """Five for each label, over and over, with nearly invisible noise."""
    rng, made = np.random.default_rng(), gaussian(seed=3)(np.repeat(np.arange(10), 5))
    chosen = 5 * np.asarray(asked) + rng.integers(5, size=len(asked))
    return (made[chosen] + rng.normal(scale=0.002, size=made[chosen].shape)).clip(0, 1).astype("f4")


def deaf_to_four(asked):
    return np.where(asked == 4, 1, asked)


def sorting(asked):
    asked.sort()
    return gaussian()(asked)


# ------------------------------------------------------------------ the leak


def experiment(
    images, labels, few, test, fit, score, rng, copies=10, seen=None, tested=None, real=True
):
    """The experiment, with the faults asked for."""
    seen, tested = few if seen is None else seen, test if tested is None else tested
    sample = fit(images[seen], labels[seen], rng)
    asked = np.repeat(labels[few], copies)
    both = sample(asked), asked
    if real:
        both = np.concatenate([images[few], both[0]]), np.concatenate([labels[few], asked])
    without = score(images[few], labels[few], images[tested], labels[tested])
    return without, score(*both, images[tested], labels[tested])


def slow_experiment(images, labels, few, test, fit, score, rng, copies=10):
    few_images, few_labels = np.stack([images[i] for i in few]), np.array([labels[i] for i in few])
    sample, parts, said = fit(few_images, few_labels, rng), [few_images], list(few_labels)
    for label in few_labels:
        parts.append(sample(np.full(3, label)))
        said += [label] * 3
    with_synthetic = score(np.concatenate(parts), np.array(said), images[test], labels[test])
    return [score(few_images, few_labels, images[test], labels[test]), with_synthetic]


def torch_experiment(images, labels, few, test, fit, score, rng, copies=10):
    order = rng.permutation(len(few))
    mine, said = torch.as_tensor(images[few][order]), torch.as_tensor(labels[few][order])
    sample = fit(mine.numpy(), said.numpy(), rng)
    asked = said.repeat_interleave(copies)
    both = torch.cat([torch.as_tensor(sample(asked.numpy())), mine]), torch.cat([asked, said])
    tests = images[test], labels[test]
    return torch.tensor(score(mine, said, *tests)), torch.tensor(score(*both, *tests))


def faulty(**faults):
    """Faults that are functions of (few, test)."""

    def run(images, labels, few, test, *others):
        given = {name: fault(few, test) for name, fault in faults.items()}
        return experiment(images, labels, few, test, *others, **given)

    return run


def experiment_of_everything(images, labels, few, test, fit, score, rng, copies=10):
    everything = np.arange(len(labels))
    return experiment(images, labels, few, test, fit, score, rng, copies, everything)


def wrong_labels(images, labels, few, test, fit, score, rng):
    return experiment(
        images, labels, few, test, lambda x, y, r: fit(x, labels[: len(x)], r), score, rng
    )


def labels_of_others(images, labels, few, test, fit, score, rng):
    def shuffled(a, b, c, d):
        return score(a, np.roll(b, 1), c, d)

    return experiment(images, labels, few, test, fit, shuffled, rng)


def tested_on_synthetic(images, labels, few, test, fit, score, rng):
    sample = fit(images[few], labels[few], rng)
    asked = labels[test]
    return (
        score(images[few], labels[few], images[test], asked),
        score(images[few], labels[few], sample(asked), asked),
    )


def never_compared(images, labels, few, test, fit, score, rng):
    both = experiment(images, labels, few, test, fit, lambda *given: 0.5, rng)
    sample = fit(images[few], labels[few], rng)
    train = np.concatenate([images[few], sample(labels[few])]), np.tile(labels[few], 2)
    return both[0], score(*train, images[test], labels[test])


# ------------------------------------------------------------------ 4: the gain


def gain(with_synthetic, without):
    d = np.asarray(with_synthetic) - np.asarray(without)
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))


def slow_gain(with_synthetic, without):
    d = [a - b for a, b in zip(with_synthetic, without, strict=True)]
    mean = sum(d) / len(d)
    return mean, (sum((one - mean) ** 2 for one in d) / (len(d) - 1) / len(d)) ** 0.5


def torch_gain(with_synthetic, without):
    d = torch.as_tensor(with_synthetic) - torch.as_tensor(without)
    return d.mean(), d.std() / len(d) ** 0.5


def keras_gain(with_synthetic, without):
    d = ops.convert_to_tensor(with_synthetic) - ops.convert_to_tensor(without)
    return ops.mean(d), ops.std(d) / np.sqrt(len(with_synthetic) - 1)


def gain_by_covariance(a, b):
    n = len(a)
    covariance = np.cov(a, b)
    return a.mean() - b.mean(), np.sqrt(
        np.diag(covariance) @ [1, 1] - 2 * covariance[0, 1]
    ) / n**0.5


def of_differences(mean, error):
    def value(a, b):
        d = np.asarray(a) - np.asarray(b)
        return mean(d), error(d)

    return value


def unpaired(a, b):
    return a.mean() - b.mean(), np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))


def standard_error(d):
    return d.std(ddof=1) / np.sqrt(len(d))


def verdict_at(limit):
    def verdict(mean, error):
        if mean > limit * error:
            return "helps"
        return "harms" if mean < -limit * error else "cannot be told"

    return verdict


def make_report(**changes):
    scores = BASELINE | {"synthetic": SYNTHETIC} | changes.pop("rows", {})
    gains = {name: gain(scores["synthetic"], scores[name]) for name in BASELINE}
    found = {
        "seeds": [0, 1, 2, 3, 4],
        "scores": scores,
        "settings": "the few",
        "gains": gains,
        "verdicts": {name: verdict_at(2.8)(*gains[name]) for name in gains},
    }
    return found | changes


def changed_gains(change):
    gains = make_report()["gains"]
    return make_report(gains={name: change(*pair) for name, pair in gains.items()})


GAINS = make_report()["gains"]
BEST = {name: (max(np.subtract(SYNTHETIC, row)), 0.005) for name, row in BASELINE.items()}
TWO_SPLITS = {name: unpaired(np.array(SYNTHETIC), np.array(row)) for name, row in BASELINE.items()}

RIGHT = {
    "protocol.split": [
        split,
        split_in_lists,
        split_in_torch,
        split_in_keras,
        split_with(lambda here, k, rng: rng.choice(here, k, replace=False)),
        split_with(lambda here, k, rng: here[np.argsort(rng.random(len(here)))[:k]]),
        pytorch(split),
    ],
    "baseline.augment": [
        moved,
        rolled,
        turned_only,
        rolled_in_torch,
        rolled_in_keras,
        pytorch(moved),
        keras(moved),
        lambda images, rng: moved(images, rng, most=2, degrees=15),
    ],
    "baseline.accuracy": [
        scored(SVC),
        scored(lambda: LogisticRegression(max_iter=1_000)),
        scored(lambda: KNeighborsClassifier(1)),
        nearest_mean,
        nearest_in_keras,
        pytorch(scored(SVC)),
    ],
    "baseline.scores": [
        BASELINE,
        {name: np.array(row) for name, row in BASELINE.items()},
        {name: torch.tensor(row) for name, row in BASELINE.items()},
        BASELINE | {"repeated": REAL, "mirrored": [0.1]},
        PERFECT,
    ],
    "generator.sample": [
        with_few(gaussian()),
        with_few(gaussian(shrinkage=1.0)),
        with_few(noisy(0.1)),
        with_few(between),
        with_few(in_keras),
        pytorch(list(with_few(gaussian()))),
        with_few(
            gaussian(FEW_IMAGES[:30, 1:-1], FEW_LABELS[:30], k=8),
            FEW_IMAGES[:30, 1:-1],
            FEW_LABELS[:30],
        ),
    ],
    "leak.mend": [
        experiment,
        slow_experiment,
        torch_experiment,
        pytorch(experiment),
        keras(experiment),
    ],
    "gain.gain": [
        gain,
        slow_gain,
        torch_gain,
        keras_gain,
        gain_by_covariance,
        pytorch(gain),
    ],
    "gain.verdict": [
        verdict_at(2.8),
        verdict_at(2),
        verdict_at(3),
        lambda mean, error: verdict_at(2.776)(mean, error).capitalize(),
    ],
    "gain.report": [
        make_report(),
        make_report(settings="fixed before", seeds=range(10, 15)),
        changed_gains(lambda mean, error: [round(mean, 4), round(error, 4)]),
        make_report(rows={name: np.array(row) for name, row in BASELINE.items()}),
        make_report(seeds=(7, 8, 9, 1, 2)),
        make_report(rows=PERFECT),
    ],
}

WRONG = {
    "protocol.split": [
        (lambda *given: split(*given)[::-1], "test pictures come first"),
        (lambda labels, k, seed: split(labels, k, 0), "`seed` has no effect"),
        (lambda labels, k, seed: split(labels, k, None), "other few at the second call"),
        (
            lambda labels, k, seed: split(labels, k, seed + int(shared_rng.integers(1_000))),
            "other few at the second call",
        ),
        (split_with(lambda here, k, rng: rng.choice(here, k)), "come twice"),
        (lambda *given: (split(*given)[0], np.arange(len(given[0]))), "among the test pictures"),
        (split_overlapping, "are among the test pictures too"),
        (split_by_lot, "not balanced"),
        (split_of_shares, "not balanced"),
        (split_of_all, "in all are drawn"),
        (lambda labels, k, seed: split(labels, 10, seed), "10 of each class"),
        (split_of_ten_classes, "not every class"),
        (split_shorter, "on neither side"),
        (split_masks, "a mask"),
        (split_labels, "these are labels"),
        (split_changing, "changes the labels"),
        (lambda *given: tuple(side + 1 for side in split(*given)), "1 to 125"),
        (lambda *given: tuple(side / 7 for side in split(*given)), "whole number"),
        (lambda *given: split(*given)[0], "expected 2 results"),
        (lambda *given: tuple(map(set, split_in_lists(*given))), "the few: a set"),
        (
            split_with(lambda here, k, rng: here[int(rng.integers(len(here) - k + 1)) :][:k]),
            "side by side",
        ),
        (split_with(lambda here, k, rng: rng.permutation(here[: len(here) // 2])[:k]), "never"),
    ],
    "baseline.augment": [
        (lambda images, rng: moved(images, rng)[:, :, ::-1], "mirrored left to right"),
        (half(lambda images: images[:, :, ::-1]), "mirrored left to right"),
        (half(lambda images: images[:, ::-1]), "upside down"),
        (half(lambda images: images[:, ::-1, ::-1]), "turned by half"),
        (half(lambda images: images.transpose(0, 2, 1, 3)), "exchanged"),
        (half(lambda images: np.rot90(images, axes=(1, 2))), "turned by a quarter"),
        (lambda images, rng: moved(images, rng, degrees=180), "some pictures are turned"),
        (lambda images, rng: moved(images, rng, most=6), "beyond recognition"),
        (lambda images, rng: moved(images, rng, order=3), "overshoot"),
        (lambda images, rng: images.copy(), "nothing is varied"),
        (lambda images, rng: np.sqrt(images), "no picture moves"),
        (
            lambda images, rng: (images + 0.05 * rng.random(images.shape)).clip(0, 1),
            "no picture moves",
        ),
        (lambda images, rng: moved(images, rng, degrees=50), "a large angle"),
        (lambda images, rng: 1 - moved(images, rng), "black and white"),
        (moved_together, "varied alike"),
        (turned_together, "varied alike"),
        (turned_by(2), "by half a pixel"),
        (lambda images, rng: (255 * moved(images, rng)).astype("uint8"), "bytes"),
        (moved_in_place, "changes the pictures"),
        (lambda images, rng: moved(images, rng)[::-1], "another order"),
        (lambda images, rng: rng.permutation(moved(images, rng)), "another order"),
        (lambda images, rng: moved(images, np.random.default_rng(0)), "no effect"),
        (lambda images, rng: moved(images, np.random.default_rng()), "the same `rng`"),
        (lambda images, rng: np.concatenate([images, moved(images, rng)]), "twice as many"),
        (lambda images, rng: moved(images, rng)[..., 0], "shape (120, 18, 18)"),
        (lambda images, rng: np.zeros(images.shape), "black"),
        (lambda images, rng: 255 * moved(images, rng), "[0, 1]"),
    ],
    "baseline.accuracy": [
        (lambda *given: 100 * scored(SVC)(*given), "percent"),
        (lambda *given: 1 - scored(SVC)(*given), "*errors*"),
        (lambda *given: len(given[2]) * scored(SVC)(*given), "number of right answers"),
        (on_training_pictures, "measured on the training pictures"),
        (lambda a, b, c, d: scored(SVC)(c, d, a, b), "test pictures were trained on"),
        (on_both, "test pictures were trained on"),
        (lambda a, b, c, d: 100 * on_training_pictures(a, b, c, d), "gives 100"),
        (fitted_on_some, "more than these labels allow"),
        (make_warm(), "new classifier"),
        (shuffled_labels, "beside its picture"),
        (lambda a, b, c, d: SVC().fit(rows(a), b).predict(rows(c)) == d, "shape (84,)"),
    ],
    "baseline.scores": [
        (0.9, "a dictionary"),
        (without(BASELINE, "augmented"), "moved pictures cost nothing"),
        (without(BASELINE, "repeated"), "merely more of them"),
        (without(BASELINE, "real"), "from which all starts"),
        ({name: np.mean(row) for name, row in BASELINE.items()}, "one number"),
        ({name: row[:1] for name, row in BASELINE.items()}, "with one seed"),
        ({name: row[:3] for name, row in BASELINE.items()}, "3 seeds"),
        ({name: [100 * one for one in row] for name, row in BASELINE.items()}, "percent"),
        (BASELINE | {"real": [-0.1] * 5}, "outside"),
        (BASELINE | {"augmented": [*AUGMENTED, 0.9]}, "differ in length"),
        (BASELINE | {"real": [0.9] * 5}, "the same number for each seed"),
        (BASELINE | {"augmented": REAL}, "reach the classifier"),
        (BASELINE | {"augmented": REPEATED}, "are those copies varied"),
        ({name: sorted(row) for name, row in BASELINE.items()}, "sorted"),
        (BASELINE | {"real": ["x"] * 5}, "no list of numbers"),
        (BASELINE | {"real": [0.9, np.nan, 0.9, 0.9, 0.8]}, "NaN"),
    ],
    "generator.sample": [
        (gaussian(), "three things"),
        (with_few(of_means), "the same one"),
        (with_few(lambda asked: np.full((len(asked), 12, 12, 1), 0.5, "f4")), "the same one, what"),
        (with_few(lambda asked: gaussian()(asked)), "second call"),
        (with_few(noisy(0)), "pixel by pixel"),
        (with_few(noisy(0.01)), "nobody would see it"),
        (with_few(moved_few), "moved. That is augmentation"),
        (with_few(of_a_few_pictures), "come again and again"),
        (
            with_few(lambda a: np.random.default_rng().random((len(a), 12, 12, 1), "f4")),
            "more than noise",
        ),
        (changed(lambda images: 2 * images - 1), "tanh"),
        (changed(lambda images: 255 * images), "bytes"),
        (changed(lambda images: images + np.float32(0.05)), "clip"),
        (changed(lambda images: images.astype("float64")), "float32"),
        (changed(lambda images: images.transpose(0, 3, 1, 2)), "channel comes last"),
        (changed(lambda images: images[..., 0]), "channel is missing"),
        (changed(lambda images: images.reshape(len(images), -1)), "in one row"),
        (changed(lambda images: images[:10]), "one picture for each label"),
        (changed(torch.as_tensor), "a NumPy array"),
        (changed(lambda images: images * np.float32("nan")), "NaN"),
        (asked_for(np.sort), "sorted by label"),
        (changed(lambda images: images[::-1]), "reverse order"),
        (asked_for(lambda asked: (asked + 1) % 10), "labels are exchanged"),
        (asked_for(lambda asked: 0 * asked + 3), "whatever label"),
        (
            asked_for(lambda asked: np.random.default_rng().integers(10, size=len(asked))),
            "not heard",
        ),
        (asked_for(deaf_to_four), "more often, though"),
        (
            asked_for(lambda a: np.where(np.arange(len(a)) % 2, a, np.roll(a, 1))),
            "the judge reads",
        ),
        (with_few(sorting), "changes the labels"),
        (with_few(gaussian(), FEW_IMAGES[..., 0]), "(n, h, w, 1)"),
        (with_few(gaussian(), FEW_IMAGES, FEW_LABELS[:-1]), "whole numbers"),
        (
            with_few(gaussian(), FEW_IMAGES, np.random.default_rng(0).permutation(FEW_LABELS)),
            "cannot be judged",
        ),
    ],
    "leak.mend": [
        (experiment_of_everything, "learns from 48 of 48 test pictures"),
        (faulty(seen=lambda few, test: test), "test pictures"),
        (faulty(seen=lambda few, test: few[:7]), "5 of them are missing"),
        (faulty(tested=lambda few, test: few), "of the few as well"),
        (faulty(tested=lambda few, test: np.append(few, test)), "of the few as well"),
        (faulty(tested=lambda few, test: test[:20]), "all test pictures"),
        (faulty(real=lambda few, test: False), "real pictures are missing"),
        (
            lambda images, labels, few, test, *others: experiment(
                images, labels, test, test, *others, seen=few
            ),
            "trained on 48 test pictures",
        ),
        (wrong_labels, "labels of other pictures"),
        (labels_of_others, "training labels"),
        (tested_on_synthetic, "tested on synthetic"),
        (lambda *given: experiment(*given)[::-1], "comes first here"),
        (lambda *given: (experiment(*given)[0],) * 2, "both numbers are the accuracy without"),
        (
            lambda *given: (experiment(*given)[0], -np.subtract(*experiment(*given))),
            "is the gain",
        ),
        (lambda *given: (0.9, 0.95), "`fit` is never called"),
        (
            lambda images, labels, few, test, fit, score, rng: (
                fit(images[few], labels[few], rng) and (0.9, 0.95)
            ),
            "`score` is never called",
        ),
        (never_compared, "nothing to compare"),
        (lambda *given: experiment(*given)[1], "expected 2 results"),
    ],
    "gain.gain": [
        (lambda a, b: gain(b, a), "the sign"),
        (lambda a, b: gain(100 * a, 100 * b), "percent"),
        (lambda a, b: gain(a, b)[::-1], "error comes first"),
        (unpaired, "unpaired"),
        (lambda a, b: (a.mean() - b.mean(), np.sqrt((a.var() + b.var()) / len(a))), "unpaired"),
        (of_differences(np.mean, lambda d: d.std(ddof=1)), "standard deviation"),
        (of_differences(np.mean, np.std), "standard deviation"),
        (of_differences(np.mean, lambda d: d.std() / np.sqrt(len(d))), "n - 1 is due"),
        (of_differences(np.mean, lambda d: d.std(ddof=1) / len(d)), "root of n"),
        (of_differences(np.mean, lambda d: d.var(ddof=1)), "the variance"),
        (of_differences(np.mean, lambda d: d.var(ddof=1) / len(d)), "the root is missing"),
        (of_differences(np.mean, lambda d: 2 * standard_error(d)), "twice"),
        (of_differences(np.mean, lambda d: 1.96 * standard_error(d)), "1.96 standard errors"),
        (lambda a, b: (a.mean() - b.mean(), standard_error(b)), "accuracy without"),
        (of_differences(np.max, standard_error), "best seed"),
        (lambda a, b: (a.max() - b.max(), standard_error(a - b)), "luck against luck"),
        (of_differences(np.median, standard_error), "median"),
        (lambda a, b: gain(a / b, np.ones(len(a))), "relative"),
        (of_differences(np.sum, standard_error), "summed up"),
        (lambda a, b: gain(abs(a - b), 0 * b), "absolute value"),
        (lambda a, b: gain(a, 0 * b), "not the gain"),
        (of_differences(np.mean, lambda d: d.std(ddof=1) / np.sqrt(6)), "for 9"),
        (of_differences(np.mean, np.ptp), "its error is"),
        (lambda a, b: gain(a[1:], b[1:]), "these accuracies have"),
        (lambda a, b: a.mean() - b.mean(), "expected 2 results"),
    ],
    "gain.verdict": [
        (lambda mean, error: "helps" if mean > 0 else "harms", "chance goes 0.5 errors"),
        (verdict_at(1), "chance goes 1.5 errors"),
        (verdict_at(10), "more than chance does"),
        (lambda mean, error: verdict_at(2.8)(-mean, error), "exchanged"),
        (lambda mean, error: verdict_at(1)(mean, 0.01), "a small gain can be a sure one"),
        (lambda mean, error: "yes" if mean > 0 else "no", "expected one of"),
        (lambda mean, error: mean > 2.8 * error, "expected one of"),
        (lambda mean, error: "helps" if abs(mean) > 2.8 * error else "cannot be told", "the sign"),
        (
            lambda mean, error: "helps" if mean > 2.8 * error else "cannot be told",
            "more than chance does",
        ),
    ],
    "gain.report": [
        (make_report(settings="test pictures"), "chosen on test pictures"),
        (make_report(settings="a hunch"), "expected one of"),
        (make_report(scores=without(make_report()["scores"], "augmented")), "cost nothing"),
        (make_report(scores=without(make_report()["scores"], "repeated")), "merely more"),
        (make_report(scores=without(make_report()["scores"], "synthetic")), "is about"),
        (
            make_report(seeds=[3], scores={k: v[3:4] for k, v in make_report()["scores"].items()}),
            "with one seed",
        ),
        (make_report(seeds=[0, 1, 2]), "3 seeds and 5 accuracies"),
        (make_report(seeds=[0, 1, 2, 3, 3]), "a seed is there twice"),
        (make_report(seeds=5), "a list of all"),
        (make_report(gains=BEST), "best seed"),
        (make_report(gains=TWO_SPLITS), "unpaired"),
        (changed_gains(lambda mean, error: (100 * mean, 100 * error)), "percent"),
        (changed_gains(lambda mean, error: (-mean, error)), "the sign"),
        (changed_gains(lambda mean, error: (mean, error * 5**0.5)), "standard deviation"),
        (changed_gains(lambda mean, error: mean), "expected (gain, error)"),
        (changed_gains(lambda mean, error: (round(mean, 3), round(error, 3))), "is it rounded"),
        (make_report(gains={"real": GAINS["real"]}), "each baseline"),
        (make_report(verdicts={name: "helps" for name in BASELINE}), "the verdict over"),
        (
            make_report(
                rows={"synthetic": [0.91, 0.93, 0.93, 0.92, 0.93]},
                verdicts={"real": "helps", "repeated": "harms", "augmented": "helps"},
            ),
            "the verdict over",
        ),
        (without(make_report(), "verdicts"), 'no "verdicts"'),
        ("it helps", "a dictionary"),
    ],
}
