"""A judge of Mini-IF's images: a classifier of concept and style, trained on the real art only.

Like Mini-IF, it has seen the pairs that are trained and not those that are held out. Its accuracy on real held-out
images is therefore an upper bound for generated ones.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur
from tqdm.auto import tqdm

from helpers.checkpoints import TrainingError, load_weights, read_tensors, write_tensors
from helpers.devices import bf16_autocast
from helpers.sampling import draw_noise
from helpers.unet import Conv, DownConv
from helpers.validate import check_batch, check_integer

from .dataset import Dataset

READER = Path(__file__).resolve().parents[2] / "runs" / "mini-if-reader.safetensors"
SHAPE, TEXTURE = 48, 16
FEATURES = SHAPE + TEXTURE
BLUR = 2.0  # pixels: the reader is trained on images blurred up to this, as hybrids seen from afar are


class ArtReader(nn.Module):
    """Reads images (B, 3, 64, 64) in [-1, 1] -> scores for each label (B, labels) and for each style (B, styles).

    The label is read from the shape: where features lie in the image. The style is read from the texture: how local
    features are distributed, regardless of position. If the style were read from the shape as well, the reader would
    memorise which images are in which style, and would fail on held-out ones.

    Args:
        labels, styles: how many there are.
        hidden: the number of channels after the first convolution.
    """

    def __init__(self, labels: int, styles: int, hidden: int = 32):
        check_integer(hidden, "hidden", 1)
        super().__init__()
        D = hidden
        self.local = nn.Sequential(
            nn.PixelUnshuffle(2),  # (B, 12, 32, 32)
            Conv(12, D),
            DownConv(D, 2 * D),  # (B, 2D, 16, 16)
            Conv(2 * D, 2 * D),
        )
        self.shape = nn.Sequential(
            DownConv(2 * D, 4 * D),  # (B, 4D, 8, 8)
            DownConv(4 * D, 8 * D),  # (B, 8D, 4, 4)
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(8 * D * 4 * 4, SHAPE),
            nn.GELU(),
        )
        self.texture = nn.Sequential(nn.Linear(2 * 2 * D, 4 * D), nn.GELU(), nn.Linear(4 * D, TEXTURE), nn.GELU())
        self.labels, self.styles = nn.Linear(SHAPE, labels), nn.Linear(TEXTURE, styles)

    def features(self, x: Tensor) -> Tensor:
        """Shape and texture, (B, FEATURES)."""
        local = self.local(x)
        std, mean = torch.std_mean(local, dim=(2, 3))  # (B, 2D) each
        return torch.cat([self.shape(local), self.texture(torch.cat([mean, std], dim=1))], dim=1)

    def scores(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Scores for labels and styles from features (B, FEATURES)."""
        shape, texture = features.split([SHAPE, TEXTURE], dim=1)
        return self.labels(shape), self.styles(texture)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.scores(self.features(x))


class Look(NamedTuple):
    """The reader's outputs for N images."""

    features: Tensor  # (N, 64)
    labels: Tensor  # (N, labels) scores
    styles: Tensor  # (N, styles) scores


@torch.no_grad()
def look(reader: ArtReader, images: Tensor) -> Look:
    """A reader's outputs for images (N, 3, 64, 64), clamped to [-1, 1] as they are when displayed."""
    check_batch(images, "images")
    if images.shape[1:] != (3, 64, 64):
        raise ValueError(f"images have shape {tuple(images.shape)}; wanted (N, 3, 64, 64).")
    features = torch.cat([reader.features(batch.clamp(-1, 1)) for batch in images.split(256)])
    return Look(features, *reader.scores(features))


# ---- learning -----------------------------------------------------------------------------------------------------


def soften(images: Tensor, generator: torch.Generator) -> Tensor:
    """Real images (B, C, H, W), half of them blurred, a third grey, all with some noise.

    Samples are neither sharp nor clean, and grey images make the reader recognise a concept in other styles.
    """
    n = len(images)
    grey = torch.rand(n, 1, 1, 1, generator=generator) < 1 / 3
    images = torch.where(grey, images.mean(dim=1, keepdim=True), images)
    sharp, blurred = images.chunk(2)
    sigma = 0.1 + (BLUR - 0.1) * torch.rand((), generator=generator).item()
    blurred = gaussian_blur(blurred, 13, sigma)  # three sigma to each side, and the middle
    strength = 0.1 * torch.rand(n, 1, 1, 1, generator=generator)
    return torch.cat([sharp, blurred]) + strength * draw_noise(images.shape, generator, images.device)


def train_reader(
    dataset: Dataset, *, steps: int = 3000, batch_size: int = 64, lr: float = 3e-3, hidden: int = 32, seed: int = 0
) -> ArtReader:
    """A reader trained on a data set's trained pairs, in evaluation mode. The default takes some minutes of a core."""
    check_integer(steps, "steps", 1)
    check_integer(batch_size, "batch_size", 2)
    with torch.random.fork_rng(devices=[]):  # of the first weights, and of Dropout
        torch.default_generator.manual_seed(seed)
        reader = ArtReader(len(dataset.labels), len(dataset.styles), hidden).to(memory_format=torch.channels_last)
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.AdamW(reader.parameters(), lr=lr, weight_decay=0.05)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
        for _ in (bar := tqdm(range(steps), desc="the reader learns")):
            images, _, labels, styles = dataset.examples(batch_size, generator)
            with bf16_autocast("cpu"):
                scores = reader(soften(images, generator).to(memory_format=torch.channels_last))
            loss = sum(F.cross_entropy(given.float(), wanted) for given, wanted in zip(scores, (labels, styles)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
            bar.set_postfix(loss=f"{loss.item():.3f}")
    return reader.eval()


def load_reader(dataset: Dataset, file: Path = READER) -> ArtReader:
    """The reader of a data set, from its file; if there is none, it is trained and saved first.

    Raises a TrainingError for a file that is damaged, or whose reader was trained on another data set.
    """
    if not file.is_file():
        about = {"data": dataset.identity}
        write_tensors(train_reader(dataset).state_dict(), file, about)
    weights, about = read_tensors(file)
    if about.get("data") != dataset.identity:
        raise TrainingError(
            f"{file} was trained on {about.get('data', 'an unnamed data set')}; wanted {dataset.identity}. "
            "Delete it, and a new one is trained."
        )
    reader = ArtReader(len(dataset.labels), len(dataset.styles))
    load_weights(reader, weights, file)
    return reader.eval()
