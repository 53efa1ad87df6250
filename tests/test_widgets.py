"""play(): a plain image where nobody is there, and where somebody is, one that follows the newest change only."""

import threading
import weakref

import ipywidgets
import pytest
import torch

from helpers import controls, show, widgets
from helpers.sampling import Step
from helpers.training import Progress


def image(number: float, size: int = 4) -> show.Graphic:
    """One grey for each number from 0 to 1000."""
    return show.grid([torch.full((1, size, size), number / 1000)], cell=16, low=0)


def step(t: int, s: int | None) -> Step:
    """Without tensors: a bar has no use for them."""
    return Step(t, s, None, None, None, None)


class Drawing:
    """A draw function that counts its calls, and fails where it is told to."""

    def __init__(self):
        self.calls = []

    def __call__(self, **values) -> show.Graphic:
        self.calls.append(values)
        if values.get("t") == 13:
            raise ValueError("t is <13>; wanted another number.")
        return image(values["t"])


class Gated:
    """A draw function in two images, which waits to be let through between them."""

    def __init__(self):
        self.begun, self.finished, self.gate = [], [], threading.Semaphore(0)
        self.waits = threading.Semaphore(0)  # it is let go once for each time that the drawing waits

    def __call__(self, t):
        self.begun.append(t)
        yield image(t / 2)
        self.waits.release()
        assert self.gate.acquire(timeout=60)
        yield step(20, 10)
        yield image(t)
        self.finished.append(t)


@pytest.fixture
def draw():
    return Drawing()


@pytest.fixture
def displayed(monkeypatch):
    """What play() displays, in order."""
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    return shown


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("COURSE_HEADLESS", raising=False)


def parts(displayed):
    """The image, the message and the bar of the one box that was displayed."""
    (box,) = displayed
    status, frame = box.children[1].children
    (shown,), (bar, message) = frame.children, status.children
    return shown, message, bar


def explorers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "explorer"]


def settle() -> None:
    """Until every explorer has nothing more to do."""
    for thread in explorers():
        thread.join(timeout=60)
        assert not thread.is_alive()


# Where nobody is there


@pytest.fixture
def nobody(monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")


def test_headless_it_shows_one_image_and_the_controls_at_their_first_values(draw, displayed, nobody):
    widgets.play(draw, t=ipywidgets.IntSlider(250, 0, 999), gamma=ipywidgets.FloatSlider(7.0))
    assert draw.calls == [{"t": 250, "gamma": 7.0}]
    (shown,) = displayed
    assert shown.alt == "controls: t 250, gamma 7; 1 image"


def test_headless_only_the_last_image_is_left(displayed, nobody):
    def draw(t):
        yield image(0)
        yield step(10, None)
        yield image(t)

    slider = ipywidgets.IntSlider(250, 0, 999)
    widgets.play(draw, t=slider)
    assert [shown.png for shown in displayed] == [show.stack(controls.drawn({"t": slider}), image(250)).png]


def test_headless_it_makes_no_widgets_of_its_own_and_no_thread(draw, displayed, nobody, monkeypatch):
    slider = ipywidgets.IntSlider(250, 0, 999)
    monkeypatch.setattr(widgets, "Explorer", None)
    widgets.play(draw, t=slider)
    assert explorers() == []


def test_headless_an_error_is_raised_and_fails_the_notebook(draw, displayed, nobody):
    with pytest.raises(ValueError, match="t is <13>"):
        widgets.play(draw, t=ipywidgets.IntSlider(13, 0, 999))
    assert displayed == []


@pytest.mark.parametrize("drawn", [None, "an image", iter([image(1), None])], ids=["nothing", "text", "nothing more"])
def test_what_is_no_image_is_said(drawn, displayed, nobody):
    with pytest.raises(TypeError, match=r"draw gave a \w+; wanted an image"):
        widgets.play(lambda t: drawn, t=ipywidgets.IntSlider(13, 0, 999))
    assert displayed == []


# Where somebody is


def test_a_narrow_image_keeps_the_place_of_a_wide_one_and_none_shrinks_beyond_reading(displayed, live):
    cells = ipywidgets.IntSlider(4, 1, 4)
    widgets.play(lambda cells: show.grid(torch.zeros(cells, 3, 8, 8), cell=100), cells=cells)
    settle()
    cells.value = 1
    settle()
    shown, _, _ = parts(displayed)
    assert displayed[0].children[1].layout.min_width == f"min(100%, {4 * 106 + 6}px)"  # as four cells need it
    assert shown.layout.min_width == f"{0.75 * 112:.0f}px"  # as one does


def test_live_it_draws_at_once_and_shows_the_controls(draw, displayed, live):
    slider = ipywidgets.IntSlider(250, 0, 999)
    widgets.play(draw, t=slider)
    settle()
    shown, message, bar = parts(displayed)
    assert draw.calls == [{"t": 250}]
    assert bytes(shown.value) == image(250).png
    assert shown.tooltip == image(250).alt
    assert message.value == "" and bar.layout.visibility == "hidden"
    assert displayed[0].children[0].children == (slider,)
    assert slider.description == "t"


def test_a_control_keeps_the_description_that_it_came_with(draw, displayed, live):
    slider = ipywidgets.IntSlider(250, 0, 999, description="timestep")
    widgets.play(draw, t=slider)
    settle()
    assert slider.description == "timestep"


def test_every_change_of_a_control_draws_once_with_all_values(draw, displayed, live):
    t, gamma = ipywidgets.IntSlider(250, 0, 999), ipywidgets.FloatSlider(7.0)
    widgets.play(draw, t=t, gamma=gamma)
    settle()
    t.value = 500
    settle()
    gamma.value = 3.0
    gamma.value = 3.0  # no change
    settle()
    assert draw.calls == [{"t": 250, "gamma": 7.0}, {"t": 500, "gamma": 7.0}, {"t": 500, "gamma": 3.0}]
    assert bytes(parts(displayed)[0].value) == image(500).png


class Mute(Exception):
    """An error that cannot say what is wrong."""

    def __str__(self):
        return None


@pytest.mark.parametrize(
    "error, said",
    [
        (SystemExit(), "SystemExit"),
        (SystemExit("enough"), "enough"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (RuntimeError(), "RuntimeError"),
        (Mute(), "Mute"),
        (GeneratorExit(), None),  # which ends the generator that shows sentences
    ],
)
@pytest.mark.parametrize("as_generator", [True, False])
def test_whatever_draw_raises_the_explorer_draws_again(error, said, as_generator, displayed, live, capsys):
    def drawn(t):
        if t == 13:
            raise error
        return image(t)

    def drawn_in_stages(t):
        yield drawn(t)

    slider = ipywidgets.IntSlider(13, 0, 999)
    widgets.play(drawn_in_stages if as_generator else drawn, t=slider)
    settle()
    shown, message, _ = parts(displayed)
    assert said is None or said in message.value
    slider.value = 250
    settle()
    assert shown.value == image(250).png and message.value == ""


def test_an_error_becomes_a_sentence_and_the_last_image_stays(draw, displayed, live):
    slider = ipywidgets.IntSlider(250, 0, 999)
    widgets.play(draw, t=slider)
    settle()
    shown, message, bar = parts(displayed)

    slider.value = 13
    settle()
    assert "t is &lt;13&gt;; wanted another number." in message.value and "role" in message.value
    assert bytes(shown.value) == image(250).png
    assert bar.layout.visibility == "hidden"

    slider.value = 14
    settle()
    assert message.value == ""
    assert bytes(shown.value) == image(14).png


def test_an_error_between_two_images_is_one_too(displayed, live):
    def draw(t):
        yield image(t)
        raise RuntimeError("no more")

    widgets.play(draw, t=ipywidgets.IntSlider(250, 0, 999))
    settle()
    shown, message, _ = parts(displayed)
    assert bytes(shown.value) == image(250).png and "no more" in message.value


def test_the_first_image_is_there_before_the_last_is_computed(displayed, live):
    draw = Gated()
    widgets.play(draw, t=ipywidgets.IntSlider(500, 0, 999))
    assert draw.waits.acquire(timeout=60)
    shown, _, bar = parts(displayed)
    assert bytes(shown.value) == image(250).png and draw.finished == []
    assert bar.layout.visibility == "visible"
    draw.gate.release()
    settle()
    assert bytes(shown.value) == image(500).png and draw.finished == [500]


def test_of_twenty_quick_changes_the_last_is_drawn_and_what_it_overtook_is_not(displayed, live):
    draw, slider = Gated(), ipywidgets.IntSlider(500, 0, 999)
    widgets.play(draw, t=slider)
    assert draw.waits.acquire(timeout=60)  # the first drawing is half-way
    (thread,) = explorers()
    for t in range(20):
        slider.value = t
        assert explorers() == [thread]  # the changes wait for the one thread
    draw.gate.release(2)
    settle()
    assert draw.begun == [500, 19] and draw.finished == [19]
    assert bytes(parts(displayed)[0].value) == image(19).png


def test_what_is_overtaken_is_closed_and_nothing_of_it_stays(displayed, live):
    closed, references = [], []
    gate, waits = threading.Semaphore(0), threading.Semaphore(0)

    class Large:
        """Stands for the tensors of a computation."""

    def draw(t):
        large = Large()
        references.append(weakref.ref(large))
        try:
            yield step(20, 10)
            waits.release()
            assert gate.acquire(timeout=60)
            yield image(t)
        finally:
            closed.append(t)

    slider = ipywidgets.IntSlider(1, 0, 999)
    widgets.play(draw, t=slider)
    for t in (2, 3):
        assert waits.acquire(timeout=60)
        slider.value = t
        gate.release()
    gate.release()
    settle()
    assert closed == [1, 2, 3] and explorers() == []
    assert [reference() for reference in references] == [None] * 3


def test_a_bar_counts_timesteps_and_begins_anew_with_another_look(live):
    explorer = widgets.Explorer(None, {})
    seen = []
    for t, s in [(99, 49), (49, None), (99, 66), (66, 0), (0, None)]:
        explorer.show(step(t, s))
        seen.append((explorer.bar.value, explorer.bar.max, explorer.message.value))
    assert seen == [
        (50, 100, "step 1, t = 99"),
        (100, 100, "step 2, t = 49"),
        (33, 100, "step 1, t = 99"),
        (99, 100, "step 2, t = 66"),
        (100, 100, "step 3, t = 0"),
    ]


def test_a_bar_follows_a_training_too(live):
    explorer = widgets.Explorer(None, {})
    explorer.show(Progress(epoch=2, epochs=5, step=3, steps=10, loss=1.0))
    assert (explorer.bar.value, explorer.bar.max) == (13, 50)
    assert explorer.message.value == "epoch 2 of 5, step 3"


# What is kept


def test_what_was_made_once_is_handed_out_again():
    made = []

    @widgets.kept
    def make(a, b):
        for i in range(3):
            made.append((a, b, i))
            yield a + b + i

    assert list(make(1, 2)) == [3, 4, 5]
    assert list(make(1, 2)) == [5]
    assert list(make(1, 3)) == [4, 5, 6]
    assert len(made) == 6


def test_what_was_stopped_half_way_is_not_kept():
    @widgets.kept
    def make(a):
        yield from (1, 2)

    half = make(0)
    assert next(half) == 1
    half.close()
    assert list(make(0)) == [1, 2]


def test_only_the_last_few_are_kept():
    class Result:
        pass

    @widgets.kept
    def make(a):
        yield Result()

    references = [weakref.ref(next(make(i))) for i in range(3)]
    assert [reference() for reference in references] == [None] * 3  # not run to their ends
    references = [weakref.ref(*make(i)) for i in range(6)]
    assert [reference() is None for reference in references] == [True, True, False, False, False, False]


# Prompts


class Knows:
    """A model that says how near a prompt is to what it was shown."""

    def __init__(self, found):
        self.found = found

    def nearest(self, prompt):
        return self.found


@pytest.mark.parametrize("found", [("a dog", 0.56), None])
def test_a_prompt_that_is_near_enough_needs_no_remark(found):
    assert widgets.Prompt("a photo of a puppy", Knows(found)).remark() == ""


def test_a_prompt_that_is_far_from_everything_is_flagged(displayed, live):
    def draw(prompt):
        return image(len(prompt))

    widgets.play(draw, prompt=widgets.Prompt("the <b>idea</b> of a nation", Knows(("a flag", 0.31))))
    settle()
    shown, message, _ = parts(displayed)
    assert "a flag" in message.value and "0.31" in message.value and "&lt;b&gt;idea" in message.value
    assert bytes(shown.value) == image(27).png


def test_the_courses_own_prompts_need_no_remark():
    model = Knows(("a cat", 0.1))
    assert widgets.Prompt("a rocket ship", model).remark() == ""
    assert widgets.Prompt("a rocket ship in the rain", model).remark() != ""


def test_the_courses_prompts_are_suggested_and_any_other_is_taken():
    field = widgets.Prompt("a photo of a lighthouse", Knows(None))
    assert "a rocket ship" in field.options and "" not in field.options
    assert field.value == "a photo of a lighthouse"
    assert not field.continuous_update  # drawn when it is typed to its end


# A loss that falls


def training(epochs: int = 2, steps: int = 3, begin: int = 0):
    """What train() yields, without any training."""
    for i in range(begin, epochs * steps):
        yield Progress(i // steps + 1, epochs, i % steps + 1, steps, loss=1 / (i + 1))


def test_watch_hands_on_every_step(displayed, nobody):
    assert list(widgets.watch(training())) == list(training())


def test_headless_watch_shows_the_whole_curve_once(displayed, nobody):
    list(widgets.watch(training(), every=0))
    (curve,) = displayed
    assert "the loss over 6 steps, from 1 to 0.167" in curve.alt


def test_live_watch_draws_the_curve_as_it_grows(monkeypatch, live):
    shown = []

    class Handle:
        def update(self, image):
            shown.append(image.alt)

    def display(image, display_id=False):
        shown.append(image.alt)
        return Handle() if display_id else None

    monkeypatch.setattr(widgets, "display", display)
    list(widgets.watch(training(), every=0))
    assert "1 steps" in shown[0] and "2 steps" in shown[1] and "6 steps" in shown[-1]


@pytest.mark.parametrize("begin", [0, 4, 6])
def test_a_resumed_or_finished_run_can_be_watched(begin, displayed, nobody):
    assert len(list(widgets.watch(training(begin=begin)))) == 6 - begin
    assert len(displayed) == (begin < 6)
