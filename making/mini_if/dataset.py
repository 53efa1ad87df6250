"""Training examples: cached images of concepts and scenes on random backgrounds.

    python -m making.mini_if.dataset

makes the cache in runs/mini-if-data from runs/art, in some minutes. (The files' names and keys say "pictures", so that
older caches still load.)

    pictures-128.safetensors    (N, 4, 128, 128) uint8, premultiplied: for stage I, which halves them
    pictures-256.safetensors    (N, 4, 256, 256): for stage II
    texts.safetensors           text states (M, 77, 384) of all captions, fp16
    index.json                  what each image shows, and its captions
"""

import argparse
import functools
import itertools
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm.auto import tqdm

from helpers.checkpoints import write_tensors
from helpers.command import errors_end
from helpers.files import replacing, write_whole
from helpers.hub import ModelError
from helpers.text_encoders import ENCODER_WIDTH, encode
from helpers.validate import check_integer

from .art import ART, ArtError, brush_strokes, drawing, premultiplied
from .canvas import SceneError
from .captions import GENERIC, captions
from .composing import backgrounds, chosen, mirror, out_of_focus, place, tint
from .concepts import CONCEPTS, MAIN_STYLES, STYLES, read_held_out
from .photographs import read_photographs, squares
from .scenes import SCENES
from .views import read_models

CACHE = Path(__file__).resolve().parents[2] / "runs" / "mini-if-data"
SIZES = {64: 128, 256: 256}  # of an example, and of the cached image that it is made from
SCENE_VARIANTS = 4  # images of each scene in each set
EMPTY = 0  # the empty caption's index in a data set's texts
P_USUAL = 0.5  # of the captions are the usual one, others are drawn from all
SCENE_ZOOM, PHOTOGRAPH_ZOOM = 1.05, 1.35  # a full image is enlarged at most so much

SPLITS = ("train", "pair", "original")
# by kind of image: its share of the examples; how many are called GENERIC; how many stand before a photograph
SHARES = {"drawing": 0.6, "photograph": 0.25, "render": 0.15}
P_GENERIC = {"drawing": 0.0, "photograph": 0.5, "render": 0.25}
P_BEHIND = {"drawing": 0.15, "photograph": 0.0, "render": 0.5}
KINDS = tuple(SHARES)


class DatasetError(RuntimeError):
    """A training set that is missing or incomplete."""


# ---- making the cache ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """What one cached image shows.

    Args:
        label: the concept's name, or the scene's usual one.
        style, source: the style; and the icon set, "photographs", "paintings" or "renders".
        called: what captions may call it.
        kind: one of KINDS. Paintings are of the kind of photographs: full images, which may be mirrored.
        full: whether it reaches the image's edges.
        course: whether the course's prompts name it.
        split: "train"; "pair", whose label and style are never trained together; or "original", a photograph or model
            of its own that is never trained on.
    """

    label: str
    style: str
    source: str
    called: tuple[str, ...]
    kind: str = "drawing"
    full: bool = False
    course: bool = False
    split: str = "train"


@functools.lru_cache(maxsize=2000)
def art(icons: str, concept: str, folder: Path = ART) -> np.ndarray:
    """A concept's drawing in an icon set, (256, 256, 4) uint8; "noto-oil" is noto in oil."""
    if icons == "noto-oil":
        return brush_strokes(drawing("noto", concept, folder), zlib.crc32(concept.encode()))
    return drawing(icons, concept, folder)


def drawings(art=art) -> Iterator[tuple[Entry, np.ndarray]]:
    """Every drawing and composed scene, as (Entry, (256, 256, 4) uint8)."""
    held_out = read_held_out()
    for style, about in STYLES.items():
        for icons in about.sets:
            for concept in CONCEPTS.values():
                if icons not in concept.without:
                    split = "pair" if (concept.name, style) in held_out else "train"
                    entry = Entry(concept.name, style, icons, concept.called, course=concept.course, split=split)
                    yield entry, art(icons, concept.name)
            for scene in SCENES:
                for variant in range(SCENE_VARIANTS):
                    try:
                        image, full = scene.painted(art, icons, variant)
                    except SceneError:
                        continue
                    if icons == "noto-oil":
                        image = brush_strokes(image, zlib.crc32(f"{scene.called[0]} {variant}".encode()))
                    entry = Entry(scene.called[0], style, icons, scene.called, full=full, course=scene.course)
                    yield entry, image


def photographs(folder: Path = ART) -> Iterator[tuple[Entry, np.ndarray]]:
    """Squares of every photograph and painting, as (Entry, (256, 256, 4) uint8)."""
    for photo in read_photographs():
        style, source = ("photo", "photographs") if photo.kind == "photo" else ("oil painting", "paintings")
        split = "train" if photo.split == "train" else "original"
        entry = Entry(photo.label, style, source, photo.names, kind="photograph", full=True, split=split)
        for square in squares(read_image(folder / "photographs" / f"{photo.id}.png")):
            yield entry, np.array(square.convert("RGBA"))


def renders(folder: Path = ART) -> Iterator[tuple[Entry, np.ndarray]]:
    """Every view of every 3-D model, as (Entry, (256, 256, 4) uint8)."""
    for model in read_models():
        split = "train" if model.split == "train" else "original"
        for view in model.views:
            called = model.called + ((f"{model.called[0]} {view.words}",) if view.words else ())
            entry = Entry(model.concept, "photo", "renders", called, kind="render", split=split)
            yield entry, np.array(read_image(folder / "renders" / model.file(view)).convert("RGBA"))


def read_image(file: Path) -> Image.Image:
    if not file.is_file():
        raise DatasetError(f"there is no {file}; make it with python -m making.mini_if.{file.parent.name}.")
    return Image.open(file)


def everything(folder: Path = ART) -> Iterator[tuple[Entry, np.ndarray]]:
    """All images of the training set."""
    return itertools.chain(drawings(functools.partial(art, folder=folder)), photographs(folder), renders(folder))


def batched(items: Iterator, n: int) -> Iterator[list]:
    """Lists of n items; the last may be shorter."""
    items = iter(items)
    while batch := list(itertools.islice(items, n)):
        yield batch


def write_large(images: Tensor, file: Path) -> None:
    """Write gigabytes without a second copy in memory."""
    with replacing(file) as partial:
        save_file({"pictures": images}, partial)


def build(entries: Iterator[tuple[Entry, np.ndarray]], folder: Path = CACHE, encode=encode) -> None:
    """Make the cache of entries with their images. `encode` is the kit's own, unless a test has a smaller one."""
    index, large, small = [], [], []
    for part in batched(tqdm(entries, desc="images", mininterval=5), 64):
        index += [entry for entry, _ in part]
        images = torch.stack([premultiplied(image) for _, image in part])  # (64, 4, 256, 256) in [0, 1]
        large.append((255 * images).round().byte())
        small.append((255 * F.avg_pool2d(images, 2)).round().byte())
    for name, parts in (("pictures-256", large), ("pictures-128", small)):
        write_large(torch.cat(parts), folder / f"{name}.safetensors")
        parts.clear()

    texts = {"": None, GENERIC: None}  # a dict keeps the order
    for entry in index:
        texts |= dict.fromkeys(captions(entry.called, entry.style, entry.source))
    texts = list(texts)
    parts = tqdm(range(0, len(texts), 64), desc="captions", mininterval=5)
    states = torch.cat([encode(texts[i : i + 64], ENCODER_WIDTH) for i in parts])
    write_tensors({"states": states}, folder / "texts.safetensors", {})
    about = {"texts": texts, "pictures": [asdict(entry) for entry in index]}
    write_whole(json.dumps(about, indent=1).encode(), folder / "index.json")  # last: with it, the cache is complete


# ---- using it -----------------------------------------------------------------------------------------------------


class Examples(NamedTuple):
    """A batch. Indices point into the data set's texts, labels and styles."""

    images: Tensor  # (B, 3, size, size) in [-1, 1]
    captions: Tensor  # (B,)
    labels: Tensor  # (B,)
    styles: Tensor  # (B,)


class Dataset:
    """The cached images and captions, and examples made from them.

    Args:
        folder: of the cache.
        size: of the examples, 64 or 256.
        device: where examples are composed.

    texts are all captions; states (M, 77, 384), fp16, their text states; labels and styles names.
    """

    def __init__(self, folder: Path = CACHE, size: int = 64, device: torch.device | str = "cpu"):
        if size not in SIZES:
            raise ValueError(f"size is {size}; wanted one of {', '.join(map(str, SIZES))}.")
        self.size, self.device = size, torch.device(device)
        try:
            about = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            self.images = load_file(folder / f"pictures-{SIZES[size]}.safetensors")["pictures"]  # uint8
            self.states = load_file(folder / "texts.safetensors")["states"]
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise DatasetError(
                f"{folder} has no complete training set ({error}); make it with python -m making.mini_if.dataset."
            ) from error
        self.entries = [Entry(**{**entry, "called": tuple(entry["called"])}) for entry in about["pictures"]]
        self.texts: list[str] = about["texts"]
        self.labels = list(dict.fromkeys(entry.label for entry in self.entries))
        self.styles = list(STYLES)
        self.identity = self.fingerprint()
        self.images, self.states = self.images.to(self.device), self.states.to(self.device)
        self.read_index()

    def fingerprint(self) -> str:
        """Identifies the data set: a run is resumed only with the one it began with."""
        about = json.dumps([self.texts, [asdict(entry) for entry in self.entries]]).encode()
        return f"{len(self.entries)} images, {zlib.crc32(self.images.numpy(), zlib.crc32(about)):08x}"

    def read_index(self) -> None:
        """The entries as tensors, (N,) each."""
        text_index = {text: i for i, text in enumerate(self.texts)}
        label_index = {label: i for i, label in enumerate(self.labels)}
        self.generic = text_index[GENERIC]
        self.label = torch.tensor([label_index[entry.label] for entry in self.entries])
        self.style = torch.tensor([self.styles.index(entry.style) for entry in self.entries])
        self.full = torch.tensor([entry.full for entry in self.entries])
        self.split = torch.tensor([SPLITS.index(entry.split) for entry in self.entries])
        self.trained, self.held_out, self.unseen = (self.split == i for i in range(len(SPLITS)))
        self.kind = torch.tensor([KINDS.index(entry.kind) for entry in self.entries])
        photo = self.style == self.styles.index("photo")
        self.photograph = photo & (self.kind == KINDS.index("photograph"))
        self.generic_chance = torch.tensor(list(P_GENERIC.values()))[self.kind] * photo
        self.pair = self.label * len(self.styles) + self.style
        self.weight = self.weights()

        # an image's captions, the usual one first and GENERIC last, and the chance of each: (N, longest + 1)
        own = [captions(entry.called, entry.style, entry.source) for entry in self.entries]
        count = torch.tensor([len(texts) for texts in own])[:, None]
        longest = int(count.max())
        own = [[text_index[text] for text in texts] + [EMPTY] * (longest - len(texts)) for texts in own]
        self.caption = F.pad(torch.tensor(own), (0, 1), value=self.generic)
        named = (1 - P_USUAL) * (torch.arange(longest) < count) / count
        named[:, 0] += P_USUAL
        generic = self.generic_chance[:, None]
        self.caption_chance = torch.cat([(1 - generic) * named, generic], dim=1)

    def weights(self) -> Tensor:
        """The sampling weight of each image, (N,): every kind has its share of its split.

        Concepts that the course's prompts name count twice, and so do the main styles. Otherwise, within a kind, a
        pair of label and style with n images is drawn as often as any other pair (drawings: a second icon set or a
        scene's fourth variant adds nothing), or √n times as often (photographs and renders, which differ more).
        """
        group = torch.stack([self.pair, self.kind, self.split])
        _, group, count = group.unique(dim=1, return_inverse=True, return_counts=True)
        crowd = torch.tensor([-1.0 if kind == "drawing" else -0.5 for kind in KINDS], dtype=torch.double)[self.kind]
        weight = count[group].double() ** crowd
        twice = [(1 + entry.course) * (1 + (entry.style in MAIN_STYLES)) for entry in self.entries]
        weight *= torch.tensor(twice, dtype=torch.double)
        for split in range(len(SPLITS)):
            for kind, share in enumerate(SHARES.values()):
                mine = (self.split == split) & (self.kind == kind)
                weight[mine] *= share / weight[mine].sum()
        return weight

    def examples(
        self, n: int, generator: torch.Generator, *, which: Tensor | None = None, p_empty: float = 0.0
    ) -> Examples:
        """n new random examples.

        Args:
            which: of the cached images, (N,) booleans or weights: the trained ones unless told otherwise.
            p_empty: the fraction of empty captions. Half of these come with an image that can be called GENERIC:
                guidance extrapolates from the empty caption to that one, so the empty one must cover such images.
        """
        check_integer(n, "n", 1)
        rows = self.draw(n, generator, which=which)
        empty = chosen(n, p_empty, generator)
        if empty.any():
            swapped = empty & chosen(n, 0.5, generator)
            generic = (self.trained if which is None else which) & (self.generic_chance > 0)
            if generic.any():
                rows = torch.where(swapped, self.draw(n, generator, which=generic), rows)
        examples = self.compose(rows, generator)
        return examples._replace(captions=examples.captions.masked_fill(empty, EMPTY))

    def compose(self, rows: Tensor, generator: torch.Generator) -> Examples:
        """One example of each of some cached images, (n,) indices."""
        styles, kinds = self.style[rows], self.kind[rows]
        of = {kind: kinds == KINDS.index(kind) for kind in KINDS}
        zoom = torch.where(of["photograph"], PHOTOGRAPH_ZOOM, SCENE_ZOOM)
        x = self.images[rows.to(self.device)] / 255  # (n, 4, H, H)
        x = mirror(x, of["photograph"] | of["render"], generator)
        x = place(x, self.size, self.full[rows], zoom, generator)
        x = tint(x, torch.tensor([STYLES[style].ink for style in self.styles])[styles], generator)
        behind = backgrounds(styles, self.size, generator).to(self.device)
        behind = self.with_photographs(behind, torch.tensor(list(P_BEHIND.values()))[kinds], styles, generator)
        images = x[:, :3] + (1 - x[:, 3:]) * behind  # (n, 3, size, size)
        return Examples(2 * images.clamp(0, 1) - 1, self.draw_captions(rows, generator), self.label[rows], styles)

    def with_photographs(self, behind: Tensor, chance: Tensor, styles: Tensor, generator: torch.Generator) -> Tensor:
        """Backgrounds (n, 3, size, size); some of those for photos are replaced by blurred landscapes."""
        n = len(behind)
        landscapes = self.trained & self.photograph
        wanted = (chosen(n, chance, generator) & (styles == self.styles.index("photo"))).nonzero()[:, 0]
        if landscapes.any() and len(wanted):
            rows = self.draw(len(wanted), generator, which=landscapes)
            full, zoom = torch.ones(len(rows), dtype=torch.bool), torch.full((len(rows),), PHOTOGRAPH_ZOOM)
            photographs = place(self.images[rows.to(self.device)] / 255, self.size, full, zoom, generator)
            behind = behind.index_copy(0, wanted.to(self.device), out_of_focus(photographs[:, :3], generator))
        return behind

    def draw(self, n: int, generator: torch.Generator, *, which: Tensor | None = None) -> Tensor:
        """Draw n cached images, (n,) indices, among those in `which` (N,), by default the trained ones."""
        chance = (self.weight * (self.trained if which is None else which)).cumsum(0)
        return torch.searchsorted(chance, torch.rand(n, dtype=torch.double, generator=generator) * chance[-1])

    def draw_captions(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one of each image's captions, (n,) indices."""
        which = torch.multinomial(self.caption_chance[rows], 1, generator=generator)
        return self.caption[rows].gather(1, which)[:, 0]


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Make the training set's cache from drawings, photographs and renders."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.dataset", description=main.__doc__)
    parser.add_argument("--art", type=Path, default=ART, help="folder of the drawings, photographs and renders")
    parser.add_argument("--out", type=Path, default=CACHE, help="folder for the cache")
    args = parser.parse_args(arguments)
    with errors_end(parser, ArtError, DatasetError, ModelError):
        build(everything(args.art), args.out)
        dataset = Dataset(args.out)
    print(
        f"{dataset.identity}: {len(CONCEPTS)} concepts, {len(SCENES)} scenes, {len(dataset.texts)} captions, "
        f"in {args.out}"
    )


if __name__ == "__main__":
    main()
