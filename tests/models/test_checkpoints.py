import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.checkpoints import Checkpoint, fingerprint, pack_state, pack_weights, unpack, without_schema
from models.data.builtin import BUILTIN
from models.inference import metadata
from models.networks import build
from models.spec import TrainingSpec

SPEC = TrainingSpec(architecture="nmlp", hidden_sizes=(6, 4), dropout=0.5)


def some_checkpoint(seed: int = 0) -> Checkpoint:
    weights = build(SPEC, seed=seed).state_dict()
    moments = {f"{index}.exp_avg": tensor * 2 for index, tensor in enumerate(weights.values())}
    steps = {f"{index}.step": torch.tensor(7.0) for index in range(len(weights))}
    return Checkpoint(
        epoch=3, iterations=21, best_epoch=2, best_val_accuracy=1 / 3, weights=weights, state={**moments, **steps}
    )


def pack(checkpoint: Checkpoint, spec: TrainingSpec = SPEC) -> tuple[bytes, bytes]:
    return pack_weights(checkpoint, spec, mean=33.25, deviation=78.5), pack_state(checkpoint)


def backwards(checkpoint: Checkpoint) -> Checkpoint:
    weights, state = (dict(reversed(its.items())) for its in (checkpoint.weights, checkpoint.state))
    return Checkpoint(3, 21, 2, 1 / 3, weights, state)


WEIGHTS, STATE = pack(some_checkpoint())


def test_what_was_packed_is_unpacked() -> None:
    packed, unpacked = some_checkpoint(), unpack(WEIGHTS, STATE)
    assert (unpacked.epoch, unpacked.iterations, unpacked.best_epoch) == (3, 21, 2)
    assert unpacked.best_val_accuracy == 1 / 3
    for before, after in [(packed.weights, unpacked.weights), (packed.state, unpacked.state)]:
        assert before.keys() == after.keys()
        for name, tensor in before.items():
            assert torch.equal(tensor, after[name])
            assert (tensor.shape, tensor.dtype) == (after[name].shape, after[name].dtype)


def test_an_optimiser_without_a_memory_is_packed_as_well() -> None:
    checkpoint = Checkpoint(1, 7, 1, 0.5, some_checkpoint().weights, {})
    assert unpack(*pack(checkpoint)).state == {}


def test_equal_weights_are_equal_bytes_in_whatever_order() -> None:
    assert {pack(some_checkpoint()) for _ in range(20)} == {(WEIGHTS, STATE)}
    assert pack(backwards(some_checkpoint())) == (WEIGHTS, STATE)


def test_other_weights_are_other_bytes() -> None:
    checkpoint = some_checkpoint()
    nudged = checkpoint.weights["linear1.bias"].clone()
    nudged[0] += 1e-6
    changed = Checkpoint(3, 21, 2, 1 / 3, {**checkpoint.weights, "linear1.bias": nudged}, checkpoint.state)
    weights, state = pack(changed)
    assert weights != WEIGHTS
    assert state == STATE


def test_packing_takes_a_copy_of_live_tensors() -> None:
    checkpoint = some_checkpoint()
    weights, _ = pack(checkpoint)
    checkpoint.weights["linear1.bias"].add_(1.0)
    assert weights == WEIGHTS


def test_a_weights_file_tells_what_is_needed_to_predict() -> None:
    assert metadata(WEIGHTS) == {
        "architecture": "nmlp",
        "hidden_sizes": [6, 4],
        "epoch": 3,
        "mean": 33.25,
        "deviation": 78.5,
    }


def test_a_weights_file_is_one_that_safetensors_reads() -> None:
    tensors = safetensors.numpy.load(WEIGHTS)
    assert tensors.keys() == some_checkpoint().weights.keys()
    assert all(tensor.dtype == np.float32 for tensor in tensors.values())


FOREIGN = safetensors.numpy.save({"linear1.weight": np.zeros((3, 4), np.float32)})
OTHER_METADATA = safetensors.numpy.save({}, metadata={"tenfold": json.dumps({"epochs": 3})})
NO_OBJECT = safetensors.numpy.save({}, metadata={"tenfold": "[1, 2]"})
NO_JSON = safetensors.numpy.save({}, metadata={"tenfold": "epoch 3"})

NO_CHECKPOINTS = {
    "nothing": (b"", b""),
    "garbage": (b"\x80\x04garbage" * 9, b"garbage" * 9),
    "no weights": (b"", STATE),
    "no state": (WEIGHTS, b""),
    "the two exchanged": (STATE, WEIGHTS),
    "weights twice": (WEIGHTS, WEIGHTS),
    "foreign weights": (FOREIGN, FOREIGN),
    "foreign state": (WEIGHTS, FOREIGN),
    "other metadata": (WEIGHTS, OTHER_METADATA),
    "metadata that is no object": (WEIGHTS, NO_OBJECT),
    "metadata that is no JSON": (WEIGHTS, NO_JSON),
    "weights with a tail": (WEIGHTS + b"\0", STATE),
}


@pytest.mark.parametrize("what", NO_CHECKPOINTS)
def test_what_is_no_checkpoint_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=r"^this is no checkpoint: "):
        unpack(*NO_CHECKPOINTS[what])


@given(data=st.data())
def test_a_checkpoint_cut_short_anywhere_is_refused(data: st.DataObject) -> None:
    weights, state = WEIGHTS, STATE
    if data.draw(st.booleans()):
        weights = weights[: data.draw(st.integers(0, len(weights) - 1))]
    else:
        state = state[: data.draw(st.integers(0, len(state) - 1))]
    with pytest.raises(ValueError, match=r"^this is no checkpoint: "):
        unpack(weights, state)


@given(weights=st.binary(max_size=300), state=st.binary(max_size=300))
def test_any_bytes_are_refused(weights: bytes, state: bytes) -> None:
    for pair in [(weights, state), (WEIGHTS, state), (weights, STATE)]:
        with pytest.raises(ValueError, match=r"^this is no checkpoint: "):
            unpack(*pair)


@given(place=st.integers(0, len(STATE) - 1), value=st.integers(0, 255))
def test_a_changed_byte_gives_a_checkpoint_or_is_refused(place: int, value: int) -> None:
    changed = bytearray(STATE)
    changed[place] = value
    try:
        unpacked: Any = unpack(WEIGHTS, bytes(changed))
    except ValueError:
        return
    assert unpacked.weights.keys() == some_checkpoint().weights.keys()


def test_the_fingerprint_can_be_written_as_json_and_tells_the_threads() -> None:
    told = fingerprint()
    assert json.loads(json.dumps(told)) == told
    assert told["threads"] == 1
    assert told["torch"] == torch.__version__


def test_weights_that_tell_of_classes_come_down_to_those_of_before() -> None:
    told = BUILTIN["fashion_mnist"].schema
    named = pack_weights(some_checkpoint(), SPEC, mean=33.25, deviation=78.5, schema=told)
    assert named != WEIGHTS
    assert without_schema(named) == WEIGHTS
