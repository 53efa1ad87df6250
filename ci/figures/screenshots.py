"""Screenshots of the README's two explorers in use: `make screenshots`, with an installed Chromium."""

import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from ci.figures.lab import FLAGS, ROOT, Explorer, Notebook, find_browser, lab

DOCS = ROOT / "docs"


def sketch(explorer: Explorer) -> None:
    """Draw a house on a green hill."""
    press(explorer, "clear")
    explorer.box.locator("input[type=range]").fill("12")
    colour(explorer, "#388e3c")
    explorer.stroke((0.05, 0.85), (0.95, 0.85))
    explorer.stroke((0.05, 0.95), (0.95, 0.95))
    colour(explorer, "#795548")
    explorer.stroke((0.35, 0.6), (0.65, 0.6), (0.65, 0.7), (0.35, 0.7))
    colour(explorer, "#d32f2f")
    explorer.stroke((0.25, 0.5), (0.5, 0.3), (0.75, 0.5), (0.25, 0.5))
    explorer.box.locator("input[list]").fill("a photo of a house")
    explorer.box.locator("input[list]").press("Enter")


def mask(explorer: Explorer) -> None:
    """Mask the upper half of the apple with the brush."""
    press(explorer, "clear")
    explorer.box.locator("input[type=range]").fill("20")
    explorer.stroke((0.15, 0.15), (0.85, 0.15), (0.85, 0.35), (0.15, 0.35))


def press(explorer: Explorer, button: str) -> None:
    explorer.box.get_by_role("button", name=button).click()


def colour(explorer: Explorer, name: str) -> None:
    explorer.box.get_by_label(f"colour {name}").click()


IMAGES = [("explorer-sketch.png", "a1_7_1", sketch), ("explorer-mask.png", "a1_7_2", mask)]


def keep(explorer: Explorer, file: str) -> None:
    """Save a screenshot under docs/, with a reduced palette: half the size, and no visible difference."""
    explorer.box.screenshot(path=DOCS / file)
    Image.open(DOCS / file).convert("RGB").quantize(128).save(DOCS / file, optimize=True)
    print(f"docs/{file}: {(DOCS / file).stat().st_size / 1000:.0f} kB")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for _, name, _ in IMAGES:
            shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder)
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        with lab(Path(folder)) as address:
            for file, name, use in IMAGES:
                notebook = Notebook(browser, address, f"{name}.ipynb")
                notebook.run_all()
                (explorer,) = notebook.explorers()
                explorer.settle()
                use(explorer)
                explorer.settle()
                keep(explorer, file)
                notebook.close()
        browser.close()


if __name__ == "__main__":
    main()
