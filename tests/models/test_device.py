import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models import device
from models.data.split import Split
from models.networks import NMLP
from models.products import processor
from models.stack import Stack


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_processor_is_chosen_and_a_gpu_cannot_be_asked_for() -> None:
    assert device.choose("auto") == device.choose("cpu") == "cpu"
    with pytest.raises(ValueError, match=r"TENFOLD_DEVICE=cuda.*finds none; set it to cpu"):
        device.choose("cuda")


def test_bfloat16_is_refused_where_it_does_not_pay() -> None:
    device.require_fast("float32", "cpu")
    if processor.multiplies_bfloat16():
        device.require_fast("bfloat16", "cpu")
    else:
        with pytest.raises(
            ValueError, match=r"^precision: .* does not multiply in bfloat16 .*; set precision to float32$"
        ):
            device.require_fast("bfloat16", "cpu")


class EverythingOn(TorchDispatchMode):
    """Asserts that every tensor which is made or changed lies on one device, and notes on what it was."""

    def __init__(self, kind: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind, self.seen = kind, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                assert leaf.device.type == self.kind, f"{func} made a tensor on {leaf.device}"
                self.seen += 1
        return result


def test_a_step_makes_tensors_only_on_the_device_of_its_networks() -> None:
    """On "meta", which has shapes and no numbers, in place of a GPU."""
    networks = [NMLP(16, 8, dropout=0.0).to("meta") for _ in range(2)]
    generators = [torch.Generator(), torch.Generator()]
    with EverythingOn("meta") as everything:
        stack = Stack(networks, generators)
        losses = stack.batch(32).step([torch.empty(10, 32, device="meta")] * 2)
    assert len(losses) == 2
    assert everything.seen > 50


def test_a_split_moves_with_all_its_tensors(small_split: Split) -> None:
    moved = small_split.to("meta")
    assert {moved.x_train.device.type, moved.y_train.device.type, moved.x_val.device.type, moved.y_val.device.type} == {
        "meta"
    }
    assert small_split.to("cpu") is small_split
