"""Draws an explorer's controls as an image, for readers who see a notebook without a kernel."""

import ipywidgets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from .show import DPI, GREY, Graphic, finish_drawing

__all__ = ["drawn"]

ROW, BOX = 26, 18  # pixels: the height of a control's row, and of a box in it
LABEL, TRACK, READOUT = 112, 240, 64  # pixels: the widths of the columns


def drawn(controls: dict[str, ipywidgets.Widget]) -> Graphic:
    """Controls at their present values, one below the other: sliders with their knobs, everything else as a box."""
    width, height = LABEL + TRACK + READOUT, ROW * len(controls)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for i, (name, control) in enumerate(controls.items()):
        y = ROW * (i + 0.5)
        axes.text(LABEL - 10, y, control_name(control, name), color=GREY, fontsize=9, ha="right", va="center")
        share = position(control)
        if share is None:
            draw_box(axes, y, control)
        else:
            axes.plot([LABEL, LABEL + TRACK], [y, y], color=GREY, linewidth=1.5)
            axes.plot(LABEL + share * TRACK, y, "o", color="C0", markersize=7)
            axes.text(LABEL + TRACK + 12, y, value_of(control), color=GREY, fontsize=9, va="center")
    described = ", ".join(f"{control_name(control, name)} {value_of(control)}" for name, control in controls.items())
    return finish_drawing(figure, f"controls: {described}")


def control_name(control: ipywidgets.Widget, name: str) -> str:
    return getattr(control, "description", "") or name


def position(control: ipywidgets.Widget) -> float | None:
    """Where a slider's knob is, from 0 (left) to 1; None for anything but a slider."""
    if isinstance(control, ipywidgets.SelectionSlider):
        return control.index / max(1, len(control.options) - 1)
    if control.has_trait("min") and control.has_trait("max"):
        return (control.value - control.min) / (control.max - control.min)
    return None


def value_of(control: ipywidgets.Widget) -> str:
    value = control.value
    if isinstance(value, Tensor):
        return "(a drawing)"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def draw_box(axes: Axes, y: float, control: ipywidgets.Widget) -> None:
    """A box with the control's value; a menu has an arrow at its right end, too."""
    axes.add_patch(Rectangle((LABEL, y - BOX / 2), TRACK, BOX, fill=False, edgecolor=GREY, linewidth=1))
    axes.text(LABEL + 8, y, value_of(control), color=GREY, fontsize=9, va="center")
    if isinstance(control, ipywidgets.Dropdown):
        axes.text(LABEL + TRACK - 8, y, "▾", color=GREY, fontsize=9, ha="right", va="center")
