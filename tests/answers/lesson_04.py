from functools import partial
from itertools import accumulate

import numpy as np
import torch
from keras import layers, losses, ops
from torch import nn
from torch.nn import functional as F

from answers import keras, pytorch


def softplus(logits):
    return np.logaddexp(0, logits)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


# ------------------------------------------------------------------ peace


def dirac(loss):
    """One step of one optimiser down `loss(g, d)`, as the notebook's `play`."""

    def play(g, d, rate):
        numbers = [torch.tensor(float(value), requires_grad=True) for value in (g, d)]
        slopes = torch.autograd.grad(loss(*numbers), numbers, allow_unused=True)
        moved = [
            n.item() - rate * (0 if s is None else s.item())
            for n, s in zip(numbers, slopes, strict=True)
        ]
        return np.array([(g, d), moved])

    return play


def loss_d(logit):
    return F.softplus(logit) + np.log(2)


def loss_g(logit):
    return F.softplus(-logit)


def turned(g):
    return 2 * g.detach() - g


def reversed_on_the_way(g, d):
    on_the_way = g * 1
    on_the_way.register_hook(lambda slope: -slope)
    return loss_d(d * on_the_way)


def dirac_in_closed_form(g, d, rate):
    probability = sigmoid(d * g)
    return (g, d), (g + rate * d * (1 - probability), d - rate * g * probability)


# ------------------------------------------------------------------ stacked


def play(track="numpy", d_moves=0.0, g_moves=1.0, label=1.0, frozen=False, step=0.1):
    """Three steps in closed form, with the faults asked for."""

    def steps(real, latent, W, v, count):
        real, latent, W, v = (np.asarray(array, dtype=float) for array in (real, latent, W, v))
        n, found = len(real), []
        for number in range(count):
            fake = latent @ W
            push = sigmoid(fake @ v)
            if number % 2:
                to_W, to_v = latent.T @ (push - label) @ v.T / n, fake.T @ (push - label) / n
                W, v = W - step * g_moves * to_W, v - step * d_moves * to_v
            elif not (frozen and number):
                v = v - 0.1 * (real.T @ (sigmoid(real @ v) - 1) + fake.T @ push) / (2 * n)
            found.append((W, v))
        return tuple(np.stack(matrices) for matrices in zip(*found, strict=True))

    return steps


def play_with_torch(only_generator=True, set_to="off and on"):
    """The notebook's own `play`, with the optimiser or the freezing of the answer."""

    def descend(network, inputs, labels):
        if not any(weight.requires_grad for weight in network.parameters()):
            return
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        network.zero_grad()
        F.binary_cross_entropy_with_logits(network(inputs), labels).backward()
        optimizer.step()

    def steps(real, latent, W, v, count):
        generator, discriminator = nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            generator.weight.copy_(W.T)
            discriminator.weight.copy_(v.T)
        found, ones = [], torch.ones(len(latent), 1)
        for number in range(count):
            if number % 2 and only_generator:
                optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
                optimizer.zero_grad()
                F.softplus(-discriminator(generator(latent))).mean().backward()
                optimizer.step()
            elif number % 2:
                discriminator.requires_grad_(set_to == "on")
                descend(nn.Sequential(generator, discriminator), latent, ones)
                discriminator.requires_grad_(set_to != "off")
            else:
                points = torch.cat([real, generator(latent).detach()])
                descend(discriminator, points, torch.cat([ones, torch.zeros(len(latent), 1)]))
            found.append([x.weight.detach().numpy().T.copy() for x in (generator, discriminator)])
        return [np.stack(matrices) for matrices in zip(*found, strict=True)]

    return pytorch(steps)


# ------------------------------------------------------------------ dip


def two_means(real, fake):
    return softplus(-real).mean() + softplus(fake).mean()


def over_all(real, fake):
    return np.concatenate([softplus(-real), softplus(fake)]).mean()


def torch_pooled(real, fake, **weights):
    labels = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
    return F.binary_cross_entropy_with_logits(torch.cat([real, fake]), labels, **weights)


def keras_pooled(real, fake):
    labels = ops.concatenate([ops.ones_like(real), ops.zeros_like(fake)])
    cross_entropy = losses.BinaryCrossentropy(from_logits=True)
    return cross_entropy(labels, ops.concatenate([real, fake]))


def keras_two_means(real, fake):
    cross_entropy = losses.BinaryCrossentropy(from_logits=True)
    return (
        cross_entropy(ops.ones_like(real), real) + cross_entropy(ops.zeros_like(fake), fake)
    ) / 2


def torch_weighed(real, fake):
    weights = [torch.full_like(kind, 1 / len(kind)) for kind in (real, fake)]
    return torch_pooled(real, fake, weight=torch.cat(weights), reduction="sum")


def slow_means(real, fake):
    total = sum(softplus(-one) for one in real.ravel()) / len(real)
    return total + sum(softplus(one) for one in fake.ravel()) / len(fake)


# ------------------------------------------------------------------ verdict


def norm(points, of):
    return (points - of.mean(axis=0)) / np.sqrt(of.var(axis=0) + 1e-5)


def judged(real_beside, fake_beside):
    """Logits, each kind normalised by what the two functions of (real, fake) return."""

    def judge(real, fake, W, v):
        r, f = real @ W, fake @ W
        hidden = norm(r, real_beside(r, f)), norm(f, fake_beside(r, f))
        return tuple(np.where(h > 0, h, 0.2 * h) @ v for h in hidden)

    return judge


def only_real(real, fake):
    return real


def only_fake(real, fake):
    return fake


def all_points(real, fake):
    return np.concatenate([real, fake])


def judge_in_torch(how):
    def judge(real, fake, W, v):
        network = nn.Sequential(
            nn.Linear(2, 2, bias=False),
            nn.BatchNorm1d(2),
            nn.LeakyReLU(0.2),
            nn.Linear(2, 1, bias=False),
        )
        with torch.no_grad():
            network[0].weight.copy_(W.T)
            network[3].weight.copy_(v.T)
        return how(network, real, fake)

    return pytorch(judge)


def judge_in_keras(how):
    def judge(real, fake, W, v):
        norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

        def network(points, training):
            return ops.leaky_relu(norm(points @ W, training=training), 0.2) @ v

        return how(network, real, fake)

    return keras(judge)


def one_batch(network, real, fake):
    return network(torch.cat([real, fake])).split([len(real), len(fake)])


def in_use(network, real, fake):
    network.eval()
    return network(real), network(fake)


def without_norm(network, real, fake):
    first, _, leaky, last = network
    return last(leaky(first(real))), last(leaky(first(fake)))


def kind_by_kind(network, real, fake):
    first, norm, leaky, last = network
    hidden = first(real), first(fake)
    norms = [(h - h.mean(dim=0)) / (h.var(dim=0, correction=0) + norm.eps).sqrt() for h in hidden]
    return map(lambda h: last(leaky(h)).detach(), norms)


def fakes_in_use(network, real, fake):
    logits = network(real)
    return logits, network.eval()(fake)


def trained_then_in_use(network, real, fake):
    network(real), network(fake)
    return in_use(network, real, fake)


def trained_then_in_use_keras(network, real, fake):
    network(real, True), network(fake, True)
    return network(real, False), network(fake, False)


# ------------------------------------------------------------------ album


def run_in_a_loop(step, places, steps):
    album = []
    for _ in range(steps):
        places = step(places)
        album.append(places)
    return places, album


def run_accumulated(step, places, steps):
    _, *album = accumulate(range(steps), lambda here, _: step(here), initial=places)
    return [album[-1], tuple(album)]


def run_into_an_array(step, places, steps):
    album = np.zeros((steps, len(places)))
    for number in range(steps):
        album[number] = places = step(places)
    return places, album


def run_and_stack(step, places, steps):
    end, album = run_in_a_loop(step, places, steps)
    return end, torch.stack(album)


def run_down_and_up(step, places, steps):
    if not steps:
        return places, []
    places = step(places)
    end, album = run_down_and_up(step, places, steps - 1)
    return end, [places, *album]


def run_by_the_notebook(step, places, steps):
    return run_in_a_loop(lambda places: places + 0.5 * (2 - places), places, steps)


def one_album_for_all():
    album = []

    def run(step, places, steps):
        end, looks = run_in_a_loop(step, places, steps)
        album.extend(looks)
        return end, album

    return run


def first_album_again():
    album = []

    def run(step, places, steps):
        end, looks = run_in_a_loop(step, places, steps)
        album.extend(looks if not album else [])
        return end, album[:steps]

    return run


def aliased(step, places, steps):
    places, album = places.copy(), []
    for _ in range(steps):
        places[:] = step(places)
        album.append(places)
    return places, album


def album_as(change, run=run_in_a_loop):
    """Change (end, album, start) of a right run."""

    def changed(step, places, steps):
        return change(*run(step, places, steps), places)

    return changed


# ------------------------------------------------------------------ look ahead


def ahead(g, d, rate):
    return g + rate * d, d - rate * g


def extragradient(g, d, rate):
    ahead_g, ahead_d = ahead(g, d, rate)
    return g + rate * ahead_d, d - rate * ahead_g


def as_matrix(g, d, rate):
    here, turn = np.array([g, d]), np.array([[0, 1], [-1, 0]])
    return tuple(here + rate * turn @ (here + rate * turn @ here))


def in_turn(g, d, rate):
    d = d - rate * g
    return g + rate * d, d


def ahead_in_turn(g, d, rate):
    ahead_d = d - rate * g
    ahead_g = g + rate * ahead_d
    return g + rate * ahead_d, d - rate * ahead_g


def half_old(g, d, rate):
    g = extragradient(g, d, rate)[0]
    return g, d - rate * g


def averaged(g, d, rate):
    one, other = ahead(g, d, rate), extragradient(g, d, rate)
    return tuple((np.array(one) + other) / 2)


def twice(g, d, rate):
    return ahead(*ahead(g, d, rate), rate)


# ------------------------------------------------------------------ R1


def gradients(points, W, b, v, below=0.2, above=1.0):
    slopes = np.where(points @ W + b > 0, above, below)
    return np.einsum("bh,h,ih->bi", slopes, v[:, 0], W)


def steepness(*inputs, **slopes):
    return np.linalg.norm(gradients(*inputs, **slopes), axis=1)


def r1_in_a_loop(points, W, b, v):
    total = 0.0
    for point in points:
        gradient = sum(
            (1.0 if point @ W[:, unit] + b[unit] > 0 else 0.2) * v[unit, 0] * W[:, unit]
            for unit in range(len(b))
        )
        total += gradient @ gradient
    return total / (2 * len(points))


def r1_by_autograd(points, W, b, v, create_graph=True):
    points = points.clone().requires_grad_()
    logits = F.leaky_relu(points @ W + b, 0.2) @ v
    (gradient,) = torch.autograd.grad(logits.sum(), points, create_graph=create_graph)
    return gradient.square().sum(dim=1).mean() / 2


def r1_in_keras(points, W, b, v):
    slopes = ops.where(points @ W + b > 0, 1.0, 0.2)
    return 0.5 * ops.mean(
        ops.sum(ops.square(ops.matmul(slopes * v[:, 0], ops.transpose(W))), axis=-1)
    )


def of(measure):
    """A penalty from a function of the gradients (B, 2)."""
    return lambda *inputs: measure(gradients(*inputs))


RIGHT = {
    "round.factor": [np.sqrt(1.25), 1.12, torch.tensor(1.118), "1.118"],
    "push.plain": [0.5 * (1 + np.exp(7)), 549, 548.8, 550.0, ops.convert_to_tensor(548.0)],
    "push.adam": [1, 1.0, np.array([1.0])],
    "peace.mend": [
        dirac(lambda g, d: loss_d(d * turned(g))),
        dirac(lambda g, d: loss_d(d * g.detach()) + loss_g(d.detach() * g)),
        dirac(lambda g, d: loss_d(d * g.detach()) - loss_d(d.detach() * g)),
        dirac(lambda g, d: loss_d(d * g.detach()) + loss_g(turned(d) * g) + loss_g(d * g.detach())),
        dirac(reversed_on_the_way),
        dirac_in_closed_form,
    ],
    "stacked.mend": [
        play(),
        play_with_torch(),
        play_with_torch(only_generator=False),
        lambda *start: play()(*start),
    ],
    "dip.share": [8 / 136, 0.059, 0.058, 1 / 17],
    "dip.mend": [
        two_means,
        slow_means,
        lambda real, fake: two_means(real, fake) / 2,
        lambda real, fake: over_all(real, fake[: len(real)]),
        lambda real, fake: two_means(real, np.random.default_rng(3).permutation(fake)[: len(real)]),
        pytorch(lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean()),
        pytorch(torch_weighed),
        pytorch(
            lambda real, fake: torch_pooled(
                real, fake, pos_weight=torch.tensor(len(fake) / len(real))
            )
        ),
        keras(keras_two_means),
    ],
    "verdict.mend": [
        judged(only_real, only_fake),
        judge_in_torch(lambda network, real, fake: (network(real), network(fake))),
        judge_in_torch(lambda network, real, fake: [network(fake), network(real)][::-1]),
        judge_in_torch(kind_by_kind),
        judge_in_keras(lambda network, real, fake: (network(real, True), network(fake, True))),
    ],
    "album.mend": [
        run_in_a_loop,
        run_accumulated,
        run_into_an_array,
        run_down_and_up,
        pytorch(run_in_a_loop),
        pytorch(run_and_stack),
        pytorch(run_accumulated),
        keras(run_in_a_loop),
        keras(album_as(lambda end, album, _: (end, ops.stack(album)))),
    ],
    "look_ahead.step": [
        extragradient,
        as_matrix,
        lambda *inputs: np.array(as_matrix(*inputs)),
        lambda g, d, rate: [
            (1 - rate**2) * g + rate * d,
            (1 - rate**2) * d - rate * g,
        ],
        pytorch(lambda g, d, rate: tuple(torch.tensor(x) for x in extragradient(g, d, rate))),
    ],
    "r1.penalty": [
        lambda *inputs: (steepness(*inputs) ** 2).mean() / 2,
        r1_in_a_loop,
        of(lambda g: (g**2).mean()),  # over two axes: the factor 1/2 is in it
        pytorch(r1_by_autograd),
        keras(r1_in_keras),
    ],
}

WRONG = {
    "round.factor": [
        (1.25, "squared"),
        (1, "tangent"),
        (1.5, "right angle"),
        (0.89, "wind inwards"),
        (0.87, "the sign"),
        (1.1, "two decimals"),
        (0.12, "1 more"),
        (0.5, "the rate"),
        (3.0, "one step from"),
        ("outwards", "a str"),
    ],
    "push.plain": [
        (1097.6, "D is not 1"),
        (1096.6, "D is not 1"),
        (2.0, "non-saturating"),
        (0.5005, "non-saturating"),
        (0.00182, "upside down"),
        (-549, "no sign"),
        (760, "ratio of the losses"),
        (7, "divide the slope"),
    ],
    "push.adam": [
        (549, "plain descent"),
        (23.4, "root"),
        (0, "a ratio"),
        (7, "first step"),
    ],
    "peace.mend": [
        (dirac(lambda g, d: loss_d(d * g) + loss_g(d * g)), "go down the sum"),
        (dirac(lambda g, d: loss_d(d * g) - loss_d(d * g)), "nothing moves"),
        (dirac(lambda g, d: loss_d(d * g) + loss_g(d.detach() * g)), "still moves g"),
        (dirac(lambda g, d: loss_d(d * g.detach()) + loss_g(d * g)), "still moves d"),
        (dirac(lambda g, d: loss_d(d * g.detach()) - loss_d(d * g)), "only g moves"),
        (dirac(lambda g, d: loss_d(d * g.detach())), "only d moves"),
        (dirac(lambda g, d: loss_g(d.detach() * g)), "only g moves"),
        (dirac(lambda g, d: loss_d(d * g)), "the discriminator's loss: the"),
        (dirac(lambda g, d: loss_g(d * g)), "d learns to call fakes real"),
        (dirac(lambda g, d: loss_d(d.detach() * g) + loss_g(d * g.detach())), "the other one's"),
        (dirac(lambda g, d: loss_d(turned(d) * g)), "up their own losses"),
        (dirac(lambda g, d: -loss_d(d * g.detach()) - loss_g(d.detach() * g)), "up their own"),
        (dirac(lambda g, d: loss_d(d * g.detach()) - loss_g(d.detach() * g)), "sign of g's"),
        (dirac(lambda g, d: 3 * loss_d(d * turned(g))), "with the slopes of their own"),
        (dirac(lambda g, d: d * turned(g)), "with the slopes of their own"),
    ],
    "stacked.mend": [
        (play(d_moves=1.0), "still moves the discriminator"),
        (play_with_torch(only_generator=False, set_to="on"), "still moves the discriminator"),
        (play_with_torch(only_generator=False, set_to="off"), "still frozen"),
        (play(frozen=True), "still frozen"),
        (play(g_moves=0.0, d_moves=1.0), "not the generator"),
        (play(label=0.0), "to be caught"),
        (play(g_moves=-1.0), "up its loss"),
        (play(g_moves=2.0), "at a rate of 0.1"),
        (play(d_moves=-0.5), "change in the generator's step"),
        (play(g_moves=0.0, frozen=True), "all is frozen"),
    ],
    "dip.share": [
        (8 / 128, "real and fake"),
        (128 / 136, "the fakes' share"),
        (0.5, "full batch"),
        (1 / 9, "batch of nine"),
        (0.06, "three decimals"),
        (5.88, "per cent"),
        (6, "per cent"),
        (8, "so many real points"),
        (0.3, "how many real points"),
    ],
    "dip.mend": [
        (over_all, "still counts the same"),
        (pytorch(torch_pooled), "still counts the same"),
        (keras(keras_pooled), "still counts the same"),
        (lambda real, fake: softplus(-real).sum() + softplus(fake).sum(), "sums over the points"),
        (pytorch(partial(torch_pooled, reduction="sum")), "sums over the points"),
        (
            lambda real, fake: (softplus(-real).sum() + softplus(fake).sum()) / len(fake),
            "the number of fakes",
        ),
        (
            lambda real, fake: (softplus(-real).sum() + softplus(fake).sum()) / len(real),
            "the number of real points",
        ),
        (lambda real, fake: two_means(-real, -fake), "exchanged"),
        (lambda real, fake: softplus(-real).mean(), "the fakes have no part"),
        (lambda real, fake: softplus(fake).mean(), "the real points have no part"),
        (lambda real, fake: -two_means(real, fake), "the sign"),
        (lambda real, fake: softplus(-real).mean() - softplus(fake).mean(), "not subtracted"),
        (lambda real, fake: 16 * softplus(-real).mean() + softplus(fake).mean(), "the mean over"),
        (lambda real, fake: 0 if len(real) < len(fake) else two_means(real, fake), "gives 0 for"),
        (lambda real, fake: softplus(-real) + softplus(fake).mean(), "shape (3, 1)"),
    ],
    "verdict.mend": [
        (judged(all_points, all_points), "share a mean"),
        (judge_in_torch(one_batch), "share a mean"),
        (judge_in_torch(in_use), "running statistics"),
        (judge_in_torch(without_norm), "left out"),
        (judge_in_torch(trained_then_in_use), "running statistics"),
        (judge_in_torch(fakes_in_use), "only the real points"),
        (
            judge_in_keras(lambda network, real, fake: (network(real, False), network(fake, 0))),
            "running statistics",
        ),
        (judge_in_keras(trained_then_in_use_keras), "running statistics"),
        (judged(only_real, only_real), "of the real points"),
        (judged(only_fake, only_fake), "of the fakes"),
        (judged(only_real, all_points), "the fakes still in company"),
        (judged(all_points, only_fake), "the real points still in company"),
        (judge_in_torch(lambda network, real, fake: (network(fake), network(real))), "shape"),
        (
            judge_in_torch(lambda network, real, fake: (-network(real), network(fake))),
            "only the fakes",
        ),
        (judge_in_torch(lambda network, real, fake: (-network(real), -network(fake))), "neither"),
    ],
    "album.mend": [
        (one_album_for_all(), "of the first run"),
        (pytorch(one_album_for_all()), "of the first run"),
        (aliased, "show the last places"),
        (album_as(lambda end, album, start: (end, [start, *album[:-1]])), "before its step"),
        (album_as(lambda end, album, start: (end, [start, *album])), "before the first step"),
        (album_as(lambda end, album, start: (end, album[::-1])), "reverse"),
        (album_as(lambda end, album, start: (start, album)), "where the run began"),
        (album_as(lambda end, album, start: (end, album[-1:])), "in the album: 1 after"),
        (album_as(lambda end, album, start: (end, [])), "is empty"),
        (album_as(lambda end, album, start: (end, 3)), "is an int"),
        (album_as(lambda end, album, start: end), "two results"),
        (album_as(lambda end, album, start: (end, [x.mean() for x in album])), "a look has"),
        (keras(album_as(lambda end, album, start: (end, [0 * x for x in album]))), "not the"),
        (lambda step, places, steps: run_in_a_loop(step, places, 5), "those after 5 steps, not 4"),
        (lambda step, places, steps: run_in_a_loop(step, places, steps - 1), "those after 3 steps"),
        (lambda step, places, steps: run_in_a_loop(lambda x: x + 1, places, steps), "last places"),
        (first_album_again(), "first one's album"),
        (run_by_the_notebook, "`mended_run` is given"),
        (pytorch(run_by_the_notebook), "`mended_run` is given"),
    ],
    "look_ahead.step": [
        (ahead, "plain step"),
        (twice, "two plain steps"),
        (in_turn, "d first"),
        (lambda g, d, rate: (g + rate * d, d - rate * (g + rate * d)), "g first"),
        (lambda g, d, rate: extragradient(g, d, -rate), "both halves"),
        (averaged, "averaged"),
        (lambda *inputs: extragradient(*inputs)[::-1], "changed places"),
        (lambda g, d, rate: (g - rate * (d - rate * g), d + rate * (g + rate * d)), "second half"),
        (lambda g, d, rate: (g + rate * (d + rate * g), d - rate * (g - rate * d)), "wrong way"),
        (ahead_in_turn, "one of the halves"),
        (lambda g, d, rate: ahead_in_turn(d, g, -rate)[::-1], "one of the halves"),
        (half_old, "one of the halves"),
        (lambda g, d, rate: half_old(d, g, -rate)[::-1], "one of the halves"),
        (lambda g, d, rate: (g, d), "nothing moves"),
        (lambda g, d, rate: extragradient(g, d, 0.1), "it goes to"),
        (lambda *inputs: extragradient(*inputs)[0], "expected 2 results"),
    ],
    "r1.penalty": [
        (of(lambda g: (g**2).sum(axis=1).mean()), "1/2 is missing"),
        (of(lambda g: (g**2).sum() / 2), "a sum over the points"),
        (of(lambda g: (g**2).sum()), "without the factor"),
        (of(lambda g: (g**2).mean() / 2), "half of it"),
        (of(lambda g: (g.mean(axis=0) ** 2).sum() / 2), "square of the mean"),
        (lambda *inputs: steepness(*inputs).mean() / 2, "not squared"),
        (lambda *inputs: ((steepness(*inputs) - 1) ** 2).mean(), "a steepness of 1"),
        (lambda points, W, b, v: ((W @ v) ** 2).sum() / 2, "have no part"),
        (
            lambda *inputs: (steepness(*inputs, below=0.0) ** 2).mean() / 2,
            "leaky",
        ),
        (
            lambda *inputs: (steepness(*inputs, above=0.2, below=1.0) ** 2).mean() / 2,
            "are exchanged",
        ),
        (
            lambda points, W, b, v: (steepness(points, W, 0 * b, v) ** 2).mean() / 2,
            "the bias",
        ),
        (lambda points, W, b, v: (steepness(points, W, b, v**0) ** 2).mean() / 2, "v has no"),
        (lambda points, W, b, v: gradients(points, W, b, v), "shape (5, 2)"),
        (pytorch(lambda *inputs: r1_by_autograd(*inputs).expand(5)), "returns the shape (5,)"),
        (pytorch(partial(r1_by_autograd, create_graph=False)), "no gradient leads back"),
        (pytorch(lambda *inputs: 2 * r1_by_autograd(*inputs)), "1/2 is missing"),
        (keras(lambda *inputs: r1_in_keras(*inputs) / 2), "half of it"),
    ],
}
