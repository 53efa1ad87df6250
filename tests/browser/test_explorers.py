"""What a person sees: pictures that follow their controls, in a real JupyterLab in a real browser."""

import base64
import io
import json

import nbformat
import numpy as np
import pytest
from lab import Notebook
from PIL import Image

from conftest import SCREENSHOTS, WAITED
from helpers.show import GAP

# draws in ten steps of a twentieth of a second, with a picture after the second and after the last
SLOW = """
import threading, time, torch, ipywidgets
from helpers import show
from helpers.sampling import Step
from helpers.widgets import play

done = []

def draw(t, word, kind, dark, size):
    for n in range(9, -1, -1):
        time.sleep(0.05)
        yield Step(n, n - 1 if n else None, None, None, None, None)
        if n == 8:
            yield show.grid([torch.full((1, size, size), t / 100)], [f"{t} {word} {kind} {dark} {size}: quick"], low=0)
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
def slow(folder, browser, address):
    """A notebook with the explorer above."""
    cells = [nbformat.v4.new_code_cell(SLOW)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "slow.ipynb")
    notebook = Notebook(browser, address, "slow.ipynb")
    notebook.run_all()
    yield notebook
    notebook.close()


@pytest.fixture
def explorer(slow):
    slow.ask("slider.value = 50")
    (explorer,) = slow.explorers()
    assert explorer.settle() == ""
    return explorer


def press(handle, key: str, times: int) -> None:
    handle.focus()
    for _ in range(times):
        handle.press(key)


# The engine


def test_of_twenty_quick_changes_the_last_is_what_one_sees(explorer):
    ask = explorer.notebook.ask
    press(explorer.handle("t"), "ArrowRight", 20)
    assert explorer.settle() == ""
    seen = explorer.pixels()
    finished = json.loads(ask("print(done)"))
    assert finished[-1] == 70 and len(finished) < 10  # most were dropped on the way
    assert ask(EXPLORER_THREADS) == "0"

    press(explorer.handle("t"), "ArrowLeft", 1)
    explorer.settle()
    assert explorer.pixels() != seen
    press(explorer.handle("t"), "ArrowRight", 1)
    explorer.settle()
    assert explorer.pixels() == seen  # the picture of 70, and of nothing else


def test_memory_stays_flat(explorer):
    ask, resident = explorer.notebook.ask, []
    for _ in range(6):
        press(explorer.handle("t"), "ArrowRight", 10)
        press(explorer.handle("t"), "ArrowLeft", 10)
        explorer.settle()
        resident.append(float(ask(MEMORY)))
    assert max(resident[3:]) - resident[2] < 10, resident


def test_the_quick_look_comes_before_the_result_and_the_bar_goes_when_it_is_done(explorer):
    before, source = explorer.pixels(), explorer.picture.get_attribute("src")
    image = explorer.picture.element_handle()
    press(explorer.handle("t"), "ArrowRight", 1)
    explorer.box.locator(".explorer-bar:visible").wait_for()
    explorer.page.wait_for_function("([image, source]) => image.src !== source", arg=[image, source])
    quick = explorer.pixels()
    explorer.settle()
    assert len({before, quick, explorer.pixels()}) == 3


def test_an_error_is_a_sentence_and_the_notebook_stays_free(explorer):
    press(explorer.handle("t"), "ArrowLeft", 37)
    assert explorer.settle() == "t is <13>; wanted another number."
    press(explorer.handle("t"), "ArrowLeft", 1)
    assert explorer.settle() == ""


def test_a_cell_runs_while_an_explorer_computes(explorer):
    press(explorer.handle("t"), "ArrowRight", 1)
    explorer.box.locator(".explorer-bar:visible").wait_for()
    assert explorer.notebook.ask("print(6 * 7, sum(t.name == 'explorer' for t in threading.enumerate()))") == "42 1"


def test_the_picture_has_words_for_who_does_not_see_it(explorer):
    assert explorer.picture.get_attribute("title") == "1 pictures: 50 one a True 8"


def test_every_kind_of_control_moves_the_picture(explorer):
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
        at, top = handle.get_attribute("aria-valuenow"), handle.get_attribute("aria-valuemax")
        key = "ArrowLeft" if at == top else "ArrowRight"
        yield lambda handle=handle, key=key: press(handle, key, 1)
    for select in explorer.box.locator("select").all():
        options = select.locator("option")
        last = options.nth(options.count() - 1).inner_text()
        yield lambda select=select, last=last: select.select_option(last)
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


def test_every_control_of_a_notebook_moves_its_picture(opened, name):
    notebook = opened(name)
    notebook.run_all()
    explorers = notebook.explorers()
    assert explorers
    for number, explorer in enumerate(explorers, 1):
        explorer.settle()
        explorer.box.screenshot(path=SCREENSHOTS / f"{name}-{number}.png")
        for moved, move in enumerate(moves(explorer), 1):
            before = explorer.pixels()
            WAITED.append((name, number, explorer.seconds_to_a_picture(move)))
            said = explorer.settle()
            assert said == "" or "similarity" in said, said
            assert explorer.pixels() != before, f"control {moved} moves nothing"
        assert moved
        assert notebook.ask(EXPLORER_THREADS) == "0"


# The pad and the painter, in the notebooks that they are for


def shown(explorer, cell: int) -> list[np.ndarray]:
    """The pictures of a grid of one row, each (cell, cell, 3) uint8."""
    image = Image.open(io.BytesIO(base64.b64decode(explorer.pixels()))).convert("RGB")
    top, count = image.height - GAP - cell, image.width // (cell + GAP)
    lefts = [GAP + i * (cell + GAP) for i in range(count)]
    return [np.asarray(image.crop((left, top, left + cell, top + cell))) for left in lefts]


@pytest.fixture(scope="module")
def pad_notebook(browser, address):
    notebook = Notebook(browser, address, "a1_7_1.ipynb", has_touch=True)
    notebook.run_all()
    yield notebook
    notebook.close()


@pytest.fixture
def pad(pad_notebook):
    """The explorer with the sketch pad, and a white sheet on it."""
    (explorer,) = pad_notebook.explorers()
    explorer.box.get_by_role("button", name="clear").click()
    explorer.settle()
    return explorer


def test_a_stroke_on_the_pad_is_edited(pad_notebook, pad):
    notebook, explorer = pad_notebook, pad
    before = shown(explorer, 192)
    explorer.box.get_by_label("colour #1976d2").click()
    explorer.stroke((0.1, 0.1), (0.9, 0.1))
    assert explorer.settle() == ""
    sketch, edited = shown(explorer, 192)
    assert notebook.ask("print([round(c.item(), 1) for c in pad.value[0, :, 6, 32]])") == "[-0.8, -0.1, 0.6]"  # 1976d2
    blue = np.abs(sketch[16:22, 40:150].astype(int) - (25, 118, 210)).max()
    assert blue <= 8  # of 255: show has 64 levels
    assert not np.array_equal(sketch, before[0]) and not np.array_equal(edited, before[1])


def test_only_what_is_painted_over_changes(opened):
    notebook = opened("a1_7_2")
    notebook.run_all()
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


def test_the_pad_works_by_keyboard(pad_notebook, pad):
    notebook, explorer = pad_notebook, pad
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


def test_the_pad_works_by_touch(pad_notebook, pad):
    notebook, explorer = pad_notebook, pad
    explorer.box.get_by_label("colour #000000").tap()
    explorer.paper.tap(position={"x": 160, "y": 160})
    explorer.settle()
    assert notebook.ask("print(pad.value[0, :, 31:33, 31:33].max().item() < -0.9)") == "True"


def test_a_picture_can_be_uploaded_and_what_is_none_is_said(pad_notebook, pad):
    notebook, explorer = pad_notebook, pad
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), (0, 128, 0)).save(picture, format="PNG")
    files = explorer.box.locator("input[type=file]")
    files.set_input_files({"name": "green.png", "mimeType": "image/png", "buffer": picture.getvalue()})
    notebook.wait_for("[round(c.item(), 1) for c in pad.value[0].mean(dim=(1, 2))]", "[-1.0, 0.0, -1.0]")
    files.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    explorer.box.get_by_text("notes.txt is not a picture").wait_for()


# Other pages


def test_in_a_narrow_window_nothing_is_cut_off(pad):
    wide = pad.page.viewport_size
    pad.page.set_viewport_size({"width": 420, "height": 800})
    parts = pad.box.locator("canvas, img.widget-image, .drawing-bar, .widget-inline-hbox")
    right = [part.evaluate("part => part.getBoundingClientRect().right") for part in parts.all()]
    columns = [column.bounding_box() for column in pad.box.locator("> .widget-vbox").all()]
    pad.page.set_viewport_size(wide)
    assert len(right) > 6 and max(right) <= 420
    assert columns[1]["y"] >= columns[0]["y"] + columns[0]["height"]  # the picture below the controls


@pytest.mark.parametrize("theme, light_text", [("JupyterLab Dark", True), ("JupyterLab Light", False)])
def test_text_is_read_on_dark_and_light_pages(pad, theme, light_text):
    change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    pad.page.evaluate(change, theme)
    dark = "document.body.dataset.jpThemeLight === 'false'"
    pad.page.wait_for_function(dark if light_text else f"!({dark})")
    for text in (pad.box.get_by_role("button", name="undo"), pad.box.get_by_text("Without a mouse")):
        red, green, blue = text.evaluate(
            "text => getComputedStyle(text).color.match(/[0-9.]+/g).slice(0, 3).map(Number)"
        )
        assert (red + green + blue > 3 * 128) == light_text
    pad.box.screenshot(path=SCREENSHOTS / f"{theme}.png")
