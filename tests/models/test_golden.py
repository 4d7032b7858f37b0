import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from models import golden, inference, novelty
from models.data.examples import Examples
from models.ensemble import Ensemble
from models.golden import Golden
from models.inference import Network
from tests.models.networks import NETWORKS, network_and_file, random_pixels

NETWORK = inference.read(network_and_file("nmlp", (20, 16), seed=1)[1])
SET = golden.choose(NETWORK, random_pixels(100))
FILE = golden.pack(SET)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_answers_as_it_did(kind: str) -> None:
    _, file = network_and_file(*NETWORKS[kind], seed=1)
    chosen = golden.choose(inference.read(file), random_pixels(100))
    golden.replay(inference.read(file), golden.unpack(golden.pack(chosen)))


def test_an_ensemble_answers_as_it_did() -> None:
    networks = [inference.read(network_and_file("mlp", (9,), seed)[1]) for seed in range(3)]
    chosen = golden.choose(Ensemble(networks), random_pixels(100))
    golden.replay(Ensemble(networks), chosen)
    with pytest.raises(ValueError, match="no longer answers as it did"):
        golden.replay(Ensemble(networks[:2]), chosen)


def nudged(network: Network, amount: float) -> Network:
    last = network.layers[-1]
    bias = last.bias.copy()
    bias[3] += amount
    return replace(network, layers=(*network.layers[:-1], replace(last, bias=bias)))


def test_a_logit_may_be_off_by_rounding_and_no_more() -> None:
    scale = float(np.abs(SET.logits).max())
    golden.replay(nudged(NETWORK, 0.5e-4 * scale), SET)
    with pytest.raises(
        ValueError, match=r"on 16 golden examples its logits are off by up to \S+, where \S+ are allowed"
    ):
        golden.replay(nudged(NETWORK, 2e-4 * scale), SET)


@pytest.mark.parametrize(
    "other",
    [
        inference.read(network_and_file("nmlp", (20, 16), seed=2)[1]),
        nudged(NETWORK, float("nan")),
    ],
    ids=["other weights", "no number"],
)
def test_what_answers_otherwise_is_refused(other: Network) -> None:
    with pytest.raises(ValueError, match="no longer answers as it did when its training ended"):
        golden.replay(other, SET)


@given(count=st.integers(1, 60))
def test_the_images_are_spread_over_those_that_there_are_and_never_repeated(count: int) -> None:
    pixels = random_pixels(count)
    chosen = golden.choose(NETWORK, pixels).values
    assert len(chosen) == min(count, 16)
    places = [int(np.flatnonzero((pixels == image).all(axis=(1, 2)))[0]) for image in chosen]
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, count - 1)


def test_equal_networks_and_images_give_equal_bytes(digits: Examples) -> None:
    assert len({golden.pack(golden.choose(NETWORK, digits.values)) for _ in range(20)}) == 1


def test_what_was_packed_is_unpacked() -> None:
    unpacked = golden.unpack(FILE)
    assert np.array_equal(unpacked.values, SET.values)
    assert np.array_equal(unpacked.logits, SET.logits)
    assert unpacked.values.dtype == np.uint8
    assert unpacked.logits.dtype == np.float32


NO_SETS = {
    "nothing": b"",
    "garbage": b"garbage" * 9,
    "a weights file": network_and_file("mlp", (5,), seed=0)[1],
    "what is usual": novelty.pack(novelty.fit(random_pixels(3), np.zeros(3))),
    "the same of another kind": safetensors.numpy.save(
        {"pixels": SET.values, "logits": SET.logits}, metadata={"tenfold": json.dumps({"holds": "other images"})}
    ),
    "an image too many": golden.pack(Golden(random_pixels(17), SET.logits)),
}


def test_a_set_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="its golden examples are of another form than what it takes in"):
        golden.replay(NETWORK, Golden(SET.values, SET.logits[:, :9].copy()))


@pytest.mark.parametrize("what", NO_SETS)
def test_what_is_no_golden_set_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=r"^these are no golden examples: "):
        golden.unpack(NO_SETS[what])


@given(length=st.integers(0, len(FILE) - 1))
def test_a_set_cut_short_anywhere_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"^these are no golden examples: "):
        golden.unpack(FILE[:length])
