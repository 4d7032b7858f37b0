"""Images moved a little at random, so that a network sees each thing in more than one place.

Legend of shapes: B images in a batch, D numbers of one, H rows and W columns of pixels.
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

from models.data.schema import USUAL, Images
from models.spec import TrainingSpec


def augment(x_BD: Tensor, spec: TrainingSpec, generator: Generator, schema: Images = USUAL) -> None:
    """Move a batch of images in place, as `spec` asks for.

    A shift moves the whole batch by the same whole pixels, which costs next to nothing; the border follows. A rotation
    turns each image by its own angle about its centre, with bilinear interpolation.
    """
    height, width = schema.height, schema.width
    images = x_BD.view(-1, *schema.shape)
    if spec.rotation_degrees:
        angles_B = torch.empty(len(images)).uniform_(-1, 1, generator=generator) * math.radians(spec.rotation_degrees)
        cos_B, sin_B, zero_B = angles_B.cos(), angles_B.sin(), torch.zeros(len(images))
        # Places are counted from -1 to 1 in both directions, also where one of them is longer.
        across_B, down_B = -sin_B * (height / width), sin_B * (width / height)
        turns_B23 = torch.stack([cos_B, across_B, zero_B, down_B, cos_B, zero_B], dim=1).view(-1, 2, 3).to(x_BD.device)
        grid = affine_grid(turns_B23, [len(images), schema.channels, height, width], align_corners=False)
        planes = images.view(-1, height, width, schema.channels).permute(0, 3, 1, 2)
        turned = grid_sample(planes, grid, padding_mode="border", align_corners=False)
        planes.copy_(turned)
    if spec.shift_pixels:
        down, right = torch.randint(-spec.shift_pixels, spec.shift_pixels + 1, (2,), generator=generator).tolist()
        rows = (torch.arange(height, device=x_BD.device) - down).clamp_(0, height - 1)
        columns = (torch.arange(width, device=x_BD.device) - right).clamp_(0, width - 1)
        images.copy_(images.index_select(1, rows).index_select(2, columns))
