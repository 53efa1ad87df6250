"""What moves in a notebook: explorers, whose picture follows their controls, and a loss that falls while one watches.

An explorer computes in a thread of its own, so that the notebook stays free, and drops what a newer change overtakes.
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

from .models import TextToImage
from .prompts import course_prompts
from .sampling import Step
from .show import Picture, loss_curve
from .training import Progress
from .validate import check_function, in_words, kind

__all__ = ["FAR", "Explorer", "Prompt", "kept", "play", "watch"]

LEGIBLE = 0.75  # of a picture's own size: smaller, nobody reads its titles
FAR = 0.55  # of a prompt's nearest relative: below this cosine similarity the model hardly knows what is meant


def headless() -> bool:
    """Whether nobody is there to move anything: `make course` and `make test` say so in the environment."""
    return bool(os.environ.get("COURSE_HEADLESS"))


def play(draw: Callable[..., Picture | Iterator], **controls: ipywidgets.Widget) -> None:
    """Show what `draw(name=value, …)` draws for the controls' values, and again whenever one of them changes.

    `draw` returns a picture. Or it is a generator: of pictures, each better than the one before, and of the Steps of a
    sampler (or a training's Progress), which move a progress bar:

        def draw(prompt, seed):
            for stride in (17, 1):  # a quick look, then every step
                for step in sample(…, timesteps=timesteps[::stride], …):
                    yield step
                yield show.grid([step.x_s])

    Wherever it yields it is stopped if a control has changed in the meantime. An error shows as a sentence above the
    picture, and the last picture stays. Run headlessly it draws once, at the controls' first values, and leaves the
    last picture in the notebook as a plain one.
    """
    check_function(draw, "draw", "def draw(seed): return show.grid(…)")
    for name, control in controls.items():
        if not isinstance(control, ipywidgets.Widget) or not control.has_trait("value"):
            raise TypeError(f"{name} is {in_words(control)}; wanted a control, such as ipywidgets.IntSlider(…).")
    if headless():
        pictures = [stage for stage in stages(draw, values_of(controls)) if isinstance(stage, Picture)]
        if not pictures:
            raise ValueError("draw gave steps, but no picture; wanted at least one, such as show.grid(…).")
        display(pictures[-1])
        return
    explorer = Explorer(draw, controls)
    display(explorer.box)
    explorer.redraw()


def stages(draw: Callable, values: dict) -> Iterator:
    """What a draw function gives for some values, one after the other."""
    drawn = draw(**values)
    for stage in drawn if isinstance(drawn, Iterator) else [drawn]:
        if not isinstance(stage, (Picture, Step, Progress)):
            raise TypeError(f"draw gave a {type(stage).__name__}; wanted a picture, such as show.grid(…), or a Step.")
        yield stage


def values_of(controls: dict[str, ipywidgets.Widget]) -> dict:
    return {name: control.value for name, control in controls.items()}


class Image(ipywidgets.Image):
    """A picture whose `tooltip` says in words what it shows."""

    description = traitlets.Unicode("").tag(sync=True)  # the browser's side of ipywidgets 8 asks for it then


class Explorer:
    """Controls, and the picture that follows them; see `play`."""

    def __init__(self, draw: Callable, controls: dict[str, ipywidgets.Widget]):
        self.draw, self.controls = draw, controls
        self.picture = Image(format="png", layout={"align_self": "flex-start", "max_width": "100%"})
        self.widest = 0  # of the pictures so far, in pixels
        self.bar = ipywidgets.IntProgress(layout={"width": "12em", "visibility": "hidden"})
        self.message = ipywidgets.HTML()
        self.first, self.count = None, 0  # of the Steps that the bar counts
        self.newest = Newest(self.compute)
        for name, control in controls.items():
            arrange(control, name)
            control.observe(self.redraw, names="value")
        status = ipywidgets.HBox([self.bar, self.message], layout={"flex_flow": "row wrap", "min_height": "2.4em"})
        frame = ipywidgets.Box([self.picture], layout={"overflow": "auto hidden"})
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
        """Draw and show; yields wherever it may be stopped."""
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
        except BaseException as error:  # also SystemExit: the user at a slider needs a sentence
            sentence = sentence_of(error)
        yield
        self.message.value = f'<span role="alert">{html.escape(sentence)}</span>' if sentence else ""
        self.bar.layout.visibility = "hidden"

    def make_room(self, width: int) -> None:
        """For a picture of so many pixels: in a narrow window it shrinks while it is legible, and then it scrolls."""
        self.widest = max(self.widest, width)
        self.seen.layout.min_width = f"min(100%, {self.widest}px)"  # or a narrow picture would jump beside the controls
        self.picture.layout.min_width = f"{LEGIBLE * width:.0f}px"

    def show(self, stage: Picture | Step | Progress) -> None:
        """A picture in its place, or how far the computation has come."""
        if isinstance(stage, Picture):
            self.make_room(stage.width)
            self.picture.value, self.picture.tooltip = stage.png, stage.alt  # ipywidgets 7 leaves the words unused
        elif isinstance(stage, Progress):
            self.bar.max, self.bar.value = stage.epochs * stage.steps, (stage.epoch - 1) * stage.steps + stage.step
            self.message.value = f"epoch {stage.epoch} of {stage.epochs}, step {stage.step}"
        else:
            if self.first is None or stage.t >= self.first:
                self.first, self.count = stage.t, 0  # another look begins
            self.count += 1
            # it counts timesteps, since nobody knows how many steps will come
            self.bar.max, self.bar.value = self.first + 1, self.first - (-1 if stage.s is None else stage.s)
            self.message.value = f"step {self.count}, t = {stage.t}"


def sentence_of(error: BaseException) -> str:
    """What an error says; the name of its class if it says nothing, or fails to."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def arrange(control: ipywidgets.Widget, name: str) -> None:
    """The label and the width of a control."""
    if not control.has_trait("description"):
        return
    control.description = control.description or name
    control.style.description_width = "7em"
    control.layout.width, control.layout.max_width = "32em", "98%"


class Newest:
    """Does one thing at a time, in a thread of its own: the newest that was asked for.

    `work(wish)` is a generator. What has been overtaken is closed where it yields next; what waited, and was overtaken
    while it did, never begins. With nothing left to do the thread ends.
    """

    def __init__(self, work: Callable[[object], Iterator]):
        self.work = work
        self.lock = threading.Lock()  # the changes of controls may come from another thread than the last
        self.wish, self.thread = None, None

    def ask(self, wish) -> None:
        with self.lock:
            self.wish = wish
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="explorer", daemon=True)
                self.thread.start()

    def run(self) -> None:
        while (wish := self.next_wish()) is not None:
            work = self.work(wish)
            try:
                for _ in work:
                    if self.wish is not None:
                        work.close()
                        break
            except BaseException:  # this thread has to stay, or the next wish would wait for ever
                traceback.print_exc()

    def next_wish(self):
        with self.lock:
            wish, self.wish = self.wish, None
            if wish is None:
                self.thread = None
            return wish


def kept(make: Callable[..., Iterator]) -> Callable[..., Iterator]:
    """For a generator that improves what it yields: the last thing that it yields is kept, and is all that it yields
    when it is called with the same arguments again.

    So a control that only looks at a result, at a turn or a distance, has nothing to compute. The last four are kept.
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
    """A field for a prompt, with the course's as suggestions, that says when a model hardly knows what is meant."""

    def __init__(self, value: str, text_to_image: TextToImage):
        suggestions = [prompt for prompt in course_prompts() if prompt]
        super().__init__(value=value, options=suggestions, placeholder="a photo of …", continuous_update=False)
        self.text_to_image = text_to_image

    def remark(self) -> str:
        """A sentence about the prompt, or nothing. The course's own prompts need none."""
        found = None if self.value in self.options else self.text_to_image.nearest(self.value)
        if found is None or found[1] >= FAR:
            return ""
        return (
            f"The model was shown nothing like “{self.value}”. What comes closest is “{found[0]}”, with a similarity "
            f"of {found[1]:.2f}: expect colours and shapes rather than the thing."
        )


def watch(steps: Iterator[Progress], *, every: float = 1.0) -> Iterator[Progress]:
    """Hand on what `train` yields, under a progress bar and above a curve of the loss so far.

        for progress in watch(train(network, recipe, data)):
            if progress.epoch_done: …

    The curve is drawn again every so many seconds. Run headlessly it is drawn once, at the end.
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
