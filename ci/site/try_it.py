"""The page "Try it": the model runs in the reader's browser, without Python.

The page's scripts are in web/. What they fetch is made here: the networks as ONNX files, the text states of the
suggested prompts, and ONNX Runtime for the web. A visitor who opens the page as a file sees the stored runs instead.
"""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ci.site.looks import Strip, markup
from ci.site.pages import render
from helpers.data import course_image, rectangle_mask
from helpers.denoisers import guided
from helpers.editing import inpaint, sdedit
from helpers.illusions import anagram, hybrid
from helpers.models import TextToImage, load_model
from helpers.prompts import course_prompts
from helpers.sampling import Step, ddim_step, dynamic_threshold, sample
from helpers.schedule import strided_timesteps
from helpers.text_encoders import encoder_folder

__all__ = ["PAGE", "PLACE", "RUNS", "Run", "fill", "steps_of", "write_live"]

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
PAGE = "docs/try-it.md"  # the text around it, in which the demo replaces what is between the two marks
MARKS = "<!-- not on the site -->", "<!-- the demo -->"
PLACE = "docs/try-it"  # its files, beside the page
CACHE = ROOT / "build" / "web"
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
RUNTIME_SHA256 = {  # of onnxruntime-web's package, by version
    "1.30.0": "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
}
GAP = 4  # pixels between x_t and x0_hat in a stored run
MORE_PROMPTS = [f"a photo of {thing}" for thing in ("a mushroom", "a cactus", "a penguin", "a lion")]
IMAGES = ["apple_sketch", "house_sketch", "campanile", "palms", "coffee"]  # to be edited and repainted


class Run(NamedTuple):
    """What the page's controls say. Each mode of the page uses some of them."""

    mode: str  # draw, sketch, repaint, anagram or hybrid
    prompts: tuple[str, ...]  # one; two for an anagram (upright, in the view) and a hybrid (far, near)
    seed: int = 0
    steps: int = 12
    gamma: float = 5.0
    view: str = "flip"
    image: str = "apple_sketch"
    i_start: int = 4
    mask: tuple[int, int, int, int] = (2, 2, 32, 62)  # top, left, bottom, right


# what each mode shows first
RUNS = [
    Run("draw", ("a rocket ship",)),
    Run("sketch", ("a photo of a strawberry",), image="apple_sketch", i_start=3),
    Run("repaint", ("a photo of a red apple",), image="apple_sketch", gamma=7.0),
    Run("anagram", ("a photo of a mountain", "a photo of a strawberry"), seed=1),
    Run("hybrid", ("a photo of a panda", "a photo of a house"), seed=7, gamma=7.0),
]
# and what else it suggests
EXAMPLES = {
    "draw": [(prompt,) for prompt in ("a rocket ship", "a photo of a panda", "a lithograph of a skull")],
    "sketch": [(prompt,) for prompt in ("a photo of a strawberry", "a photo of a red apple", "a photo of a panda")],
    "repaint": [(prompt,) for prompt in ("a photo of a red apple", "a photo of a mushroom", "a drawing of a house")],
    "anagram": [
        ("a photo of a mountain", "a photo of a strawberry"),
        ("an oil painting of an old man", "an oil painting of a bear"),
        ("a lithograph of a cat", "a lithograph of a skull"),
    ],
    "hybrid": [
        ("a photo of a panda", "a photo of a house"),
        ("an oil painting of an old man", "a drawing of a house"),
        ("a lithograph of a skull", "a lithograph of a cat"),
    ],
}
EXAMPLES["draw"] += [("a photo of a mushroom",), ("an oil painting of a bear",), ("a photo of a strawberry",)]
CAPTIONS = {
    "draw": "“{0}”, from noise to an image",
    "sketch": "A sketch of an apple, edited towards “{0}”",
    "repaint": "The upper half of a sketched apple, repainted as “{0}”",
    "anagram": "An anagram: “{0}”, and upside down “{1}”",
    "hybrid": "A hybrid: from afar “{0}”, close up “{1}”",
}


def steps_of(
    model: TextToImage, run: Run, *, x_orig: Tensor | None = None, mask: Tensor | None = None
) -> Iterator[Step]:
    """The steps of a run in Python, which the page's worker repeats in JavaScript.

    Args:
        x_orig: the image to edit, (1, 3, 64, 64); by default the run's.
        mask: the region to repaint, (1, 1, 64, 64); by default the run's.
    """
    conds = tuple(model.embed(prompt) for prompt in run.prompts)
    generator = torch.Generator().manual_seed(run.seed)
    timesteps = strided_timesteps(run.steps, model.stage_1.schedule.T)
    options = {"timesteps": timesteps, "step": ddim_step, "threshold": dynamic_threshold, "generator": generator}
    denoiser = guided(model.stage_1, run.gamma)
    x_orig = course_image(run.image) if x_orig is None else x_orig
    mask = rectangle_mask(*run.mask) if mask is None else mask
    if run.mode == "sketch":
        return sdedit(denoiser, x_orig, conds[0], i_start=run.i_start, **options)
    if run.mode == "repaint":
        return inpaint(denoiser, x_orig, mask, conds[0], **options)
    if run.mode == "draw":
        return sample(denoiser, conds[0], **options)
    illusion = anagram(model.stage_1, ["identity", run.view]) if run.mode == "anagram" else hybrid(model.stage_1)
    return sample(guided(illusion, run.gamma), conds, **options)


# ---- the page --------------------------------------------------------------------------------------------------------


def fill(text: str, extra: Path, *, live: bool = True) -> str:
    """The page's Markdown with the demo in it; writes the demo's files below `extra`, which the site copies.

    Args:
        live: False leaves out the model, and with it a minute of work; the page then shows stored runs only.
    """
    model = load_model("mini-if", "cpu")
    model.stage_1.unet.float()
    folder = extra / PLACE
    stored = {}
    for run in RUNS:
        steps = list(steps_of(model, run))
        frames = [beside(step.x_t, step.x_s if step.s is None else step.x0_hat) for step in steps]
        labels = [f"t = {step.t}" for step in steps]
        caption = CAPTIONS[run.mode].format(*run.prompts)
        alt = f"left, the noisy image at the timestep of the slider; right, the estimate of the clean one: {caption}"
        stored[run.mode] = markup(Strip(frames, labels, len(frames) - 1, alt, caption), run.mode, folder, "try-it")
    sizes = write_live(model, folder) if live and can_be_live() else None
    for name in IMAGES:
        beside(course_image(name)).save(folder / f"{name}.png")
    demo = render("try-it.html", stored=stored, sizes=sizes, prompts=suggested(), images=IMAGES)
    # no column of headings beside it, so that there is room
    before, _, rest = text.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return f"---\nhide-toc: true\n---\n\n{before}```{{raw}} html\n{demo}```{after}"


def beside(*images: Tensor) -> Image.Image:
    """Images (1, 3, H, W) side by side, as 8-bit pixels."""
    H, W = images[0].shape[-2:]
    whole = Image.new("RGB", (len(images) * (W + GAP) - GAP, H))
    for i, x in enumerate(images):
        pixels = ((x[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)
        whole.paste(Image.fromarray(pixels.numpy()), (i * (W + GAP), 0))
    return whole


def suggested() -> list[str]:
    """The prompts whose text states are stored for the page."""
    return [*(prompt for prompt in course_prompts() if prompt), *MORE_PROMPTS]


# ---- what the page fetches -------------------------------------------------------------------------------------------


def can_be_live() -> bool:
    """Whether the model can be put into the page here; if not, it says what is missing."""
    lacking = [name for name in ("onnx", "onnxscript") if not importlib.util.find_spec(name)]
    if lacking:
        print(f"Try it shows stored runs only: {' and '.join(lacking)} cannot be imported; the extra `web` has them.")
    elif not shutil.which("npm") and not (CACHE / version() / RUNTIME[1]).is_file():
        print("Try it shows stored runs only: there is no npm (Node.js), which fetches ONNX Runtime for the web.")
    else:
        return True
    return False


def write_live(model: TextToImage, folder: Path) -> dict[str, int]:
    """Write all that the page's worker fetches. Returns the bytes of what it downloads: model, runtime, encoder."""
    from ci.site.onnx_files import encoder_model, stage_1_model  # they import onnx, which only the extra `web` has

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stage-1.onnx").write_bytes(stage_1_model(model.stage_1).SerializeToString())
    (folder / "encoder.onnx").write_bytes(encoder_model().SerializeToString())
    shutil.copy(encoder_folder() / "vocab.txt", folder)
    prompts = ["", *suggested()]
    states = model.embed(prompts).half().numpy()  # (N, 77, width), as they ship
    (folder / "text-states.bin").write_bytes(states.tobytes())
    for file in [
        *WEB.glob("*.js"),
        *WEB.glob("*.css"),
        ROOT / "helpers" / "drawing.js",
        ROOT / "helpers" / "drawing.css",
    ]:
        shutil.copy(file, folder)
    for file in RUNTIME:
        shutil.copy(runtime() / file, folder)
    bytes_of = {file.name: file.stat().st_size for file in folder.iterdir()}
    facts = {
        "alphasCumprod": model.stage_1.schedule.alphas_cumprod.tolist(),
        "imageShape": model.stage_1.image_shape,
        "textShape": states.shape[1:],
        "prompts": prompts,
        "runs": {run.mode: run._asdict() for run in RUNS},
        "examples": EXAMPLES,
        "gap": GAP,
        "bytes": bytes_of,
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return {
        "model": bytes_of["stage-1.onnx"] + bytes_of["text-states.bin"],
        "runtime": sum(bytes_of[file] for file in RUNTIME),
        "encoder": bytes_of["encoder.onnx"] + bytes_of["vocab.txt"],
    }


def version() -> str:
    """The version of onnxruntime-web that web/package.json names."""
    return json.loads((WEB / "package.json").read_text(encoding="utf-8"))["dependencies"]["onnxruntime-web"]


def runtime() -> Path:
    """The folder of ONNX Runtime for the web; npm fetches it the first time."""
    folder = CACHE / version()
    if not all((folder / file).is_file() for file in RUNTIME):
        folder.mkdir(parents=True, exist_ok=True)
        package = f"onnxruntime-web@{version()}"
        subprocess.run([shutil.which("npm"), "pack", "--silent", package], cwd=folder, check=True, capture_output=True)
        (archive,) = folder.glob("*.tgz")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != RUNTIME_SHA256[version()]:
            archive.unlink()
            raise ValueError(f"{package} has SHA-256 {digest}; wanted {RUNTIME_SHA256[version()]}.")
        with tarfile.open(archive) as packed:
            for file in RUNTIME:
                (folder / file).write_bytes(packed.extractfile(f"package/dist/{file}").read())
        archive.unlink()
    return folder
