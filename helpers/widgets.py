"""What moves in a notebook: controls with a picture that follows them, and a loss that falls while one watches."""

import html
import os
import time
from collections.abc import Callable, Iterator

import ipywidgets
from IPython.display import display
from tqdm.auto import tqdm

from .show import Picture, loss_curve
from .training import Progress


def headless() -> bool:
    """Whether nobody is there to move anything: `make course` and `make test` say so in the environment."""
    return bool(os.environ.get("COURSE_HEADLESS"))


def play(draw: Callable[..., Picture], **controls: ipywidgets.Widget) -> None:
    """Show `draw(name=value, …)` for the controls' values, and again after each change of one of them.

    Run headlessly it draws once, at the controls' first values, and leaves a plain picture in the notebook.
    An error shows as a sentence below the controls, and the last picture stays.
    """
    if headless():
        display(draw(**{name: control.value for name, control in controls.items()}))
        return
    at_its_own_size = ipywidgets.Layout(align_self="flex-start", max_width="100%")
    picture, message = ipywidgets.Image(format="png", layout=at_its_own_size), ipywidgets.HTML()

    def redraw(change=None) -> None:
        message.value = "drawing …"
        try:
            picture.value = draw(**{name: control.value for name, control in controls.items()}).png
            message.value = ""
        except Exception as error:  # whatever it is, a person at a slider wants a sentence
            message.value = html.escape(str(error) or type(error).__name__)

    for name, control in controls.items():
        control.description = control.description or name
        if hasattr(control, "continuous_update"):
            control.continuous_update = False  # draw when the slider is let go, not all the way along
        if isinstance(control, ipywidgets.Text):
            control.layout.width = "32em"  # room for a prompt
        control.observe(redraw, names="value")
    display(ipywidgets.VBox([*controls.values(), message, picture]))
    redraw()


def watch(steps: Iterator[Progress], *, every: float = 1.0) -> Iterator[Progress]:
    """Hand on what `train` yields, under a progress bar and above a curve of the loss so far.

        for progress in watch(train(network, recipe, data)):
            if progress.epoch_done: …

    The curve is drawn again every so many seconds. Run headlessly it is drawn once, at the end.
    """
    losses, curve, drawn = [], None, time.monotonic()
    with tqdm(unit="step", disable=headless()) as bar:
        for progress in steps:
            losses.append(progress.loss)
            bar.total, bar.desc = progress.epochs * progress.steps, f"epoch {progress.epoch} of {progress.epochs}: "
            bar.update((progress.epoch - 1) * progress.steps + progress.step - bar.n)  # a resumed run begins half-way
            if not headless() and time.monotonic() - drawn > every:
                picture = loss_curve(losses, progress.steps)
                if curve is None:
                    curve = display(picture, display_id=True)
                else:
                    curve.update(picture)
                drawn = time.monotonic()
            yield progress
    if losses:
        picture = loss_curve(losses, progress.steps)
        if curve is None:
            display(picture)
        else:
            curve.update(picture)
