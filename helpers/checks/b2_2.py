"""Exercise of notebook B 2.2: the examples from which a UNet learns to predict noise."""

from .examples import noise_mistakes, noise_task, probe_noise
from .exercise import Exercise

__all__ = ["EXERCISES"]

time_conditional = Exercise(
    name="time_conditional",
    notebook="b2_2",
    kit="helpers.tasks.TimeConditional",
    task="Make a batch of examples: draw t, by self.timesteps, and eps for every picture; the network sees (x_t, t/T) "
    "and should answer eps.",
    look="Compare with algorithm 1: a t for every picture, from 0 to T - 1, fresh noise, x_t by the forward process.",
    probe=probe_noise,
    right=noise_task(),
    blank=("examples",),
    mistakes=noise_mistakes(False),
)


EXERCISES = [time_conditional]
