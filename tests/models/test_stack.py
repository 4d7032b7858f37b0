import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from models.checkpoints import pack_state, pack_weights
from models.data.gathered import whole
from models.data.split import Split
from models.networks import MLP, NMLP
from models.products import choice, kernels
from models.products.choice import Choice
from models.records import Ended, Epoch, Failed
from models.spec import TrainingSpec
from models.stack import Layout, Stack
from models.training import Stop, train

SHAPES = [(12,), (16, 8), (7, 3), (1,), (30, 5), (5, 1, 9)]
ARCHITECTURES = ["mlp", "nmlp", "nmlp with dropout"]


def network(architecture: str, sizes: tuple[int, ...], seed: int, dtype: torch.dtype) -> nn.Sequential:
    torch.manual_seed(seed)
    if architecture == "mlp":
        return MLP(*sizes).to(dtype)
    return NMLP(*sizes, dropout=0.4 if architecture == "nmlp with dropout" else 0.0).to(dtype)


def forward(network: nn.Sequential, x_BD: Tensor, masks: Generator) -> Tensor:
    """Pass a batch through the module, with dropout drawn from a generator."""
    for layer in network:
        if isinstance(layer, nn.Dropout):
            kept = 1 - layer.p
            mask = torch.ones_like(x_BD) if kept == 1 else torch.empty_like(x_BD).bernoulli_(kept, generator=masks)
            x_BD = x_BD * mask / kept
        else:
            x_BD = layer(x_BD)
    return x_BD


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("sizes", SHAPES)
def test_a_step_computes_the_losses_and_gradients_that_autograd_computes(
    sizes: tuple[int, ...], architecture: str, dtype: torch.dtype, tolerance: float
) -> None:
    networks = [network(architecture, sizes, seed, dtype) for seed in range(3)]
    random = Generator().manual_seed(1)
    x_KBD = torch.randn(3, 20, 784, generator=random, dtype=dtype)
    y_KB = torch.randint(0, 10, (3, 20), generator=random)
    expected_losses, expected_gradients = [], []
    for seed, (module, x_BD, y_B) in enumerate(zip(networks, x_KBD, y_KB, strict=True)):
        loss = cross_entropy(forward(module, x_BD, Generator().manual_seed(seed)), y_B)
        expected_gradients.append(torch.autograd.grad(loss, list(module.parameters())))
        expected_losses.append(loss.detach())

    stack = Stack(networks, [Generator().manual_seed(seed) for seed in range(3)])
    batch = stack.batch(20)
    for images, x_BD in zip(batch.images, x_KBD, strict=True):
        images.copy_(x_BD)
    losses = batch.step(one_hot(y_KB, 10).to(x_KBD.dtype).div_(-y_KB.shape[1]).mT.contiguous().unbind())

    torch.testing.assert_close(
        torch.tensor(losses, dtype=dtype), torch.stack(expected_losses), rtol=tolerance, atol=tolerance
    )
    for made, gradients in zip(batch.gradients, expected_gradients, strict=True):
        for ours, theirs in zip(stack.layout.views(made.all()).values(), gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def test_networks_share_their_weights_with_the_stack() -> None:
    module = network("nmlp", (6,), 0, torch.float32)
    stack = Stack([module], [Generator()])
    stack.weights_KP.mul_(2)
    assert torch.equal(
        module.get_parameter("linear1.weight"), stack.layout.views(stack.weights_KP[0])["linear1.weight"]
    )


def test_every_tensor_begins_on_a_cache_line_and_the_gaps_stay_zero(small_split: Split) -> None:
    layout = Layout.of(network("nmlp", (7, 3), 0, torch.float32))
    assert all(offset % 16 == 0 for offset in (*layout.offsets.values(), layout.size))
    row_P = torch.arange(layout.size)
    held = torch.cat([view.flatten() for view in layout.views(row_P).values()])
    gaps = torch.ones(layout.size, dtype=torch.bool).index_fill(0, held, value=False)
    assert gaps.any()

    modules = [network("nmlp", (7, 3), seed, torch.float32) for seed in range(2)]
    stack = Stack(modules, [Generator(), Generator()])
    batch = stack.batch(5)
    for images in batch.images:
        images.copy_(whole(small_split.x_train)[:5])
    batch.step([(one_hot(small_split.y_train[:5], 10) / -5).T.contiguous()] * 2)
    assert not torch.stack([its.all() for its in batch.gradients])[:, gaps].any()


def test_a_layer_without_a_stacked_form_is_named() -> None:
    strange = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Tanh())
    with pytest.raises(TypeError, match="there is no stacked form of Tanh"):
        Stack([strange], [Generator()]).batch(1)


def bits(specs: list[TrainingSpec], split: Split) -> list[list[tuple[bytes, bytes, bytes]]]:
    """Train together; gives for each network the bits of its losses, weights and state after each epoch."""
    found: list[list[tuple[bytes, bytes, bytes]]] = [[] for _ in specs]
    for record in train(specs, split):
        if isinstance(record, Epoch):
            weights = pack_weights(record.checkpoint, specs[record.network], mean=0.0, deviation=1.0)
            found[record.network].append((record.losses.tobytes(), weights, pack_state(record.checkpoint)))
    return found


MEMBERS = st.fixed_dictionaries(
    {"seed": st.integers(0, 5), "epochs": st.integers(1, 3), "learning_rate": st.sampled_from([0.001, 0.01])},
    optional={
        "dropout": st.sampled_from([0.0, 0.2, 0.5]),
        "weight_decay": st.sampled_from([0.0, 0.01]),
        "early_stopping_patience": st.just(1),
        "learning_rate_schedule": st.sampled_from(["cosine", "one_cycle"]),
        "ema_decay": st.just(0.9),
        "shift_pixels": st.just(2),
        "rotation_degrees": st.just(10.0),
        "shuffle": st.just(False),
        "order_seed": st.integers(0, 1),
    },
).filter(lambda member: "shuffle" not in member or "order_seed" not in member)
OPTIMIZERS = st.sampled_from(
    [{"optimizer": "adam"}, {"optimizer": "adamw"}, {"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0.9}]
)


KERNELS = st.builds(Choice, st.sampled_from(sorted(kernels.KERNELS)), st.sampled_from(sorted(kernels.KERNELS)))


@pytest.fixture
def as_known() -> Iterator[None]:
    yield
    choice.use(None)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    members=st.lists(st.tuples(MEMBERS, OPTIMIZERS), min_size=2, max_size=6),
    sizes=st.sampled_from(SHAPES),
    batch_size=st.sampled_from([7, 16, 23, 64, 200]),
    precision=st.sampled_from(["float32", "bfloat16"]),
    order_seed=st.sampled_from([None, 1]),
    by=KERNELS,
)
@pytest.mark.usefixtures("as_known")
def test_a_network_ends_with_the_same_bits_alone_and_in_any_company_by_any_kernel(
    members: list[tuple[dict[str, Any], dict[str, Any]]],
    sizes: tuple[int, ...],
    batch_size: int,
    precision: str,
    order_seed: int | None,
    by: Choice,
    small_split: Split,
) -> None:
    choice.use(by)
    shared = {"dataset": "digits", "architecture": "nmlp", "hidden_sizes": sizes, "batch_size": batch_size}
    specs = [
        TrainingSpec.model_validate(
            {**shared, "precision": precision, **member, **optimizer}
            | ({} if "shuffle" in member else {"order_seed": order_seed})
        )
        for member, optimizer in members
    ]
    assert bits(specs, small_split) == [bits([spec], small_split)[0] for spec in specs]


def specs_of(count: int, **fields: Any) -> list[TrainingSpec]:
    shared: dict[str, Any] = {"dataset": "digits", "hidden_sizes": (12, 6), "batch_size": 16, "epochs": 3, **fields}
    return [TrainingSpec.model_validate({**shared, "seed": seed}) for seed in range(count)]


def test_a_network_that_diverges_leaves_and_the_others_go_on_undisturbed(small_split: Split) -> None:
    wild = TrainingSpec.model_validate(
        {**specs_of(1)[0].model_dump(), "optimizer": "sgd", "learning_rate": 10.0, "weight_decay": 1.0, "epochs": 100}
    )
    tame = specs_of(2, epochs=30)
    records = list(train([tame[0], wild, tame[1]], small_split))
    (failure,) = (record for record in records if isinstance(record, Failed))
    assert failure.network == 1
    assert "training diverged at epoch" in str(failure.error)
    ours = bits([tame[0], wild, tame[1]], small_split)
    assert [ours[0], ours[2]] == [bits([spec], small_split)[0] for spec in tame]


def test_a_network_that_is_stopped_leaves_within_a_batch_and_the_others_go_on_undisturbed(small_split: Split) -> None:
    specs = specs_of(3)
    asked = itertools.count()
    found: list[list[Any]] = [[], [], []]

    def should_stop(network: int) -> Stop | None:
        return "end" if network == 1 and next(asked) >= 14 else None

    for record in train(specs, small_split, should_stop=should_stop):
        found[record.network].append(record)
    assert [(record.epoch, len(record.losses), record.complete) for record in found[1][:-1]] == [
        (1, 10, True),
        (2, 4, False),
    ]
    assert all(found[number][-1] == Ended(number) for number in range(3))
    for number in (0, 2):
        alone = [record for record in train([specs[number]], small_split) if isinstance(record, Epoch)]
        together = [record for record in found[number] if isinstance(record, Epoch)]
        assert [record.losses.tobytes() for record in together] == [record.losses.tobytes() for record in alone]


def test_networks_may_go_on_from_different_epochs_together(small_split: Split) -> None:
    specs = specs_of(2)
    whole = bits(specs, small_split)
    first = next(train(specs[:1], small_split))
    assert isinstance(first, Epoch)
    resumed = list(train(specs, small_split, resume=[first.checkpoint, None]))
    epochs = [[record.epoch for record in resumed if isinstance(record, Epoch) and record.network == n] for n in (0, 1)]
    assert epochs == [[2, 3], [1, 2, 3]]
    last = [record for record in resumed if isinstance(record, Epoch) and record.network == 0][-1]
    assert last.losses.tobytes() == whole[0][-1][0]


def test_networks_of_different_shape_are_not_trained_together(small_split: Split) -> None:
    with pytest.raises(ValueError, match="only networks of equal shape"):
        next(train([*specs_of(1), *specs_of(1, hidden_sizes=(13,))], small_split))


def test_a_spec_that_asks_for_too_much_fails_alone(small_split: Split) -> None:
    modest, greedy = specs_of(1)[0], specs_of(1, epochs=1000, batch_size=16)[0]
    huge = Split(
        **{
            **vars(small_split),
            "x_train": whole(small_split.x_train)[:1].expand(16_016, -1),
            "y_train": small_split.y_train[:1].expand(16_016),
        }
    )
    records = train([modest, greedy], huge, should_stop=lambda _: "end")
    assert [type(record) for record in records] == [Failed, Ended]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bfloat16_steps_are_those_of_float32_but_for_the_rounding(architecture: str) -> None:
    networks = [[network(architecture, (32, 16), seed, torch.float32) for seed in range(2)] for _ in range(2)]
    x_KBD = torch.randn(2, 64, 784, generator=Generator().manual_seed(1))
    y_KB = torch.randint(0, 10, (2, 64), generator=Generator().manual_seed(2))
    gradients = []
    for modules, half in zip(networks, (False, True), strict=True):
        stack = Stack(modules, [Generator().manual_seed(seed) for seed in range(2)], half=half)
        batch = stack.batch(64)
        for images, x_BD in zip(batch.images, x_KBD, strict=True):
            images.copy_(x_BD)
        batch.step((one_hot(y_KB, 10) / -64).mT.contiguous().unbind())
        gradients.append(torch.stack([its.all() for its in batch.gradients]))
    difference = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    assert 1e-5 < difference < 0.15
