"""Copy the images of the README and of Part C's titles out of the committed notebooks: `make pictures`."""

import base64
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
# file under docs/, notebook, which of its images
IMAGES = [
    ("samples.png", "a0", 1),
    ("denoising.png", "a1_5", 2),
    ("guidance.png", "a1_6", 1),
    ("sdedit.png", "a1_7_1", 1),
    ("anagrams.png", "a1_8", 1),
    ("hybrids.png", "a1_9", 1),
    ("digits.png", "b2_5", -8),  # counted from the end: a training that was done before shows no curve
    ("flow-paths.png", "c1", 2),
    ("flow-velocity.png", "c2", 1),
    ("flow-film.png", "c3", 0),
    ("flow-guidance.png", "c4", 0),
    ("flow-calls.png", "c5", 1),
]

(ROOT / "docs").mkdir(exist_ok=True)
for file, name, i in IMAGES:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pngs = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    (ROOT / "docs" / file).write_bytes(base64.b64decode(pngs[i]))
    print(f"docs/{file}: image {i} of {name}")
