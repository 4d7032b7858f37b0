"""Networks are trained here as in a training process: on one thread."""

import torch

torch.set_num_threads(1)
