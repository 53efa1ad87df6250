"""The model in the page "Try it", served as a visitor gets it: the same images as in Python, and every control.

`make test-site` runs this after tests/browser/test_site.py. On a busy computer an image takes many times longer than
its computing time, so seconds are printed, and only generous limits are asserted.
"""

import functools
import http.server
import io
import re
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from ci.figures.lab import SCREENSHOTS
from ci.site.try_it import RUNS, Run, steps_of
from helpers.data import from_pixels
from helpers.models import load_model

PATIENCE = 300_000  # milliseconds
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
MODES = {run.mode: run for run in RUNS}
PIXELS = """canvas => {  // of a copy, since the browser warns of canvases that are read often
    const copy = new OffscreenCanvas(64, 64).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    return [...copy.getImageData(0, 0, 64, 64).data];
}"""
SAVES_DATA = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"


MISSING = set()  # files that the server does not find


@pytest.fixture(scope="module")
def address(site) -> str:
    """The page's address on a server that serves the site as a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def send_head(self):
            if self.path.rpartition("/")[2] in MISSING:
                return self.send_error(404)
            return super().send_head()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/docs/try-it.html"
    server.shutdown()


@pytest.fixture
def no_network():
    MISSING.add("stage-1.onnx")
    yield
    MISSING.clear()


@pytest.fixture(scope="module")
def model():
    model = load_model("mini-if", "cpu")
    model.stage_1.unet.float()
    return model


class TryIt:
    """The page in a browser, and what a visitor does there."""

    def __init__(self, browser, address: str, *, saves_data: bool = False, **options):
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.problems, self.requests = [], []
        self.seen = 0  # the last run whose end was waited for
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_default_timeout(PATIENCE)
        if saves_data:  # then it loads the model only when it is asked to
            self.page.add_init_script(SAVES_DATA)
        self.opened = time.monotonic()
        self.page.goto(address)
        self.page.locator(".try-column").last.wait_for(state="attached")

    def find(self, selector: str):
        return self.page.locator(f"#try-it-live {selector}")

    def control(self, name: str):
        return self.find(f"[name={name}]")

    @property
    def status(self) -> str:
        return self.find(".try-status").inner_text()

    def choose(self, mode: str) -> None:
        self.find(f"[data-mode={mode}][role=tab]").click()

    def set(self, **values) -> None:
        """Set controls without running: the scripts read them when the button is pressed."""
        for name, value in values.items():
            self.control(name).evaluate("(control, value) => (control.value = value)", str(value))

    def wait(self) -> np.ndarray:
        """Until a run that is under way is done. Returns the image (64, 64, 3) in bytes."""
        drawn = "seen => Number(document.getElementById('try-it-live').dataset.drawn ?? 0) > seen"
        self.page.wait_for_function(drawn, arg=self.seen)
        self.seen = int(self.page.locator("#try-it-live").get_attribute("data-drawn"))
        assert re.fullmatch(r"\d+ steps in [\d.]+ s\.", self.status)
        return self.image()

    def run(self) -> np.ndarray:
        """Press the button, and wait."""
        self.find(".try-run").click()
        return self.wait()

    def image(self) -> np.ndarray:
        return self.pixels(".try-stage canvas")[..., :3]

    def pixels(self, canvas: str) -> np.ndarray:
        """A canvas's pixels (64, 64, 4)."""
        return np.array(self.find(canvas).evaluate(PIXELS), np.uint8).reshape(64, 64, 4)

    def stage(self) -> np.ndarray:
        """The stage as it is seen, turned or shrunk."""
        return np.asarray(Image.open(io.BytesIO(self.find(".try-stage").screenshot())).convert("RGB")).astype(float)


@pytest.fixture(scope="module")
def live(browser, address):
    """The page with its model loaded, for all tests that run it; in the end, nothing has gone wrong there."""
    page = TryIt(browser, address)
    page.first = page.wait()
    page.after = time.monotonic() - page.opened
    yield page
    assert page.problems == []
    assert {url.split("/")[2] for url in page.requests if not url.startswith(("data:", "blob:"))} == {
        address.split("/")[2]
    }
    page.page.close()


def in_python(model, run: Run, **edited) -> np.ndarray:
    """The image (64, 64, 3) of a run, in bytes."""
    *_, last = steps_of(model, run, **edited)
    pixels = ((last.x_s[0].clamp(-1, 1) + 1) * 127.5).round()
    return pixels.permute(1, 2, 0).numpy().astype(np.uint8)


def assert_same(found: np.ndarray, wanted: np.ndarray) -> None:
    """Equal to within 2 of 255 at every pixel."""
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 2


# the same images as in Python


def test_the_first_image_is_drawn_without_a_click_and_three_prompts_are_drawn_as_in_python(live, model, capsys):
    assert_same(live.first, in_python(model, MODES["draw"]))
    with capsys.disabled():
        print(f"\nfirst image {live.after:.1f} s after opening; {live.status}")
    live.choose("draw")
    for prompt, seed, steps, gamma in [("a photo of a panda", 3, 12, 7), ("a lithograph of a skull", 4, 8, 2.5)]:
        live.set(first=prompt, seed=seed, steps=steps, gamma=gamma)
        found = live.run()
        assert_same(found, in_python(model, Run("draw", (prompt,), seed=seed, steps=steps, gamma=float(gamma))))


def test_a_sketch_is_edited_as_in_python(live, model):
    live.choose("sketch")
    pad = live.find("#try-sketch canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    before = live.pixels("#try-sketch canvas")
    live.page.mouse.move(box["x"] + 20, box["y"] + 20)
    live.page.mouse.down()
    live.page.mouse.move(box["x"] + 120, box["y"] + 60, steps=4)
    live.page.mouse.up()  # which runs it
    found = live.wait()
    sketch = live.pixels("#try-sketch canvas")
    assert (sketch != before).any()
    run = MODES["sketch"]
    assert_same(found, in_python(model, run, x_orig=from_pixels(torch.tensor(sketch[..., :3]))))
    live.set(i_start=8, first="a photo of a red apple")
    found = live.run()
    changed = run._replace(i_start=8, prompts=("a photo of a red apple",))
    assert_same(found, in_python(model, changed, x_orig=from_pixels(torch.tensor(sketch[..., :3]))))


def test_the_masked_region_is_repainted_as_in_python_and_the_rest_is_kept(live, model):
    live.choose("repaint")
    painter = live.find("#try-mask canvas")
    live.find("#try-mask button:text('clear')").click()
    assert live.status.startswith("Nothing is painted")
    painter.scroll_into_view_if_needed()
    box = painter.bounding_box()
    live.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    live.page.mouse.down()
    live.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    live.page.mouse.up()
    found = live.wait()
    mask = live.pixels("#try-mask canvas")[..., 3] > 127
    assert 100 < mask.sum() < 2000
    wanted = in_python(model, MODES["repaint"], mask=torch.tensor(mask)[None, None].float())
    assert_same(found, wanted)
    file = live.page.request.get(live.find("#try-mask img").get_attribute("src")).body()
    original = np.array(Image.open(io.BytesIO(file)).convert("RGB"))
    assert np.array_equal(found[~mask], original[~mask]) and (found[mask] != original[mask]).any()


def test_an_anagram_is_drawn_as_in_python_and_turns(live, model):
    live.choose("anagram")
    run = MODES["anagram"]
    assert_same(live.run(), in_python(model, run))
    upright = live.stage()
    assert live.find("[name=turn] + output").inner_text() == run.prompts[0]
    live.control("turn").fill("100")
    turned = live.stage()
    assert np.abs(turned - upright[::-1]).mean() < 3 < np.abs(turned - upright).mean()
    assert live.find("[name=turn] + output").inner_text() == run.prompts[1]
    live.control("turn").press("Home")
    assert np.abs(live.stage() - upright).mean() < 1
    live.set(view="rotate_90", steps=6)
    assert_same(live.run(), in_python(model, run._replace(view="rotate_90", steps=6)))
    upright = live.stage()
    live.control("turn").fill("100")
    assert np.abs(live.stage() - np.rot90(upright)).mean() < 3 < np.abs(live.stage() - upright).mean()


def test_a_hybrid_is_drawn_as_in_python_and_shrinks_with_the_distance(live, model):
    live.choose("hybrid")
    run = MODES["hybrid"]
    assert_same(live.run(), in_python(model, run))
    canvas = live.find(".try-stage canvas")
    close = canvas.bounding_box()["width"]
    live.control("distance").press("End")
    assert canvas.bounding_box()["width"] < close / 5
    assert live.find("[name=distance] + output").inner_text() == f"from afar: {run.prompts[0]}"


def test_free_text_loads_the_text_encoder_and_draws_nearly_what_python_draws(live, model):
    prompt = "a photo of a purple mushroom"
    live.choose("draw")
    live.set(seed=0, steps=12, gamma=5)
    assert not any(url.endswith("encoder.onnx") for url in live.requests)
    live.control("first").fill(prompt)
    assert "text encoder" in live.find(".try-note").inner_text()
    found = live.run()
    assert any(url.endswith("encoder.onnx") for url in live.requests)
    wanted = in_python(model, Run("draw", (prompt,)))
    other = in_python(model, Run("draw", ("a photo of a mushroom",), seed=1))
    assert np.abs(found - wanted.astype(float)).mean() < 12 < np.abs(found - other.astype(float)).mean()
    assert live.find(".try-note").is_hidden()


# what a visitor does


def test_the_film_strip_shows_every_step_under_the_arrow_keys(live):
    live.choose("draw")
    live.set(first="a rocket ship", steps=5)
    last = live.run()
    assert live.find(".try-column").count() == 5 and live.find(".try-column canvas").count() == 10
    slider = live.control("step")
    assert slider.get_attribute("aria-valuetext") == "5 of 5, t = 0"
    slider.press("Home")
    assert slider.get_attribute("aria-valuetext") == "1 of 5, t = 996"
    assert np.abs(live.image() - last.astype(float)).mean() > 5
    live.find(".try-column").last.click()
    assert np.array_equal(live.image(), last)


def test_a_slider_redraws_at_once_and_only_the_newest_run_counts(live, model):
    live.choose("draw")
    live.set(first="a photo of a strawberry", seed=2, steps=6)
    live.run()
    for gamma in ("1", "9", "3"):
        live.control("gamma").fill(gamma)
    found = live.wait()
    assert_same(found, in_python(model, Run("draw", ("a photo of a strawberry",), seed=2, steps=6, gamma=3.0)))


def test_a_run_can_be_stopped(live):
    live.choose("draw")
    live.set(steps=34)
    live.find(".try-run").click()
    live.find(".try-column").nth(1).wait_for(state="attached")
    assert live.find(".try-run").inner_text() == "Stop"
    live.find(".try-run").click()
    assert live.status == "Stopped." and live.find(".try-run").inner_text() == "Draw"
    drawn = live.find(".try-column").count()
    live.page.wait_for_timeout(2000)
    assert live.find(".try-column").count() == drawn < 34
    live.set(steps=12)


def test_mistakes_are_answered_by_a_sentence(live):
    live.choose("draw")
    for wrong, right, words in [
        ({"first": " "}, {"first": "a rocket ship"}, "A prompt is empty"),
        ({"seed": -1}, {"seed": 0}, "The seed is -1; wanted a whole number"),
        ({"seed": ""}, {"seed": 0}, "The seed is empty"),
        ({"first": "very " * 80 + "long"}, {"first": "a rocket ship"}, "tokens; wanted at most 77"),
    ]:
        live.set(**wrong)
        live.find(".try-run").click()
        live.find(".try-status.try-error").filter(has_text=words).wait_for()
        live.set(**right)
    assert live.find(".try-run").inner_text() == "Draw"


def test_tabs_follow_the_arrow_keys_and_the_address(browser, address):
    page = TryIt(browser, f"{address}#anagram", saves_data=True)
    chosen = page.find("[role=tab][aria-selected=true]")
    assert chosen.inner_text() == "Anagram"
    chosen.focus()
    page.page.keyboard.press("ArrowRight")
    assert page.find("[role=tab]:focus").inner_text() == chosen.inner_text() == "Hybrid"
    page.page.keyboard.press("ArrowRight")
    assert chosen.inner_text() == "Draw" and page.find("[role=tab][tabindex='0']").count() == 1
    page.page.close()


def test_every_control_has_a_name_for_a_screen_reader(browser, address):
    page = TryIt(browser, address, saves_data=True)
    unnamed = """controls => controls.filter(control => control.checkVisibility() && !(
        control.labels?.length || control.getAttribute("aria-label") || control.textContent.trim()
    )).map(control => control.outerHTML)"""
    for mode in MODES:
        page.choose(mode)
        controls = page.find(":is(button, input, select, canvas[role=img])")
        assert controls.evaluate_all(unnamed) == []
        assert controls.count() > 10
    page.page.close()


def test_a_model_that_does_not_come_is_reported_in_a_sentence(browser, address, no_network):
    page = TryIt(browser, address, saves_data=True)
    page.find(".try-run").click()
    page.find(".try-status.try-error").wait_for()
    assert page.status == "stage-1.onnx could not be loaded (the server says 404). Reload the page."
    page.page.close()


def test_opened_as_a_file_the_page_shows_stored_runs_and_the_command_that_serves_it(site, browser):
    page = browser.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto((site / "docs" / "try-it.html").as_uri())
    assert page.locator("#try-it-live").is_hidden()
    assert "python3 -m http.server" in page.locator(".try-serve").inner_text()
    strips = page.locator(".try-stored .exhibit.strip")
    assert strips.count() == len(RUNS)
    strips.first.locator("input").press("Home")
    assert strips.first.locator("output").inner_text() == "t = 990"
    assert problems == []
    page.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_mode_is_wider_than_the_screen(browser, address, size, theme):
    width, height = SIZES[size]
    page = TryIt(browser, address, saves_data=True, viewport={"width": width, "height": height}, color_scheme=theme)
    for mode in MODES:
        page.choose(mode)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.find(".try-stage").bounding_box()["width"] > 250
        file = SCREENSHOTS.parent / "site-screenshots" / f"try-it-{mode}-{size}-{theme}.png"
        page.page.screenshot(path=file, full_page=True)
    page.page.close()
