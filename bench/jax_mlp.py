"""The rival in JAX: the multilayer perceptron of `models.networks`, Adam, shuffling and evaluation, all of it compiled.

It was made as fast as could be found: examples are gathered batch by batch, which beats gathering an epoch at once, and
evaluated in chunks, which beats evaluating all at once; unrolling the loop over batches gained nothing, and weights as
[I, O] only in bfloat16. In bfloat16 the examples are stored, and the first layer's products are made, with sums in
float32; all products in it are slower.

Legend of shapes: N examples, B examples in a batch, D = 784 pixels, I inputs and O outputs of a layer.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from models.data.gathered import whole
from models.data.split import Split
from models.learner import derive_seed
from models.networks import build
from models.spec import TrainingSpec

Tree = Any
"""Arrays in lists and tuples, as JAX maps over them: for each layer its weights and its biases [O].

Weights are [O, I] where examples are float32, [I, O] where they are bfloat16.
"""

_CHUNK = 2000


def epochs(
    specs: Sequence[TrainingSpec], split: Split, *, half: bool, together: bool = False, one_order: bool = False
) -> Iterator[tuple[float, float]]:
    """Train a network for each spec; yields the first one's accuracies on both parts after each epoch of all.

    In bfloat16 with `half`; as one with `together`, in one order for all with `one_order` besides.
    """
    x_train, x_val = (
        jnp.array(whole(part).numpy()).astype(jnp.bfloat16 if half else jnp.float32)
        for part in (split.x_train, split.x_val)
    )
    y_train, y_val = jnp.array(split.y_train.numpy()), jnp.array(split.y_val.numpy())
    epoch: Any = partial(_epoch, batch_size=specs[0].batch_size, rate=specs[0].learning_rate)
    accuracy: Any = _accuracy
    fold_in: Any = jax.random.fold_in
    states, keys = [_start(spec, half) for spec in specs], [jax.random.key(spec.seed) for spec in specs]
    if together:
        epoch = jax.vmap(epoch, (0, None if one_order else 0, None, None))
        accuracy = jax.vmap(accuracy, (0, None, None))
        states = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)]
        if one_order:
            keys = keys[:1]
        else:
            fold_in, keys = jax.vmap(fold_in, (0, None)), [jnp.stack(keys)]
    epoch, accuracy = jax.jit(epoch, donate_argnums=0), jax.jit(accuracy)

    def run() -> Iterator[tuple[float, float]]:
        for number in count(1):
            for place, (state, key) in enumerate(zip(states, keys, strict=True)):
                states[place], losses = epoch(state, fold_in(key, number), x_train, y_train)
                np.asarray(losses)
            found = [(accuracy(state, x_train, y_train), accuracy(state, x_val, y_val)) for state in states]
            # Of all, so that none is left to be computed later.
            accuracies = [(float(np.ravel(train)[0]), float(np.ravel(val)[0])) for train, val in found]
            yield accuracies[0]

    return run()


def _start(spec: TrainingSpec, half: bool) -> Tree:
    """Give the state before the first batch: weights (those that ours begins with), both moments, and 0 steps."""
    network = build(spec, seed=derive_seed(spec.seed, 0, "weights"))
    arrays = [jnp.array(parameter.detach().numpy()) for parameter in network.parameters()]
    weights = [(w_OI.T if half else w_OI, b_O) for w_OI, b_O in zip(arrays[::2], arrays[1::2], strict=True)]
    return weights, jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.zeros(())


def _epoch(state: Tree, key: Array, x_ND: Array, y_N: Array, *, batch_size: int, rate: float) -> tuple[Tree, Array]:
    """Train on all examples in a new order; gives the state and the losses of the batches."""

    def step(state: Tree, rows_B: Array) -> tuple[Tree, Array]:
        loss, gradients = jax.value_and_grad(_loss)(state[0], x_ND[rows_B], y_N[rows_B])
        return _adam(state, gradients, rate), loss

    order_N = jax.random.permutation(key, len(y_N))
    whole = len(y_N) - len(y_N) % batch_size
    state, losses = lax.scan(step, state, order_N[:whole].reshape(-1, batch_size))
    if whole < len(y_N):
        state, loss = step(state, order_N[whole:])
        losses = jnp.append(losses, loss)
    return state, losses


def _accuracy(state: Tree, x_ND: Array, y_N: Array) -> Array:
    """Share of examples that are predicted correctly."""
    predictions_N: Array = lax.map(lambda x_D: _logits(state[0], x_D).argmax(), x_ND, batch_size=_CHUNK)
    return jnp.mean(predictions_N == y_N)


def _logits(weights: Tree, x: Array) -> Array:
    is_half = x.dtype == jnp.bfloat16
    for w, b_O in weights[:-1]:
        x = jax.nn.relu(_product(x, w, is_half) + b_O)
    w, b_O = weights[-1]
    return jnp.add(_product(x, w, is_half), b_O)


def _product(x: Array, w: Array, is_half: bool) -> Array:
    product: Array = jnp.matmul(x, w.astype(x.dtype) if is_half else w.T, preferred_element_type=jnp.float32)
    return product


def _loss(weights: Tree, x_BD: Array, y_B: Array) -> Array:
    log_probabilities_BC = jax.nn.log_softmax(_logits(weights, x_BD))
    return -jnp.mean(jnp.take_along_axis(log_probabilities_BC, y_B[:, None], axis=1))


def _adam(state: Tree, gradients: Tree, rate: float) -> Tree:
    """Update as torch.optim.Adam does, with its defaults."""
    weights, first, second, steps = state
    steps = steps + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    size, root = rate / (1 - 0.9**steps), jnp.sqrt(1 - 0.999**steps)
    weights = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v) / root + 1e-8), weights, first, second)
    return weights, first, second, steps
