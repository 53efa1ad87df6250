"""Explorers, whose image follows their controls, and a loss curve that grows during training.

An explorer computes in its own thread, which keeps the notebook responsive, and cancels outdated computations.
"""

import functools
import html
import os
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import ipywidgets
import traitlets
from IPython.display import display
from tqdm.auto import tqdm

from .controls import drawn
from .models import TextToImage
from .prompts import course_prompts
from .sampling import Step
from .show import Graphic, loss_curve, stack
from .training import Progress
from .validate import check_function, in_words, kind

__all__ = ["FAR", "Explorer", "Prompt", "kept", "play", "watch"]

LEGIBLE = 0.75  # an image is not shrunk below this fraction of its size, or its titles would be illegible
FAR = 0.55  # a prompt whose cosine similarity to every known concept is lower gets a warning


def headless() -> bool:
    """Whether the notebook runs without a user, as in `make course` and `make test`, which set COURSE_HEADLESS."""
    return bool(os.environ.get("COURSE_HEADLESS"))


def play(draw: Callable[..., Graphic | Iterator], **controls: ipywidgets.Widget) -> None:
    """Show the result of `draw(name=value, …)` for the controls' values, and update it whenever one of them changes.

    `draw` returns a Graphic. Or it is a generator that yields Graphics, each better than the one before, and Steps of
    a sampler (or Progress of a training), which move a progress bar:

        def draw(prompt, seed):
            for stride in (17, 1):  # a quick look, then every step
                for step in sample(…, timesteps=timesteps[::stride], …):
                    yield step
                yield show.grid([step.x_s])

    At each yield, it is stopped if a control has changed. An error's message is shown above the image, and the last
    image stays. In a headless run, it draws once, and displays the last Graphic below a drawing of the controls.
    """
    check_function(draw, "draw", "def draw(seed): return show.grid(…)")
    for name, control in controls.items():
        if not isinstance(control, ipywidgets.Widget) or not control.has_trait("value"):
            raise TypeError(f"{name} is {in_words(control)}; wanted a control, such as ipywidgets.IntSlider(…).")
    if headless():
        images = [stage for stage in stages(draw, values_of(controls)) if isinstance(stage, Graphic)]
        if not images:
            raise ValueError("draw gave steps, but no image; wanted at least one, such as show.grid(…).")
        display(stack(drawn(controls), images[-1]))
        return
    explorer = Explorer(draw, controls)
    display(explorer.box)
    explorer.redraw()


def stages(draw: Callable, values: dict) -> Iterator:
    """The results of a draw function, one after the other."""
    drawn = draw(**values)
    for stage in drawn if isinstance(drawn, Iterator) else [drawn]:
        if not isinstance(stage, (Graphic, Step, Progress)):
            raise TypeError(f"draw gave a {type(stage).__name__}; wanted an image, such as show.grid(…), or a Step.")
        yield stage


def values_of(controls: dict[str, ipywidgets.Widget]) -> dict:
    return {name: control.value for name, control in controls.items()}


class Image(ipywidgets.Image):
    """An image whose `tooltip` is its alt text."""

    description = traitlets.Unicode("").tag(sync=True)  # required by the browser side of ipywidgets 8


class Explorer:
    """Controls and an image that follows them; see `play`."""

    def __init__(self, draw: Callable, controls: dict[str, ipywidgets.Widget]):
        self.draw, self.controls = draw, controls
        self.image = Image(format="png", layout={"align_self": "flex-start", "max_width": "100%"})
        self.widest = 0  # of the images so far, in pixels
        self.bar = ipywidgets.IntProgress(layout={"width": "12em", "visibility": "hidden"})
        self.message = ipywidgets.HTML()
        self.first, self.count = None, 0  # of the Steps that the bar counts
        self.newest = Newest(self.compute)
        for name, control in controls.items():
            arrange(control, name)
            control.observe(self.redraw, names="value")
        status = ipywidgets.HBox([self.bar, self.message], layout={"flex_flow": "row wrap", "min_height": "2.4em"})
        frame = ipywidgets.Box([self.image], layout={"overflow": "auto hidden"})
        self.seen = ipywidgets.VBox([status, frame], layout={"max_width": "100%"})
        # side by side where the window is wide enough for both
        columns = [ipywidgets.VBox(list(controls.values())), self.seen]
        self.box = ipywidgets.HBox(columns, layout={"flex_flow": "row wrap"})
        for part, name in [
            (self.box, "explorer"),
            (self.bar, "explorer-bar"),
            (self.message, "explorer-message"),
            (frame, "explorer-frame"),
        ]:
            part.add_class(name)

    def redraw(self, change=None) -> None:
        self.newest.ask(values_of(self.controls))

    def compute(self, values: dict) -> Iterator[None]:
        """Draw and show; yields where it can be stopped."""
        self.first, self.bar.value, self.bar.layout.visibility = None, 0, "visible"
        self.message.value = "computing …"
        try:
            for stage in stages(self.draw, values):
                yield
                self.show(stage)
            remarks = [control.remark() for control in self.controls.values() if hasattr(control, "remark")]
            sentence = " ".join(filter(None, remarks))
        except GeneratorExit:  # a control has changed in the meantime
            raise
        except BaseException as error:  # even SystemExit, because the user needs a message
            sentence = sentence_of(error)
        yield
        self.message.value = f'<span role="alert">{html.escape(sentence)}</span>' if sentence else ""
        self.bar.layout.visibility = "hidden"

    def make_room(self, width: int) -> None:
        """For an image of this width: in a narrow window it shrinks as long as it is legible, and then scrolls."""
        self.widest = max(self.widest, width)
        self.seen.layout.min_width = (
            f"min(100%, {self.widest}px)"  # otherwise a narrow image would jump beside the controls
        )
        self.image.layout.min_width = f"{LEGIBLE * width:.0f}px"

    def show(self, stage: Graphic | Step | Progress) -> None:
        """Show an image, or the progress of the computation."""
        if isinstance(stage, Graphic):
            self.make_room(stage.width)
            self.image.value, self.image.tooltip = stage.png, stage.alt  # ipywidgets 7 ignores the tooltip
        elif isinstance(stage, Progress):
            self.bar.max, self.bar.value = stage.epochs * stage.steps, (stage.epoch - 1) * stage.steps + stage.step
            self.message.value = f"epoch {stage.epoch} of {stage.epochs}, step {stage.step}"
        else:
            if self.first is None or stage.t >= self.first:
                self.first, self.count = stage.t, 0  # another sampling run begins
            self.count += 1
            # it counts timesteps, because the number of steps is unknown
            self.bar.max, self.bar.value = self.first + 1, self.first - (-1 if stage.s is None else stage.s)
            self.message.value = f"step {self.count}, t = {stage.t}"


def sentence_of(error: BaseException) -> str:
    """An error's message, or the name of its class if it has none."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def arrange(control: ipywidgets.Widget, name: str) -> None:
    """Set the label and the width of a control."""
    if not control.has_trait("description"):
        return
    control.description = control.description or name
    control.style.description_width = "7em"
    control.layout.width, control.layout.max_width = "32em", "98%"


class Newest:
    """Works on one request at a time in a thread, and always on the newest.

    `work(request)` is a generator. An outdated request is closed at its next yield, or never begins. The thread ends
    when there is nothing to do.
    """

    def __init__(self, work: Callable[[object], Iterator]):
        self.work = work
        self.lock = threading.Lock()  # controls may change in several threads
        self.request, self.thread = None, None

    def ask(self, request) -> None:
        with self.lock:
            self.request = request
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="explorer", daemon=True)
                self.thread.start()

    def run(self) -> None:
        while (request := self.next_request()) is not None:
            work = self.work(request)
            try:
                for _ in work:
                    if self.request is not None:
                        work.close()
                        break
            except BaseException:  # the thread must go on, or the next request would wait forever
                traceback.print_exc()

    def next_request(self):
        with self.lock:
            request, self.request = self.request, None
            if request is None:
                self.thread = None
            return request


def kept(make: Callable[..., Iterator]) -> Callable[..., Iterator]:
    """Caches the last value that a generator function yields: a call with the same arguments yields only that.

    With it, a control that only changes the view of a result (a turn, a distance) computes nothing again. The cache has
    four entries.
    """
    results = OrderedDict()

    @functools.wraps(make)
    def again(*arguments):
        if arguments not in results:
            for result in make(*arguments):
                yield result
            results[arguments] = result
            if len(results) > 4:
                results.popitem(last=False)
        else:
            yield results[arguments]

    return again


class Prompt(ipywidgets.Combobox):
    """A text field for a prompt, with the kit's prompts as suggestions, and a warning for unfamiliar ones."""

    def __init__(self, value: str, text_to_image: TextToImage):
        suggestions = [prompt for prompt in course_prompts() if prompt]
        super().__init__(value=value, options=suggestions, placeholder="a photo of …", continuous_update=False)
        self.text_to_image = text_to_image

    def remark(self) -> str:
        """A warning about an unfamiliar prompt, or nothing. The kit's own prompts need none."""
        found = None if self.value in self.options else self.text_to_image.nearest(self.value)
        if found is None or found[1] >= FAR:
            return ""
        return (
            f"The model was trained on nothing like “{self.value}”. The nearest concept is “{found[0]}”, with a "
            f"similarity of {found[1]:.2f}: expect vague colours and shapes."
        )


def watch(steps: Iterator[Progress], *, every: float = 1.0) -> Iterator[Progress]:
    """Yield what `train` yields, with a progress bar and a curve of the loss so far.

        for progress in watch(train(network, recipe, data)):
            if progress.epoch_done: …

    The curve is redrawn every `every` seconds; in a headless run, once at the end.
    """
    if not isinstance(steps, Iterable):
        raise TypeError(f"steps is {in_words(steps)}; wanted what train(…) gives.")
    losses, curve, drawn = [], None, time.monotonic()
    with tqdm(unit="step", disable=headless()) as bar:
        for progress in steps:
            if not isinstance(progress, Progress):
                raise TypeError(f"a step is {kind(progress)}; wanted what train(…) gives.")
            losses.append(progress.loss)
            bar.total, bar.desc = progress.epochs * progress.steps, f"epoch {progress.epoch} of {progress.epochs}: "
            bar.update(
                (progress.epoch - 1) * progress.steps + progress.step - bar.n
            )  # a resumed run does not begin at 0
            if not headless() and time.monotonic() - drawn > every:
                image = loss_curve(losses, progress.steps)
                if curve is None:
                    curve = display(image, display_id=True)
                else:
                    curve.update(image)
                drawn = time.monotonic()
            yield progress
    if losses:
        image = loss_curve(losses, progress.steps)
        if curve is None:
            display(image)
        else:
            curve.update(image)
