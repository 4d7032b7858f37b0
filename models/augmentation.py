"""Images moved a little at random, so that a network sees each digit in more than one place.

Legend of shapes: B images in a batch, D = 784 pixels.
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

from models.spec import TrainingSpec

SIDE = 28


def augment(x_BD: Tensor, spec: TrainingSpec, generator: Generator) -> None:
    """Move a batch of images in place, as `spec` asks for.

    A shift moves the whole batch by the same whole pixels, which costs next to nothing; the border follows. A rotation
    turns each image by its own angle about its centre, with bilinear interpolation.
    """
    images = x_BD.view(-1, SIDE, SIDE)
    if spec.rotation_degrees:
        angles_B = torch.empty(len(images)).uniform_(-1, 1, generator=generator) * math.radians(spec.rotation_degrees)
        cos_B, sin_B, zero_B = angles_B.cos(), angles_B.sin(), torch.zeros(len(images))
        turns_B23 = torch.stack([cos_B, -sin_B, zero_B, sin_B, cos_B, zero_B], dim=1).view(-1, 2, 3).to(x_BD.device)
        grid = affine_grid(turns_B23, [len(images), 1, SIDE, SIDE], align_corners=False)
        turned = grid_sample(images.unsqueeze(1), grid, padding_mode="border", align_corners=False)
        images.copy_(turned.squeeze(1))
    if spec.shift_pixels:
        down, right = torch.randint(-spec.shift_pixels, spec.shift_pixels + 1, (2,), generator=generator).tolist()
        pixels = torch.arange(SIDE, device=x_BD.device)
        rows, columns = (pixels - down).clamp_(0, SIDE - 1), (pixels - right).clamp_(0, SIDE - 1)
        images.copy_(images.index_select(1, rows).index_select(2, columns))
