"""The hyperparameters of Mini-IF's training."""

from dataclasses import asdict, dataclass

import torch

from helpers.patch_unet import PatchUNet, VUNet
from helpers.validate import check_integer, check_number, check_seed


@dataclass(frozen=True)
class StageRecipe:
    """The hyperparameters of a stage's training; the defaults are stage I's.

    Args:
        steps: in total. A resumed run may have more, or fewer.
        cooldown: the fraction of the steps, at the end, over which the learning rate falls linearly to 0.
        lr: AdamW's learning rate, reached after `warmup` steps.
        batch_size: images in each step, over all processes together.
        ema: decay of the exponential moving average (EMA) of the weights.
        p_empty: the fraction of captions that are replaced by the empty one, for classifier-free guidance.
        variance_weight: the weight of the variance's loss, relative to the mean squared error of v.
        channels: of the network's levels.
    """

    steps: int = 40_000
    cooldown: float = 0.2
    lr: float = 1.4e-3
    warmup: int = 200
    batch_size: int = 16
    ema: float = 0.9999
    p_empty: float = 0.1
    variance_weight: float = 0.1
    channels: tuple[int, ...] = (64, 96, 192)

    network_class = PatchUNet
    coarsest = 48  # least number of channels at the coarsest level: the width of an attention head

    def __post_init__(self):
        for width, least in zip(self.channels, [8] * (len(self.channels) - 1) + [self.coarsest]):
            check_integer(width, "a number of channels", least)
            if width % 8:  # GroupNorm has 8 groups
                raise ValueError(f"channels are {tuple(self.channels)}; wanted multiples of 8.")
        for name in ("steps", "batch_size"):
            check_integer(getattr(self, name), name, 1)
        check_integer(self.warmup, "warmup", 0)
        for name in ("cooldown", "ema", "p_empty"):
            check_number(getattr(self, name), name, 0, 1)
        for name in ("lr", "variance_weight"):
            check_number(getattr(self, name), name, 0)

    def new_network(self, seed: int = 0) -> VUNet:
        """A network with random weights that depend only on the seed."""
        check_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.network_class(block_out_channels=self.channels, **self.network_options())

    def network_options(self) -> dict:
        """The network's arguments, apart from its channels."""
        return {"overviews": (8, 1), "finish_dim": 16, "centred": True}

    def learning_rate(self, step: int) -> float:
        """AdamW's learning rate in a step; the first step is number 0."""
        rising = (step + 1) / (self.warmup + 1)
        falling = (self.steps - step) / max(1, self.cooldown * self.steps)
        return self.lr * min(1, rising, falling)

    def averaging(self, step: int) -> float:
        """The EMA's decay in a step: less at first, when the averaged weights are still nearly random."""
        return min(self.ema, (step + 1) / (step + 10))

    @property
    def identity(self) -> str:
        """What must not change when a run is resumed."""
        return repr({name: value for name, value in asdict(self).items() if name not in ("steps", "cooldown")})
