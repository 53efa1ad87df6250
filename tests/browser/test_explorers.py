"""What a person sees: images that follow their controls, in a real Jupyter in a real browser."""

import base64
import contextlib
import io
import json

import nbformat
import numpy as np
import pytest
from PIL import Image

from conftest import SCREENSHOTS, WAITED
from helpers.show import GAP

# draws a quick look and then an image, between which it can be held, so that no test depends on a computer's speed
GATED = """
import threading, torch, ipywidgets
from helpers import show
from helpers.sampling import Step
from helpers.widgets import play

begun, done, free = [], [], threading.Event()
free.set()

def draw(t, word, kind, dark, size):
    begun.append(t)
    yield show.grid([torch.full((1, size, size), t / 100)], [f"{t} {word} {kind} {dark} {size}: quick"], low=0)
    yield Step(9, 4, None, None, None, None)
    while not free.wait(0.02):
        yield Step(9, 4, None, None, None, None)
    if t == 13:
        raise ValueError("t is <13>; wanted another number.")
    done.append(t)
    yield show.grid([torch.full((1, size, size), t / 100)], [f"{t} {word} {kind} {dark} {size}"], low=0)

slider = ipywidgets.IntSlider(50, 0, 100)
play(
    draw,
    t=slider,
    word=ipywidgets.Combobox(value="one", options=["one", "two"], continuous_update=False),
    kind=ipywidgets.Dropdown(options=["a", "b"]),
    dark=ipywidgets.Checkbox(True),
    size=ipywidgets.ToggleButtons(options=[8, 16]),
)
"""
EXPLORER_THREADS = "import threading\nprint(sum(t.name == 'explorer' for t in threading.enumerate()))"
MEMORY = "print(int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6)"  # resident, in MB


@pytest.fixture(scope="module")
def gated(folder, open_notebook):
    """A notebook with the explorer above."""
    cells = [nbformat.v4.new_code_cell(GATED)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "gated.ipynb")
    return open_notebook("gated")


@pytest.fixture
def explorer(gated):
    gated.ask("slider.value = 50")
    (explorer,) = gated.explorers()
    assert explorer.settle() == ""
    gated.ask("begun.clear(); done.clear()")
    yield explorer
    gated.ask("free.set()")  # if a test has failed while it held the drawing


@contextlib.contextmanager
def held(explorer):
    """Meanwhile the drawing waits after its quick look, unless it is overtaken."""
    explorer.notebook.ask("free.clear()")
    yield
    explorer.notebook.ask("free.set()")


def press(handle, key: str, times: int) -> None:
    handle.focus()
    for _ in range(times):
        handle.press(key)


def drag(handle) -> None:
    """A slider's handle, with the mouse, by a third of the bar towards the farther end: the next of three values."""
    handle.scroll_into_view_if_needed()
    box, bar = handle.bounding_box(), handle.locator("../..").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    way = 1 if x < bar["x"] + bar["width"] / 2 else -1
    mouse = handle.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + way * bar["width"] / 3, y, steps=5)
    mouse.up()


# The engine


def test_of_twenty_quick_changes_the_last_is_what_one_sees(explorer):
    notebook = explorer.notebook
    with held(explorer):
        press(explorer.handle("t"), "ArrowRight", 20)
        notebook.wait_for("begun[-1]", "70")
    assert explorer.settle() == ""
    begun, finished = json.loads(notebook.ask("print([begun, done])"))
    assert len(begun) > 1 and finished == [70]  # all others were dropped on the way
    assert notebook.ask(EXPLORER_THREADS) == "0"
    seen = explorer.pixels()

    press(explorer.handle("t"), "ArrowLeft", 1)
    explorer.settle()
    assert explorer.pixels() != seen
    press(explorer.handle("t"), "ArrowRight", 1)
    explorer.settle()
    assert explorer.pixels() == seen  # the image of 70, and of nothing else


def test_a_cancelled_drawing_leaves_no_thread(explorer):
    with held(explorer):
        press(explorer.handle("t"), "ArrowRight", 1)
        explorer.notebook.wait_for("begun", "[51]")
        press(explorer.handle("t"), "ArrowLeft", 1)
        explorer.notebook.wait_for("begun", "[51, 50]")
        assert explorer.notebook.ask(EXPLORER_THREADS) == "1"  # not one for each
    explorer.settle()
    assert explorer.notebook.ask("print(done)") == "[50]"
    assert explorer.notebook.ask(EXPLORER_THREADS) == "0"


def test_memory_stays_flat(explorer):
    ask, resident = explorer.notebook.ask, []
    for _ in range(6):
        press(explorer.handle("t"), "ArrowRight", 10)
        press(explorer.handle("t"), "ArrowLeft", 10)
        explorer.settle()
        resident.append(float(ask(MEMORY)))
    assert max(resident[3:]) - resident[2] < 10, resident


def test_the_quick_look_comes_before_the_result_and_the_bar_goes_when_it_is_done(explorer):
    before = explorer.pixels()
    with held(explorer):
        press(explorer.handle("t"), "ArrowRight", 1)
        explorer.box.locator(".explorer-bar:visible").wait_for()
        explorer.box.get_by_text("step 1, t = 9").wait_for()
        quick = explorer.pixels()
    explorer.settle()
    assert len({before, quick, explorer.pixels()}) == 3


def test_an_error_is_a_sentence_and_the_notebook_stays_free(explorer):
    press(explorer.handle("t"), "ArrowLeft", 37)
    assert explorer.settle() == "t is <13>; wanted another number."
    press(explorer.handle("t"), "ArrowLeft", 1)
    assert explorer.settle() == ""


def test_a_cell_runs_while_an_explorer_computes(explorer):
    with held(explorer):
        press(explorer.handle("t"), "ArrowRight", 1)
        explorer.notebook.wait_for("begun", "[51]")
        assert explorer.notebook.ask("print(6 * 7)") == "42"
        assert explorer.notebook.ask(EXPLORER_THREADS) == "1"


def test_the_image_has_words_for_who_does_not_see_it(explorer):
    assert explorer.image.get_attribute("title") == "1 image: 50 one a True 8"


def test_every_kind_of_control_moves_the_image(explorer):
    moved = 0
    for move in moves(explorer):
        before = explorer.pixels()
        move()
        assert explorer.settle() == ""
        assert explorer.pixels() != before
        moved += 1
    assert moved == 5


def moves(explorer):
    """For each control of an explorer a function that moves it a little."""
    page = explorer.page
    for handle in explorer.box.locator(".noUi-handle").all():
        yield lambda handle=handle: drag(handle)
    for select in explorer.box.locator("select").all():
        other = select.locator("option:not(:checked)").last.inner_text()
        yield lambda select=select, other=other: select.select_option(other)
    for field in explorer.box.locator("input[list]").all():
        listed = page.locator(f"datalist[id='{field.get_attribute('list')}'] option")
        other = next(
            text for text in listed.evaluate_all("all => all.map(o => o.value)") if text != field.input_value()
        )
        yield lambda field=field, other=other: (field.fill(other), field.press("Enter"))
    for box in explorer.box.locator(".widget-checkbox input").all():
        yield box.click
    for button in explorer.box.locator(".widget-toggle-button:not(.mod-active)").all():
        yield button.click
        break
    if explorer.paper.count():
        yield lambda: explorer.stroke((0.2, 0.7), (0.8, 0.75))


# The notebooks


def test_every_control_of_a_notebook_moves_its_image(notebook, name):
    explorers = notebook.explorers()
    assert explorers
    for number, explorer in enumerate(explorers, 1):
        explorer.settle()
        keep(explorer, f"{name}-{number}.png")
        for moved, move in enumerate(moves(explorer), 1):
            before = explorer.pixels()
            seconds, said = explorer.seconds_to_an_image(move), explorer.settle()
            assert said == "" or "similarity" in said, said
            assert explorer.pixels() != before, f"control {moved} moves nothing"
            WAITED.append((name, number, seconds))
        assert moved
        assert notebook.ask(EXPLORER_THREADS) == "0"


def test_in_a_narrow_window_nothing_is_cut_off(notebook, name):
    wide = notebook.page.viewport_size
    notebook.page.set_viewport_size({"width": 420, "height": 1200})
    try:
        for number, explorer in enumerate(notebook.explorers(), 1):
            keep(explorer, f"{name}-{number}-narrow.png")
            parts = explorer.box.locator("canvas, .explorer-frame, .drawing-bar, .widget-inline-hbox").all()
            assert len(parts) > 1
            assert max(part.evaluate("part => part.getBoundingClientRect().right") for part in parts) <= 420
            shown, own = explorer.image.evaluate("image => [image.width, image.naturalWidth]")
            assert shown >= 0.74 * own  # its titles can be read; what does not fit scrolls
            controls, image = (column.bounding_box() for column in explorer.box.locator("> .widget-vbox").all())
            assert image["y"] >= controls["y"] + controls["height"]  # one below the other
    finally:
        notebook.page.set_viewport_size(wide)


def test_text_is_read_on_dark_and_light_pages(notebook, name):
    for dark in (True, False):
        notebook.darken(dark)
        for number, explorer in enumerate(notebook.explorers(), 1):
            if dark:
                keep(explorer, f"{name}-{number}-dark.png")
            texts = explorer.box.locator("label, .drawing button:not(.drawing-swatch, [aria-pressed=true])").all()
            assert texts
            for text in texts:
                assert (brightness(text) > 128) == dark, text.inner_text()


def brightness(text) -> float:
    """Of an element's text, from 0 to 255."""
    return text.evaluate(
        """text => {
            const [red, green, blue] = getComputedStyle(text).color.match(/[0-9.]+/g).map(Number);
            return (red + green + blue) / 3;
        }"""
    )


def keep(explorer, file: str) -> None:
    """A screenshot, to be looked at."""
    explorer.box.screenshot(path=SCREENSHOTS / file)


# A check, in the hands of somebody who has made a mistake

ROOTLESS = """
def my_forward(x0, t, alphas_cumprod, *, noise=None, generator=None):
    eps = torch.randn(x0.shape, generator=generator) if noise is None else noise
    abar_t = torch.as_tensor(alphas_cumprod[t]).view(-1, 1, 1, 1)
    return abar_t * x0 + (1 - abar_t) * eps, eps
"""
NOISELESS = """
def my_ddpm_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
    if s is None:
        return x0_hat
    abar_t, abar_s = schedule.alphas_cumprod[[t, s]]
    alpha, beta = abar_t / abar_s, 1 - abar_t / abar_s
    return (abar_s.sqrt() * beta * x0_hat + alpha.sqrt() * (1 - abar_s) * x_t) / (1 - abar_t)
"""
EXCHANGED = """
from helpers.denoisers import Combinator, Prediction

class MyGuided(Combinator):
    def __init__(self, denoiser, gamma):
        super().__init__(denoiser)
        self.gamma = gamma

    def __call__(self, x_t, t, cond):
        eps_u, _ = self.denoiser(x_t, t, self.unconditional(cond))
        eps_c, var = self.denoiser(x_t, t, cond)
        return Prediction(eps_c + self.gamma * (eps_u - eps_c), var)
"""


@pytest.mark.parametrize(
    "name, mistaken, said, drawn",
    [
        ("a1_1", ROOTLESS, "the square roots were forgotten", True),
        ("a1_4", NOISELESS, "No noise is added", False),
        ("a1_6", EXCHANGED, "The two predictions are exchanged", False),
    ],
)
def test_a_mistake_is_named_below_the_check(notebook, name, mistaken, said, drawn):
    turn = name.replace("_", "-") + "-turn"
    notebook.run(f"{turn}-1", mistaken)
    cell = notebook.run(f"{turn}-2")
    for dark in (False, True):
        notebook.darken(dark)
        cell.screenshot(path=SCREENSHOTS / f"{name}-check{'-dark' * dark}.png")
        message = cell.locator(".jp-OutputArea-output pre").first
        assert said in " ".join(message.inner_text().split())
        assert (brightness(message) > 128) == dark
        assert cell.locator(".jp-OutputArea-output img").count() == drawn
    notebook.darken(False)


# The pad and the painter, in the notebooks that they are for


def shown(explorer, cell: int) -> list[np.ndarray]:
    """The images of a grid of one row, each (cell, cell, 3) uint8."""
    image = Image.open(io.BytesIO(base64.b64decode(explorer.pixels()))).convert("RGB")
    top, count = image.height - GAP - cell, image.width // (cell + GAP)
    lefts = [GAP + i * (cell + GAP) for i in range(count)]
    return [np.asarray(image.crop((left, top, left + cell, top + cell))) for left in lefts]


with_the_pad = pytest.mark.parametrize("name", ["a1_7_1"])
with_the_painter = pytest.mark.parametrize("name", ["a1_7_2"])


@pytest.fixture
def pad(notebook):
    """The explorer with the sketch pad, and a white sheet on it."""
    (explorer,) = notebook.explorers()
    explorer.box.get_by_role("button", name="clear").click()
    explorer.settle()
    return explorer


@with_the_pad
def test_a_stroke_on_the_pad_is_edited(notebook, pad):
    explorer = pad
    before = shown(explorer, 192)
    explorer.box.get_by_label("colour #1976d2").click()
    explorer.stroke((0.1, 0.1), (0.9, 0.1))
    assert explorer.settle() == ""
    sketch, edited = shown(explorer, 192)
    assert notebook.ask("print([round(c.item(), 1) for c in pad.value[0, :, 6, 32]])") == "[-0.8, -0.1, 0.6]"  # 1976d2
    blue = np.abs(sketch[16:22, 40:150].astype(int) - (25, 118, 210)).max()
    assert blue <= 8  # of 255: show has 64 levels
    assert not np.array_equal(sketch, before[0]) and not np.array_equal(edited, before[1])


@with_the_painter
def test_only_what_is_painted_over_changes(notebook):
    explorer = notebook.explorers()[0]
    explorer.settle()
    explorer.box.get_by_role("button", name="clear").click()
    explorer.box.get_by_role("button", name="rectangle").click()
    explorer.stroke((0.3, 0.4), (0.7, 0.6))
    explorer.box.get_by_role("button", name="brush").click()
    explorer.stroke((0.2, 0.8), (0.5, 0.8))
    assert explorer.settle() == ""
    mask = np.array(json.loads(notebook.ask("print(painter.value[0, 0].int().tolist())")), bool)  # (64, 64)
    assert mask[26:38, 20:44].all() and mask[51, 14:31].all() and not mask[:24].any()
    painted = mask.repeat(3, axis=0).repeat(3, axis=1)  # (192, 192)
    original, _, result = shown(explorer, 192)
    changed = (original != result).any(axis=2)
    assert not changed[~painted].any()
    assert changed[painted].mean() > 0.5


# Other ways to draw


@with_the_pad
def test_the_pad_works_by_keyboard(notebook, pad):
    explorer = pad
    explorer.box.get_by_label("colour #000000").click()
    explorer.paper.focus()
    explorer.paper.press(" ")
    for _ in range(10):
        explorer.paper.press("ArrowRight")
    explorer.paper.press(" ")
    explorer.settle()
    dark = "dark = pad.value[0].mean(dim=0) < -0.9\n"
    assert notebook.ask(dark + "print(dark[32, 33:42].all().item(), dark[:30].any().item())") == "True False"
    explorer.box.get_by_role("button", name="undo").click()
    explorer.settle()
    assert notebook.ask("print(pad.value.min().item())") == "1.0"  # the white sheet


@with_the_pad
def test_the_pad_works_by_touch(notebook, pad):
    explorer = pad
    explorer.box.get_by_label("colour #000000").tap()
    explorer.paper.tap(position={"x": 160, "y": 160})
    explorer.settle()
    assert notebook.ask("print(pad.value[0, :, 31:33, 31:33].max().item() < -0.9)") == "True"


@with_the_pad
def test_an_image_can_be_uploaded_and_what_is_none_is_said(notebook, pad):
    explorer = pad
    image = io.BytesIO()
    Image.new("RGB", (300, 200), (0, 128, 0)).save(image, format="PNG")
    files = explorer.box.locator("input[type=file]")
    files.set_input_files({"name": "green.png", "mimeType": "image/png", "buffer": image.getvalue()})
    notebook.wait_for("[round(c.item(), 1) for c in pad.value[0].mean(dim=(1, 2))]", "[-1.0, 0.0, -1.0]")
    files.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no image"})
    explorer.box.get_by_text("notes.txt is not an image that this browser can read").wait_for()
