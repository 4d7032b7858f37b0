import pytest
import torch
from torch import nn

from models.networks import MLP, NMLP, build, count_parameters
from models.spec import TrainingSpec


def test_two_hidden_layers_of_200_units_have_199_210_parameters() -> None:
    assert count_parameters(MLP(200, 200)) == 199_210


def test_an_mlp_is_linear_and_relu_in_turn_and_ends_with_a_linear_layer() -> None:
    kinds = [type(layer) for layer in MLP(30, 5)]
    assert kinds == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]


def test_an_nmlp_normalises_after_each_linear_layer_and_drops_out_before_the_last_relu() -> None:
    network = NMLP(30, 5, dropout=0.25)
    kinds = [type(layer) for layer in network]
    first, last = [nn.Linear, nn.LayerNorm, nn.ReLU], [nn.Linear, nn.LayerNorm, nn.Dropout, nn.ReLU]
    assert kinds == [nn.Flatten, *first, *last, nn.Linear]
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout)] == [0.25]


@pytest.mark.parametrize("network", [MLP(30, 5), NMLP(30, 5, dropout=0.0)], ids=["mlp", "nmlp"])
def test_the_layers_have_the_sizes_that_were_asked_for(network: MLP | NMLP) -> None:
    shapes = [(layer.in_features, layer.out_features) for layer in network if isinstance(layer, nn.Linear)]
    assert shapes == [(784, 30), (30, 5), (5, 10)]


@pytest.mark.parametrize("network", [MLP(30, 5), NMLP(30, 5, dropout=0.0)], ids=["mlp", "nmlp"])
def test_images_may_come_square_or_flat(network: MLP | NMLP) -> None:
    square = torch.rand(3, 28, 28, generator=torch.Generator().manual_seed(0))
    logits = network(square)
    assert logits.shape == (3, 10)
    assert torch.equal(logits, network(square.reshape(3, 784)))


@pytest.mark.parametrize("sizes", [(), (0,), (5, -1), (2.5,), ("5",), (5, None)], ids=str)
def test_sizes_that_make_no_layer_are_refused_with_a_sentence(sizes: tuple[int, ...]) -> None:
    sentence = "hidden sizes must be positive whole numbers, one for each layer, not"
    with pytest.raises(ValueError, match=sentence):
        MLP(*sizes)
    with pytest.raises(ValueError, match=sentence):
        NMLP(*sizes, dropout=0.5)


@pytest.mark.parametrize("architecture", ["mlp", "nmlp"])
def test_equal_seeds_draw_equal_weights_and_other_seeds_others(architecture: str) -> None:
    spec = TrainingSpec.model_validate({"architecture": architecture, "hidden_sizes": [7, 3]})
    one, same, other = (build(spec, seed=seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["linear1.weight"], other["linear1.weight"])


def test_building_neither_reads_nor_moves_the_global_random_state() -> None:
    spec = TrainingSpec(hidden_sizes=(7,))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = build(spec, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    same = build(spec, seed=5)
    assert torch.equal(one.state_dict()["linear1.weight"], same.state_dict()["linear1.weight"])


@pytest.mark.parametrize(("architecture", "kind"), [("mlp", MLP), ("nmlp", NMLP)])
def test_the_spec_chooses_the_family(architecture: str, kind: type[nn.Module]) -> None:
    assert type(build(TrainingSpec.model_validate({"architecture": architecture}), seed=0)) is kind


def test_the_spec_sets_the_dropout() -> None:
    network = build(TrainingSpec(architecture="nmlp", hidden_sizes=(7, 3), dropout=0.3), seed=0)
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout)] == [0.3]
