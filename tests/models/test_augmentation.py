import pytest
import torch
from torch import Generator

from models.augmentation import augment
from models.spec import TrainingSpec


def digit() -> torch.Tensor:
    image = torch.zeros(28, 28)
    image[6:22, 13:15] = 1.0
    return image


def moved(count: int, seed: int = 0, **fields: float) -> torch.Tensor:
    x_BD = digit().flatten().repeat(count, 1)
    augment(x_BD, TrainingSpec.model_validate(fields), Generator().manual_seed(seed))
    return x_BD.view(count, 28, 28)


def test_a_batch_is_shifted_together_by_whole_pixels_within_the_bound() -> None:
    places = set()
    for seed in range(200):
        first, second = moved(2, seed, shift_pixels=2)
        assert torch.equal(first, second)
        rows, columns = first.nonzero().min(dim=0).values.tolist()
        assert first.sum() == digit().sum()
        places.add((rows - 6, columns - 13))
    assert places == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_what_comes_in_from_the_border_is_the_border() -> None:
    for seed in range(10):
        x_BD = torch.full((1, 784), 3.0)
        augment(x_BD, TrainingSpec(shift_pixels=8), Generator().manual_seed(seed))
        assert (x_BD == 3.0).all()


def test_each_image_is_turned_about_its_centre_by_its_own_angle() -> None:
    first, second = moved(2, rotation_degrees=45.0)
    assert not torch.equal(first, second)
    ys, xs = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    for image in (first, second):
        centre = (image * ys).sum() / image.sum(), (image * xs).sum() / image.sum()
        assert torch.stack(centre).tolist() == pytest.approx([13.5, 13.5], abs=0.1)
        assert image.sum().item() == pytest.approx(digit().sum().item(), rel=0.05)


def test_equal_seeds_move_images_equally() -> None:
    fields = {"rotation_degrees": 10.0, "shift_pixels": 2}
    assert torch.equal(moved(3, 1, **fields), moved(3, 1, **fields))
    assert not torch.equal(moved(3, 1, **fields), moved(3, 2, **fields))
