import keras as K
import numpy as np
import torch
from keras import ops
from torch import nn
from torch.nn import functional as F

from answers import keras, pytorch
from course_utils.checks.lesson_02 import after_turns

# ------------------------------------------------------------------ taking turns


def turns(**faults):
    """The right answer in NumPy, or with a fault: new W and v."""

    def play(real, latent, W, v):
        moves = 2e-3 * after_turns(real, latent, W, v, **faults)
        return W + moves[:4].reshape(2, 2), v + moves[4:].reshape(2, 1)

    return play


def torch_linear(weights):
    network = nn.Linear(*weights.shape, bias=False)
    with torch.no_grad():
        network.weight.copy_(weights.T)
    return network


def keras_linear(weights):
    inputs, outputs = weights.shape
    network = K.Sequential([K.Input((inputs,)), K.layers.Dense(outputs, use_bias=False)])
    network.set_weights([ops.convert_to_numpy(weights)])
    return network


def torch_turns(build_optimizers):
    """Four turns of each network, as in the notebook."""

    def play(real, latent, W, v):
        generator, discriminator = torch_linear(W), torch_linear(v)
        of_generator, of_discriminator = build_optimizers(generator, discriminator)
        for x, z in zip(real, latent, strict=True):
            fake = generator(z).detach()
            loss = F.softplus(-discriminator(x)).mean() + F.softplus(discriminator(fake)).mean()
            of_discriminator.zero_grad()
            loss.backward()
            of_discriminator.step()
            loss = F.softplus(-discriminator(generator(z))).mean()
            of_generator.zero_grad()
            loss.backward()
            of_generator.step()
        return generator.weight.T, discriminator.weight.T

    return pytorch(play)


def keras_turns(build_optimizers):
    def play(real, latent, W, v):
        generator, discriminator = keras_linear(W), keras_linear(v)
        of_generator, of_discriminator = build_optimizers(generator, discriminator)
        for x, z in zip(real, latent, strict=True):
            fake = generator(z)
            low, high = ops.sigmoid(discriminator(x)) - 1, ops.sigmoid(discriminator(fake))
            gradient = (ops.transpose(x) @ low + ops.transpose(fake) @ high) / len(x)
            of_discriminator.apply([gradient], discriminator.trainable_variables)
            low = (ops.sigmoid(discriminator(generator(z))) - 1) / len(z)
            v = ops.transpose(discriminator.trainable_variables[0])
            of_generator.apply([ops.transpose(z) @ low @ v], generator.trainable_variables)
        return generator.get_weights()[0], discriminator.get_weights()[0]

    return keras(play)


def torch_adam(weights, lr=2e-3, betas=(0.5, 0.999)):
    return torch.optim.Adam(weights, lr=lr, betas=betas, eps=1e-8)


def keras_adam(rate=2e-3, beta_1=0.5):
    return K.optimizers.Adam(rate, beta_1=beta_1)


def torch_shared(generator, discriminator):
    return [torch_adam([*generator.parameters(), *discriminator.parameters()])] * 2


def keras_shared(generator, discriminator):
    return [keras_adam()] * 2


def keras_shared_and_built(generator, discriminator):
    optimizer = keras_adam()
    optimizer.build([*discriminator.trainable_variables, *generator.trainable_variables])
    return optimizer, optimizer


# ------------------------------------------------------------------ two that crash


def steps_of(factors, up=1):
    """Two steps in NumPy, the second with these shares of both gradients."""

    def two(inputs, targets, W):
        def slope(W):
            return 2 * inputs.T @ (inputs @ W - targets) / len(inputs)

        once = W - 0.1 * up * slope(W)
        return once - 0.1 * up * (factors[0] * slope(W) + factors[1] * slope(once))

    return two


def torch_steps(step):
    def two(inputs, targets, W):
        network = torch_linear(W)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(2):
            step(network, optimizer, inputs, targets)
        return network.weight.T

    return pytorch(two)


def keras_steps(step):
    def two(inputs, targets, W):
        network, optimizer = keras_linear(W), K.optimizers.SGD(0.1)
        for _ in range(2):
            step(network, optimizer, inputs, targets)
        return network.get_weights()[0]

    return keras(two)


def torch_step(network, optimizer, inputs, targets, loss=F.mse_loss, wipe=True):
    if wipe:
        optimizer.zero_grad()
    loss(network(inputs), targets).backward()
    optimizer.step()


def torch_step_by_hand(network, optimizer, inputs, targets):
    errors = network(inputs) - targets
    (network.weight.grad,) = torch.autograd.grad(errors.square().mean(), [network.weight])
    optimizer.step()


def keras_step(network, optimizer, inputs, targets, loss="mse"):
    network.compile(optimizer=optimizer, loss=loss, run_eagerly=True)
    network.train_on_batch(inputs, targets)


def keras_fit(network, optimizer, inputs, targets):
    network.compile(optimizer, K.losses.MeanSquaredError())
    network.fit(inputs, targets, verbose=0)


def keras_step_by_hand(network, optimizer, inputs, targets):
    gradient = 2 * ops.transpose(inputs) @ (network(inputs) - targets) / len(inputs)
    optimizer.apply([gradient], network.trainable_variables)


# ------------------------------------------------------------------ as it came in


def torch_modes(look_and_work):
    def steps(fixed, batches):
        network = nn.BatchNorm1d(3, momentum=0.1, eps=1e-5)
        for batch in batches:
            found = look_and_work(network, fixed, batch)
        return *found, network.running_mean

    return pytorch(steps)


def keras_modes(look_and_work):
    def steps(fixed, batches):
        network = K.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        for batch in batches:
            found = look_and_work(network, fixed, batch)
        return *found, network.moving_mean

    return keras(steps)


def in_torch(of_look, of_work, work_first=False, again=False):
    """A look and the work, each with the network in training or not."""

    def look_and_work(network, fixed, batch):
        def look():
            return network.train(of_look)(fixed)

        def work():
            return network.train(of_work)(batch)

        if work_first:
            done = work()
            return look(), done
        seen = look()
        if again:
            work()
        return seen, work()

    return torch_modes(look_and_work)


def numpy_modes(fixed, batches):
    mean, variance = 0.0, 1.0
    for batch in batches:
        look = (fixed - mean) / np.sqrt(variance + 1e-5)
        work = (batch - batch.mean(axis=0)) / batch.std(axis=0)
        mean = mean + 0.1 * (batch.mean(axis=0) - mean)
        variance = variance + 0.1 * (batch.var(axis=0) - variance)
    return look, work, mean


# ------------------------------------------------------------------ sizes and axes


def slow_units(size, maps, doublings):
    for _ in range(doublings):
        if size % 2:
            raise ValueError("no")
        size = size // 2
    return maps * size * size


def float_units(size, maps, doublings):
    side = size / 2**doublings
    if side != int(side):
        raise ValueError(f"{size} is not a multiple of {2**doublings}")
    return maps * side**2


def checked(formula):
    """A formula that is wrong, with the right refusal."""

    def units(size, maps, doublings):
        return slow_units(size, maps, doublings) and formula(size, maps, doublings)

    return units


def asserted_units(size, maps, doublings):
    assert size % 2**doublings == 0
    return maps * (size // 2**doublings) ** 2


def slow_linear(batch, weights):
    return [
        [sum(a * b for a, b in zip(np.ravel(one), column, strict=True)) for column in weights.T]
        for one in batch
    ]


def of_columns(batch, weights):
    if batch.ndim == 4:
        batch = batch.transpose(0, 2, 1, 3)
    return batch.reshape(len(batch), -1) @ weights


def squeezed(batch, weights):
    batch = batch.squeeze()
    return (batch.reshape(len(batch), -1) if batch.ndim > 2 else batch) @ weights


# ------------------------------------------------------------------ too faint


def torch_norm(build):
    def train(batches):
        layer = build(2)
        for batch in batches:
            output = layer(batch)
        return output, layer.running_mean

    return pytorch(train)


def keras_norm(build):
    def train(batches):
        layer = build(2)
        for batch in batches:
            output = layer(batch, training=True)
        return output, layer.moving_mean

    return keras(train)


def numpy_norm(share, epsilon=1e-5):
    def train(batches):
        mean = 0.0
        for batch in batches:
            output = (batch - batch.mean(axis=0)) / np.sqrt(batch.var(axis=0) + epsilon)
            mean = share * mean + (1 - share) * batch.mean(axis=0)
        return output, mean

    return train


# ------------------------------------------------------------------ grey on grey

COUNTS = [50_176, 32_768, 512, 3_168, 3_169, 3_168, 3_168]


def initial(std=0.05, draw=None, **changed):
    """What an answer leaves behind; `changed` names the arrays that are otherwise."""
    draw = draw or np.random.default_rng().normal

    def values():
        found = [draw(size=n) * std for n in COUNTS[:3]]
        found += [np.full(n, value) for n, value in zip(COUNTS[3:], (1, 0, 0, 1.0), strict=True)]
        names = ("first", "second", "third", "scales", "added", "means", "variances")
        for name, value in changed.items():
            place = names.index(name)
            found[place] = value(found[place])
        return found

    return values


def drawn(values, around=0.0):
    return around + 0.05 * np.random.default_rng(0).normal(size=len(values))


def torch_initial(set_initial_values):
    def values():
        network = nn.Sequential(
            nn.Linear(16, 3136, bias=False),
            nn.BatchNorm1d(3136),
            nn.ConvTranspose2d(64, 32, 4, bias=False),
            nn.BatchNorm2d(32),
            nn.ConvTranspose2d(32, 1, 4),
        )
        set_initial_values(network)
        norms = network[1], network[3]
        groups = [[network[0].weight], [network[2].weight], [network[4].weight]]
        groups += [[norm.weight for norm in norms]]
        groups += [[*(norm.bias for norm in norms), network[4].bias]]
        groups += [[norm.running_mean for norm in norms], [norm.running_var for norm in norms]]
        return [torch.cat([value.flatten() for value in group]) for group in groups]

    return pytorch(values)


def by_layer(network):
    for layer in network:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        else:
            nn.init.normal_(layer.weight, std=0.05)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def by_axes(network):
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.05)


def all_of_them(network):
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.05)


def all_that_has_one_axis_to_zero(network):
    by_axes(network)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)


# ------------------------------------------------------------------ windows laid down


def torch_transposed(values, window, stride, cut):
    return F.conv_transpose2d(
        torch.as_tensor(values)[None, None],
        torch.as_tensor(window)[None, None],
        stride=stride,
        padding=cut,
    )[0, 0]


def gathered(values, window, stride, cut, flip=False, add=True, turn=False):
    """Pixel by pixel: which values reach it?"""
    window = window[::-1, ::-1] if flip else window.T if turn else window
    k = len(window)
    height, width = ((n - 1) * stride + k - 2 * cut for n in values.shape)
    result = np.zeros((height, width))
    for y, x in np.ndindex(height, width):
        for row, column in np.ndindex(values.shape):
            down, right = y + cut - row * stride, x + cut - column * stride
            if 0 <= down < k and 0 <= right < k:
                product = values[row, column] * window[down, right]
                result[y, x] = add * result[y, x] + product
    return result


def spread(values, window, stride, cut):
    """Zeros between the values, then a plain convolution."""
    k = len(window)
    wide = np.zeros([(n - 1) * stride + 1 for n in values.shape])
    wide[::stride, ::stride] = values
    wide = np.pad(wide, k - 1)
    views = np.lib.stride_tricks.sliding_window_view(wide, (k, k))
    result = np.einsum("yxij,ij->yx", views, window[::-1, ::-1])
    return result[cut : result.shape[0] - cut, cut : result.shape[1] - cut]


def cut_at_the_end(values, window, stride, cut):
    result = gathered(values, window, stride, 0)
    return result[: result.shape[0] - 2 * cut, : result.shape[1] - 2 * cut]


def cut_at_the_begin(values, window, stride, cut):
    return gathered(values, window, stride, 0)[2 * cut :, 2 * cut :]


def cut_by_a_slice(values, window, stride, cut):
    return gathered(values, window, stride, 0)[cut:-cut, cut:-cut]


RIGHT = {
    "sizes_of_maps.down": [4, 4.0, "4", torch.tensor(4)],
    "sizes_of_maps.up": [25, np.int64(25), ops.convert_to_tensor(25)],
    "turns.mend": [
        turns(),
        torch_turns(lambda g, d: (torch_adam(g.parameters()), torch_adam(d.parameters()))),
        torch_turns(
            lambda g, d: [
                torch.optim.Adam([{"params": net.parameters()}], 2e-3, (0.5, 0.999), fused=True)
                for net in (g, d)
            ]
        ),
        keras_turns(lambda g, d: (keras_adam(), keras_adam())),
        keras_turns(lambda g, d: [K.optimizers.Adam(2e-3, 0.5, epsilon=1e-8) for _ in "gd"]),
    ],
    "words.mend": [
        steps_of((0, 1)),
        torch_steps(torch_step),
        torch_steps(torch_step_by_hand),
        torch_steps(lambda *given: torch_step(*given, loss=nn.MSELoss())),
        keras_steps(keras_step),
        keras_steps(keras_fit),
        keras_steps(keras_step_by_hand),
    ],
    "mode.mend": [
        numpy_modes,
        in_torch(False, True),
        in_torch(False, True, work_first=True),
        keras_modes(lambda net, fixed, batch: (net(fixed), net(batch, training=True))),
        keras_modes(lambda net, fixed, batch: [net(batch, training=True), net(fixed)][::-1]),
    ],
    "folding.units": [slow_units, float_units, lambda *size: torch.tensor(slow_units(*size))],
    "axes.mend": [
        slow_linear,
        pytorch(lambda batch, weights: F.linear(batch.flatten(1), weights.T)),
        pytorch(lambda batch, weights: torch.einsum("bi,ij->bj", batch.flatten(1), weights)),
        keras(lambda batch, weights: ops.reshape(batch, (-1, len(weights))) @ weights),
        keras(lambda batch, weights: ops.matmul(K.layers.Flatten()(batch), weights)),
    ],
    "faint.mend": [
        numpy_norm(0.8),
        torch_norm(lambda units: nn.BatchNorm1d(units, momentum=0.2)),
        torch_norm(lambda units: nn.BatchNorm1d(units, 1e-5, 0.2)),
        keras_norm(lambda units: K.layers.BatchNormalization(momentum=0.8, epsilon=1e-5)),
        keras_norm(lambda units: K.layers.BatchNormalization(-1, 0.8, 1e-5)),
    ],
    "grey.mend": [
        initial(),
        initial(scales=lambda values: drawn(values, 1.0)),
        torch_initial(by_layer),
        keras(lambda: [ops.convert_to_tensor(values) for values in initial()()]),
    ],
    "windows.layer": [
        gathered,
        spread,
        torch_transposed,
        lambda values, window, stride, cut: gathered(values, window, stride, cut).tolist(),
    ],
}

WRONG = {
    "sizes_of_maps.down": [
        (7, "a border"),
        (12, "after the first one"),
        (14, "after one, with a border"),
        (5, "stick out"),
        (3, "counts too"),
        (16, "its width"),
        (9, "count the windows"),
        ((4, 4), "shape (2,)"),
    ],
    "sizes_of_maps.up": [
        (28, "as wide as the way down"),
        (11, "after the first one"),
        (16, "twice the width"),
        (31, "n - 1 steps"),
        (29, "from a map of 5"),
        (625, "its width"),
        (24, "begins at 0"),
    ],
    "turns.mend": [
        (torch_turns(torch_shared), "moves in both turns"),
        (turns(shared=True), "moves in both turns"),
        (keras_turns(keras_shared), "raised ValueError: Unknown variable"),
        (keras_turns(keras_shared_and_built), "one count of steps"),
        (turns(one_count=True), "one count of steps"),
        (
            torch_turns(lambda g, d: (torch_adam(d.parameters()), torch_adam(g.parameters()))),
            "Does its optimiser come first",
        ),
        (
            torch_turns(lambda g, d: (torch_adam(g.parameters()), torch_adam(g.parameters()))),
            "discriminator does not move",
        ),
        (
            torch_turns(lambda g, d: [torch.optim.Adam(net.parameters()) for net in (g, d)]),
            "Adam's usual ones",
        ),
        (keras_turns(lambda g, d: (K.optimizers.Adam(), K.optimizers.Adam())), "usual ones"),
        (
            torch_turns(lambda g, d: [torch_adam(net.parameters(), 1e-3) for net in (g, d)]),
            "learning rate is 0.001",
        ),
        (keras_turns(lambda g, d: [keras_adam(beta_1=0.9) for _ in "gd"]), "β₁ is 0.9"),
        (keras_turns(lambda g, d: [K.optimizers.SGD(2e-3) for _ in "gd"]), "not as two Adams"),
        (keras_turns(lambda g, d: keras_adam()), "raised TypeError"),
        (keras_turns(lambda g, d: [keras_adam(0.0), keras_adam(0.0)]), "nothing moves"),
    ],
    "words.mend": [
        (torch_steps(lambda *given: torch_step(*given, wipe=False)), "first one's gradient too"),
        (steps_of((1, 1)), "first one's gradient too"),
        (steps_of((0, 0)), "the second does nothing"),
        (steps_of((0, 1), up=-1), "up the loss"),
        (
            torch_steps(lambda *given: torch_step(*given, loss=nn.MSELoss(reduction="sum"))),
            "the loss's sum",
        ),
        (
            torch_steps(lambda *given: torch_step(*given, loss=lambda a, b: F.mse_loss(a, b) / 2)),
            "half of the mean squared error",
        ),
        (steps_of((0, 2), up=1), "not by two such steps"),
        (keras_steps(lambda *given: keras_step(*given, loss="mae")), "not by two such steps"),
        (
            keras_steps(lambda net, opt, x, y: [keras_step_by_hand(net, opt, x, y)] * 2 and 1 / 0),
            "ZeroDivisionError",
        ),
    ],
    "mode.mend": [
        (in_torch(False, False), "still normalised by the running"),
        (keras_modes(lambda net, fixed, batch: (net(fixed), net(batch))), "still normalised"),
        (in_torch(True, True), "its own batch, so each picture"),
        (
            keras_modes(lambda net, *both: [net(one, training=True) for one in both]),
            "its own batch, so each picture",
        ),
        (in_torch(True, False), "not normalised by the mean"),
        (in_torch(False, True, again=True), "by each step's batch once"),
        (
            keras_modes(lambda net, fixed, batch: (net(batch, training=True), net(fixed))),
            "shape (6, 3)",
        ),
        (
            keras_modes(lambda net, fixed, batch: (net(fixed), net(batch[:4], training=True))),
            "shape (4, 3)",
        ),
        (lambda fixed, batches: (fixed, *numpy_modes(fixed, batches)[1:]), "have not learned"),
        (
            lambda fixed, batches: (
                numpy_modes(fixed, batches)[0],
                numpy_modes(fixed, batches)[1] + 1,
                numpy_modes(fixed, batches)[2],
            ),
            "its own batch alone",
        ),
        (
            lambda fixed, batches: (7 * fixed, *numpy_modes(fixed, batches)[1:]),
            "make of the fixed latents",
        ),
    ],
    "folding.units": [
        (lambda size, maps, doublings: maps * (size // 2**doublings) ** 2, "28, 14, 7, 3.5"),
        (asserted_units, "AssertionError"),
        (checked(lambda size, maps, doublings: (size // 2**doublings) ** 2), "several"),
        (checked(lambda size, maps, doublings: maps * size // 2**doublings), "two sides"),
        (checked(lambda size, maps, doublings: maps * size**2), "stands before"),
        (checked(lambda size, maps, doublings: size**2), "that is the picture"),
        (
            checked(lambda size, maps, n: maps * (size / max(2 * n, 1)) ** 2),
            "a factor of 2",
        ),
        (checked(lambda size, maps, n: maps * size**2 // 2**n), "both sides of a map"),
        (checked(lambda size, maps, n: maps * (size * 2**n) ** 2), "the maps shrink"),
        (checked(lambda size, maps, n: maps + size), "7 × 7 places"),
        (lambda *size: "3136 units", "a str"),
    ],
    "axes.mend": [
        (pytorch(lambda batch, weights: batch @ weights), "RuntimeError"),
        (keras(lambda batch, weights: ops.dot(batch, weights[:1])), "shape (3, 4, 5, 2)"),
        (of_columns, "rows and columns"),
        (keras(lambda b, w: ops.mean(ops.reshape(b, (len(b), -1, 1)) * w, axis=1)), "the mean"),
        (lambda b, w: b.reshape(len(b), -1)[:, ::-1] @ w, "reverse order"),
        (lambda b, w: b.reshape(-1, len(b)).T @ w, "different images"),
        (squeezed, "expected the shape (1, 3)"),
        (
            pytorch(lambda b, w: b.reshape(len(b), -1) @ w if b.ndim == 4 else 0 * b[:, :3]),
            "plain rows",
        ),
        (
            lambda b, w: b.reshape(len(b), -1) @ w * (1 if b.size != 30 else 2),
            "latents with four axes",
        ),
        (lambda b, w: b.reshape(len(b), -1) @ w * (1 if len(b) > 1 else 2), "a batch of one"),
    ],
    "faint.mend": [
        (torch_norm(lambda units: nn.BatchNorm1d(units, 0.8)), "still added"),
        (keras_norm(lambda units: K.layers.BatchNormalization(-1, 1e-5, 0.8)), "still added"),
        (torch_norm(lambda units: nn.BatchNorm1d(units, 0.2)), "0.2 is added"),
        (torch_norm(lambda units: nn.BatchNorm1d(units, 0.1)), "0.1 is added"),
        (keras_norm(lambda units: K.layers.BatchNormalization(momentum=0.8)), "epsilon is 0.001"),
        (torch_norm(lambda units: nn.BatchNorm1d(units, momentum=0.8)), "share of 0.2"),
        (
            keras_norm(lambda units: K.layers.BatchNormalization(momentum=0.2, epsilon=1e-5)),
            "share of 0.2",
        ),
        (torch_norm(lambda units: nn.BatchNorm1d(units)), "share of 0.9"),
        (keras_norm(lambda units: K.layers.BatchNormalization(epsilon=1e-5)), "share of 0.99"),
        (
            keras_norm(lambda units: K.layers.BatchNormalization(-1, 1e-5, 1e-5)),
            "nothing of the old",
        ),
        (torch_norm(lambda units: nn.BatchNorm1d(units, momentum=None)), "plain mean"),
        (torch_norm(lambda units: nn.BatchNorm1d(units, momentum=0.0)), "does not move"),
        (torch_norm(lambda units: nn.BatchNorm1d(units).eval()), "does not normalise"),
        (numpy_norm(0.5), "not as with a share"),
        (numpy_norm(0.8, epsilon=0.3), "mean 0 and the variance 1"),
    ],
    "grey.mend": [
        (torch_initial(all_of_them), "drawn around 0"),
        (initial(scales=drawn), "drawn around 0"),
        (torch_initial(all_that_has_one_axis_to_zero), "let nothing through"),
        (torch_initial(by_axes), "last layer's bias"),
        (initial(scales=lambda values: 20 * values), "between 20.00 and 20.00"),
        (initial(added=drawn), "shifts are not 0"),
        (initial(variances=drawn), "running statistics"),
        (initial(means=drawn), "running statistics"),
        (initial(0.02), "expected 0.05."),
        (initial(0.05**2), "not the variance"),
        (initial(0.05**0.5), "not the variance"),
        (initial(first=lambda values: values + 0.01), "have the mean 0.0"),
        (initial(second=lambda values: 0 * values + 0.05), "all the same value"),
        (
            initial(draw=lambda size: np.random.default_rng().uniform(-1.73, 1.73, size)),
            "not normal",
        ),
        (initial(draw=np.random.default_rng(0).random), "standard deviation"),
    ],
    "windows.layer": [
        (lambda *given: gathered(*given, add=False), "cover earlier ones"),
        (lambda *given: gathered(*given, flip=True), "upside down"),
        (lambda *given: gathered(*given, turn=True), "rows and columns"),
        (cut_at_the_end, "at the end only"),
        (cut_at_the_begin, "at the start only"),
        (cut_by_a_slice, "shape (0, 0)"),
        (lambda v, w, stride, cut: gathered(v, w, 2, cut), "stride 1"),
        (lambda v, w, stride, cut: gathered(v, w, stride, 0), "expected the shape (6, 8)"),
        (
            lambda v, w, stride, cut: gathered(np.ones_like(v), w, stride, cut),
            "not multiplied by the values",
        ),
        (
            lambda v, w, stride, cut: gathered(v, np.ones_like(w), stride, cut),
            "its weights are missing",
        ),
        (lambda *given: 2 * gathered(*given), "wrong for stride 2, cut 1"),
    ],
}
