"""play(): a plain picture where nobody is there, and one that follows the controls where somebody is."""

import ipywidgets
import pytest
import torch

from helpers import show, widgets
from helpers.training import Progress


class Drawing:
    """A draw function that counts its calls, and fails where it is told to."""

    def __init__(self):
        self.calls = []

    def __call__(self, **values) -> show.Picture:
        self.calls.append(values)
        if values.get("t") == 13:
            raise ValueError("t is <13>; wanted another number.")
        return show.grid([torch.full((1, 4, 4), values["t"] / 1000)], cell=16, low=0)


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
    """The picture and the message of the one box that was displayed."""
    (box,) = displayed
    (picture,) = [child for child in box.children if isinstance(child, ipywidgets.Image)]
    (message,) = [child for child in box.children if isinstance(child, ipywidgets.HTML)]
    return picture, message


def test_headless_it_shows_one_plain_picture_at_the_first_values(draw, displayed, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    widgets.play(draw, t=ipywidgets.IntSlider(250, 0, 999), gamma=ipywidgets.FloatSlider(7.0))
    assert draw.calls == [{"t": 250, "gamma": 7.0}]
    (picture,) = displayed
    assert isinstance(picture, show.Picture)


def test_headless_an_error_is_raised_and_fails_the_notebook(draw, displayed, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    with pytest.raises(ValueError, match="t is <13>"):
        widgets.play(draw, t=ipywidgets.IntSlider(13, 0, 999))
    assert displayed == []


def test_live_it_draws_at_once_and_shows_the_controls(draw, displayed, live):
    slider = ipywidgets.IntSlider(250, 0, 999)
    widgets.play(draw, t=slider)
    picture, message = parts(displayed)
    assert draw.calls == [{"t": 250}]
    assert bytes(picture.value) == draw(t=250).png
    assert message.value == ""
    assert slider in displayed[0].children
    assert slider.description == "t"


def test_a_control_keeps_the_description_that_it_came_with(draw, displayed, live):
    slider = ipywidgets.IntSlider(250, 0, 999, description="timestep")
    widgets.play(draw, t=slider)
    assert slider.description == "timestep"


def test_every_change_of_a_control_draws_once_with_all_values(draw, displayed, live):
    t, gamma = ipywidgets.IntSlider(250, 0, 999), ipywidgets.FloatSlider(7.0)
    widgets.play(draw, t=t, gamma=gamma)
    t.value = 500
    gamma.value = 3.0
    gamma.value = 3.0  # no change
    assert draw.calls == [{"t": 250, "gamma": 7.0}, {"t": 500, "gamma": 7.0}, {"t": 500, "gamma": 3.0}]
    assert bytes(parts(displayed)[0].value) == draw(t=500).png


def test_a_slider_draws_when_it_is_let_go(draw, displayed, live):
    slider = ipywidgets.IntSlider(250, 0, 999)
    assert slider.continuous_update
    widgets.play(draw, t=slider)
    assert not slider.continuous_update


def test_an_error_becomes_a_sentence_and_the_last_picture_stays(draw, displayed, live):
    slider = ipywidgets.IntSlider(250, 0, 999)
    widgets.play(draw, t=slider)
    picture, message = parts(displayed)
    before = bytes(picture.value)

    slider.value = 13
    assert message.value == "t is &lt;13&gt;; wanted another number."
    assert bytes(picture.value) == before

    slider.value = 14
    assert message.value == ""
    assert bytes(picture.value) == draw(t=14).png != before


def training(epochs: int = 2, steps: int = 3, begin: int = 0):
    """What train() yields, without any training."""
    for i in range(begin, epochs * steps):
        yield Progress(i // steps + 1, epochs, i % steps + 1, steps, loss=1 / (i + 1))


def test_watch_hands_on_every_step(displayed, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    assert list(widgets.watch(training())) == list(training())


def test_headless_watch_shows_the_whole_curve_once(displayed, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    list(widgets.watch(training(), every=0))
    (picture,) = displayed
    assert "the loss over 6 steps, from 1 to 0.167" in picture.alt


def test_live_watch_draws_the_curve_as_it_grows(monkeypatch, live):
    shown = []

    class Handle:
        def update(self, picture):
            shown.append(picture.alt)

    def display(picture, display_id=False):
        shown.append(picture.alt)
        return Handle() if display_id else None

    monkeypatch.setattr(widgets, "display", display)
    list(widgets.watch(training(), every=0))
    assert "1 steps" in shown[0] and "2 steps" in shown[1] and "6 steps" in shown[-1]


@pytest.mark.parametrize("begin", [0, 4, 6])
def test_a_resumed_or_finished_run_can_be_watched(begin, displayed, monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    assert len(list(widgets.watch(training(begin=begin)))) == 6 - begin
    assert len(displayed) == (begin < 6)
