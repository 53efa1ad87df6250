"""How long and how fast the stages of Mini-IF learn."""

from dataclasses import asdict, dataclass

import torch

from helpers.patch_unet import PatchUNet, VUNet
from helpers.validate import check_integer, check_number, check_seed


@dataclass(frozen=True)
class StageRecipe:
    """How a stage learns; the numbers are stage I's.

    Args:
        steps: in all. A run may be given more, or fewer, when it goes on.
        cooldown: share of the steps, at the end, in which the learning rate falls to 0 …
        lr: … from this one, AdamW's; it is reached in `warmup` steps.
        batch_size: pictures in each step, over all processes together.
        ema: how much of the averaged weights stays in each step.
        p_empty: of the captions are empty, for classifier-free guidance.
        p_undrafted: of the images lose their draft, so that the network does not rely on it alone.
        variance_weight: of the variance's loss, beside the mean squared error of v.
        channels: of the network's levels.
    """

    steps: int = 190_000
    cooldown: float = 0.2
    lr: float = 1.4e-3
    warmup: int = 200
    batch_size: int = 16
    ema: float = 0.9999
    p_empty: float = 0.1
    p_undrafted: float = 0.15
    variance_weight: float = 0.1
    channels: tuple[int, ...] = (64, 96, 192)

    network_class = PatchUNet
    coarsest = 48  # least number of channels at the coarsest level: those of a head of the attention

    def __post_init__(self):
        for width, least in zip(self.channels, [8] * (len(self.channels) - 1) + [self.coarsest]):
            check_integer(width, "a number of channels", least)
            if width % 8:  # GroupNorm has 8 groups
                raise ValueError(f"channels are {tuple(self.channels)}; wanted multiples of 8.")
        for name in ("steps", "batch_size"):
            check_integer(getattr(self, name), name, 1)
        check_integer(self.warmup, "warmup", 0)
        for name in ("cooldown", "ema", "p_empty", "p_undrafted"):
            check_number(getattr(self, name), name, 0, 1)
        for name in ("lr", "variance_weight"):
            check_number(getattr(self, name), name, 0)

    def new_network(self, seed: int = 0) -> VUNet:
        """A network with random weights that depend on the seed only."""
        check_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.network_class(block_out_channels=self.channels, **self.network_options())

    def network_options(self) -> dict:
        """What the network is told beside its channels."""
        return {"overviews": (8, 1), "finish_dim": 16}

    def learning_rate(self, step: int) -> float:
        """AdamW's learning rate in a step; the first one is number 0."""
        rising = (step + 1) / (self.warmup + 1)
        falling = (self.steps - step) / max(1, self.cooldown * self.steps)
        return self.lr * min(1, rising, falling)

    def averaging(self, step: int) -> float:
        """How much of the averaged weights stays in a step: less at first, when they are hardly better than chance."""
        return min(self.ema, (step + 1) / (step + 10))

    @property
    def identity(self) -> str:
        """What must not change when a run goes on."""
        return repr({name: value for name, value in asdict(self).items() if name not in ("steps", "cooldown")})
