"""Exercise of notebook B 2.2: the examples from which a UNet learns to predict noise."""

from .examples import NOISE_MISTAKES, TimeConditional, probe_noise
from .exercise import Exercise, Mistake

__all__ = ["EXERCISES"]

EXERCISES = [
    Exercise(
        name="time_conditional",
        notebook="b2_2",
        kit="helpers.tasks.TimeConditional",
        task="Make a batch of examples: draw t, by self.timesteps, and eps for every image; the network sees "
        "(x_t, t/T) and has the target eps.",
        look="Compare with algorithm 1: a t for every image, from 0 to T - 1, fresh noise, x_t by the forward process.",
        probe=probe_noise,
        right=TimeConditional,
        blank=("examples",),
        mistakes=(
            Mistake("inputs in another order", "return (x_t, t01)", "return (t01, x_t)",
                    "The inputs are not in the network's order: x_t, t01."),
            *NOISE_MISTAKES,
        ),
    )
]  # fmt: skip
