"""Training of Mini-IF's drafter: from a caption to the average image with that caption.

    python -m making.mini_if.drafts --out runs/mini-if-start

It comes first and takes some minutes. A caption's target is the mean of all images that it may belong to, so a draft
is sharp where they agree and blurred where they differ. The empty and the generic caption get no draft: the mean of
everything would pull every sample towards one blob. The folder gets unet/, a network with a trained drafter and
otherwise random weights, from which stage I's training starts, and drafts.png for inspection.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from helpers.checkpoints import TrainingError
from helpers.command import errors_end
from helpers.devices import bf16_autocast
from helpers.patch_unet import DRAFT, NO_DRAFT, Drafter
from helpers.show import Graphic, grid
from helpers.validate import check_integer

from .dataset import CACHE, EMPTY, Dataset, DatasetError
from .recipe import StageRecipe

STEPS = 12_000
BATCH = 256
LR = 1.5e-3
WARMUP = 50  # steps
P_NO_DRAFT = 0.02
LEAST_STD = 0.05  # of a direction of the text states: some hardly vary


def targets(images: Tensor, size: int) -> Tensor:
    """Cached images (N, 4, H, H) uint8, premultiplied -> (N, 4, size, size) in [-1, 1]."""
    return 2 * F.avg_pool2d(images / 255, images.shape[-1] // size) - 1


def standardise(drafter: Drafter, dataset: Dataset) -> None:
    """Set the drafter's mean and standard deviation of the mean text state, over the usual captions."""
    states = dataset.states[dataset.caption[:, 0].unique()].float().mean(dim=1)  # (captions, 384)
    std, drafter.mean = torch.std_mean(states, dim=0)
    drafter.std = std.clamp(min=LEAST_STD)


def mean_images(dataset: Dataset, grid: int) -> tuple[Tensor, Tensor]:
    """The mean of each caption's images, as often as training draws them together, (M, 4, grid, grid) in [-1, 1]; and
    how often it draws each caption, (M,).

    Only trained pairs count. The empty and the generic caption get NO_DRAFT, and P_NO_DRAFT of the draws each.
    """
    rows = dataset.trained.nonzero()[:, 0]
    chance = dataset.weight[rows, None] * dataset.caption_chance[rows]  # (N, captions)
    small = torch.cat([targets(dataset.images[some], grid) for some in rows.split(256)])  # (N, 4, grid, grid)
    often = torch.zeros(len(dataset.texts), dtype=torch.double)
    means = torch.zeros(len(dataset.texts), *small.shape[1:])
    for captions, share in zip(dataset.caption[rows].T, chance.T):
        often.index_add_(0, captions, share)
        means.index_add_(0, captions, share.float().view(-1, 1, 1, 1) * small)
    means /= often.clamp(min=1e-12).float().view(-1, 1, 1, 1)
    silent = [EMPTY, dataset.generic]
    means[silent] = NO_DRAFT
    often[silent] = P_NO_DRAFT * often.sum()
    return means, often


def learn(
    drafter: Drafter, dataset: Dataset, *, steps: int = STEPS, seed: int = 0, progress: bool = True
) -> list[float]:
    """Train a drafter on the trained pairs of a data set of stage I's size; returns the losses."""
    check_integer(steps, "steps", 1)
    standardise(drafter, dataset)
    # the drafter reads only a caption's mean state, so one token stands for all 77
    texts = torch.cat([states.float().mean(dim=1, keepdim=True) for states in dataset.states.split(256)])  # (M, 1, 384)
    means, often = mean_images(dataset, drafter.grid)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(drafter.requires_grad_(True).parameters(), lr=LR, betas=(0.9, 0.99), weight_decay=0)
    losses = []
    for step in tqdm(range(steps), desc="drafts", disable=not progress, mininterval=5):
        captions = torch.multinomial(often.sqrt(), BATCH, replacement=True, generator=generator)  # rare ones as well
        with bf16_autocast(texts.device):
            drafts = drafter(texts[captions])
        loss = F.mse_loss(drafts.float(), means[captions])
        for group in optimizer.param_groups:  # warm-up, then a linear decay to 0 in the second half
            group["lr"] = LR * min(1, (step + 1) / WARMUP, 2 * (steps - step) / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    drafter.requires_grad_(False)
    return losses


def error(drafter: Drafter, dataset: Dataset, *, held_out: bool) -> float:
    """The mean squared error of drafts for the usual captions, of the trained pairs or the held-out ones."""
    rows = (dataset.held_out if held_out else dataset.trained).nonzero()[:, 0]
    drafts = drafter(dataset.states[dataset.caption[rows, 0]].float())
    return F.mse_loss(drafts, targets(dataset.images[rows], drafter.grid)).item()


def sheet(drafter: Drafter, dataset: Dataset, n: int = 24) -> Graphic:
    """Images and their drafts on white: trained pairs above, held-out ones below."""
    rows = [which.nonzero()[:, 0] for which in (dataset.trained, dataset.held_out)]
    rows = torch.cat([some[torch.linspace(0, len(some) - 1, n).long()] for some in rows])
    captions = dataset.caption[rows, 0]
    images, drafts = targets(dataset.images[rows], drafter.grid), drafter(dataset.states[captions].float())
    # rows of the sheet: trained images, their drafts, held-out ones, theirs
    cells = [on_white(x) for pair in zip(images.split(n), drafts.split(n)) for x in pair]
    titles = [dataset.texts[caption] for caption in captions]
    titles = titles[:n] + [""] * n + titles[n:] + [""] * n
    return grid([image for row in cells for image in row], titles, columns=n, cell=64)


def on_white(images: Tensor) -> Tensor:
    """Premultiplied images (N, 4, H, W) in [-1, 1] -> (N, 3, H, W) in [-1, 1]."""
    rgb, alpha = images.split([DRAFT - 1, 1], dim=1)
    return (rgb + 1 - alpha).clamp(-1, 1)


def main(arguments: list[str] | None = None) -> None:
    """Train a new network's drafter, and save the network for stage I's training to start from."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.drafts", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the network")
    parser.add_argument("--data", type=Path, default=CACHE, help="the training set's folder")
    parser.add_argument("--steps", type=int, default=STEPS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    with errors_end(parser, TrainingError, DatasetError, ValueError):
        dataset = Dataset(args.data)
        network = StageRecipe().new_network(args.seed)
        learn(network.drafter, dataset, steps=args.steps, seed=args.seed)
        network.save_pretrained(args.out / "unet")
        sheet(network.drafter, dataset).save(args.out / "drafts.png")
    errors = [error(network.drafter, dataset, held_out=held_out) for held_out in (False, True)]
    print("mean squared error: {:.3f} on trained pairs, {:.3f} on held-out ones".format(*errors))


if __name__ == "__main__":
    main()
