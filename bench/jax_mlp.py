"""The rival in JAX: the multilayer perceptron of `models.networks`, Adam, shuffling and evaluation, all of it compiled.

It was made as fast as could be found: examples are gathered batch by batch, which beats gathering an epoch at once, and
evaluated in chunks, which beats evaluating all at once; unrolling the loop over batches gained nothing.

Legend of shapes: N examples, B examples in a batch, D = 784 pixels, I inputs and O outputs of a layer.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from models.learner import derive_seed
from models.networks import build
from models.spec import TrainingSpec

Tree = Any
"""Arrays in lists and tuples, as JAX maps over them: for each layer its weights [O, I] and its biases [O]."""

_CHUNK = 2000


def start(spec: TrainingSpec) -> Tree:
    """Give the state before the first batch: weights (those that ours begins with), both moments, and 0 steps."""
    network = build(spec, seed=derive_seed(spec.seed, 0, "weights"))
    arrays = [jnp.array(parameter.detach().numpy()) for parameter in network.parameters()]
    weights = list(zip(arrays[::2], arrays[1::2], strict=True))
    return weights, jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.zeros(())


def epoch(state: Tree, key: Array, x_ND: Array, y_N: Array, *, batch_size: int, rate: float) -> tuple[Tree, Array]:
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


def accuracy(state: Tree, x_ND: Array, y_N: Array) -> Array:
    """Share of examples that are predicted correctly."""
    predictions_N: Array = lax.map(lambda x_D: _logits(state[0], x_D).argmax(), x_ND, batch_size=_CHUNK)
    return jnp.mean(predictions_N == y_N)


def _logits(weights: Tree, x: Array) -> Array:
    for w_OI, b_O in weights[:-1]:
        x = jax.nn.relu(x @ w_OI.T + b_O)
    w_OI, b_O = weights[-1]
    return jnp.add(x @ w_OI.T, b_O)


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
