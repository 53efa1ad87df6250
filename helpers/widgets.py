"""Controls to play with: a picture that is drawn anew whenever a control moves."""

import html
import os
from collections.abc import Callable

import ipywidgets
from IPython.display import display

from .show import Picture


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
