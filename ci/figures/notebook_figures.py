"""Copy the images of the README and of the notebooks' titles out of the committed notebooks: `make figures`."""

import base64
import io
import re
from pathlib import Path

import nbformat
from PIL import Image, ImageSequence

ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 150_000  # of a file with all its colours
# file under docs/, notebook, which of its images
IMAGES = [
    ("prompts.png", "a0", 0),
    ("forward.png", "a1_1", 1),
    ("blur.png", "a1_2", 1),
    ("one-step.png", "a1_3", 0),
    ("iterative.png", "a1_4", 0),
    ("denoising.png", "a1_5", 1),
    ("guidance.png", "a1_6", 3),
    ("sdedit-photos.png", "a1_7", 1),
    ("sdedit.png", "a1_7_1", 1),
    ("sdedit-prompts.png", "a1_7_3", 0),
    ("inpainting.png", "a1_7_2", 2),
    ("anagrams.png", "a1_8", 2),
    ("hybrids.png", "a1_9", 3),
    ("unet-inside.png", "b1_1", 0),
    ("denoised-digits.png", "b1_2", 0),
    ("told-times.png", "b2_1", 8),
    ("noise-predicted.png", "b2_2", 0),
    ("digit-film.png", "b2_3", 0),
    ("digit-classes.png", "b2_4", 0),
    ("digit-guidance.png", "b2_5", 0),
    ("flow-paths.png", "c1", 2),
    ("flow-velocity.png", "c2", 1),
    ("flow-film.png", "c3", 0),
    ("flow-guidance.png", "c4", 0),
    ("flow-calls.png", "c5", 1),
    ("flow-reflow.png", "c6", 3),
]
# the same of animations, which are enlarged so many times
ANIMATIONS = [("digits.gif", "b2_5", 0, 3)]


def outputs_of(name: str, kind: str) -> list[str]:
    """A notebook's outputs of this MIME type."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


def smaller(png: bytes) -> bytes:
    """The same image, with fewer colours if it is large."""
    if len(png) <= MAX_BYTES:
        return png
    buffer = io.BytesIO()
    few = Image.open(io.BytesIO(png)).convert("RGBA").quantize(256, Image.Quantize.FASTOCTREE)
    few.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


(ROOT / "docs").mkdir(exist_ok=True)
for file, name, i in IMAGES:
    (ROOT / "docs" / file).write_bytes(smaller(base64.b64decode(outputs_of(name, "image/png")[i])))
    print(f"docs/{file}: image {i} of {name}")
for file, name, i, scale in ANIMATIONS:
    gif = re.findall(r'src="data:image/gif;base64,([^"]*)"', "".join(outputs_of(name, "text/html")))[i]
    animation = Image.open(io.BytesIO(base64.b64decode(gif)))
    size = (scale * animation.width, scale * animation.height)
    first, *others = [frame.resize(size, Image.Resampling.NEAREST) for frame in ImageSequence.Iterator(animation)]
    durations = [frame.info["duration"] for frame in ImageSequence.Iterator(animation)]
    durations[-1] = 1500  # the result stays in view
    first.save(ROOT / "docs" / file, save_all=True, append_images=others, duration=durations, loop=0)
    print(f"docs/{file}: animation {i} of {name}")
