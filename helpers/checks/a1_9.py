"""Exercise of notebook 1.9: hybrid images."""

# ruff: noqa: E501 (one mistake, two lines)

from ..denoisers import Prediction
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .references import blur
from .toys import Toy, ask, noise

__all__ = ["EXERCISES"]


def probe_hybrid(student):
    x_t, cond = noise(2, 3, 32, 32, seed=124), tuple(noise(2, 1, 3, seed=125))
    for kernel_size, sigma in ((9, 1.5), (15, 3.0)):
        case = f"kernel_size = {kernel_size}, sigma = {sigma:g}"
        denoiser = student(case, Toy(size=32), kernel_size, sigma)
        eps, var = ask(student, denoiser, case, x_t, 30, cond)
        edge = kernel_size // 2  # beyond the edges, the padding is the student's choice
        yield Measured("eps away from the edges", eps[..., edge:-edge, edge:-edge])
        yield Measured("var", var)
    denoiser = student("both prompts equal", Toy(size=32), 9, 1.5)
    eps, _ = ask(student, denoiser, "both prompts equal", x_t, 30, (cond[0], cond[0]))
    yield Measured("eps", eps)
    denoiser = student("a network without learned variance", Toy(size=32, learns_variance=False), 9, 1.5)
    _, var = ask(student, denoiser, "a network without learned variance", x_t, 30, cond)
    yield Measured("var", var)


class Hybrid:
    def __init__(self, denoiser, kernel_size=33, sigma=2.0):
        self.denoiser, self.kernel_size, self.sigma = denoiser, kernel_size, sigma

    def low(self, x):
        return blur(x, self.kernel_size, self.sigma)

    def __call__(self, x_t, t, cond):
        far, near = (self.denoiser(x_t, t, c) for c in cond)
        low_pass = self.low(far.eps)
        high_pass = near.eps - self.low(near.eps)
        return Prediction(low_pass + high_pass, far.var)


EXERCISES = [
    Exercise(
        name="hybrid",
        notebook="a1_9",
        kit="helpers.illusions.Hybrid",
        task="Put the low-pass part of the far prompt's prediction and the high-pass part of the near one's together.",
        look="With both prompts equal it has to be the plain prediction: low-pass and high-pass add up to the whole.",
        probe=probe_hybrid,
        right=Hybrid,
        blank=("__call__",),
        mistakes=(
            *alike("far and near exchanged", "far and near are exchanged: the low frequencies are visible from afar, and the condition is (far, near).",
                   ("far, near = ", "near, far = "),
                   ("self.low(far.eps)\n        high_pass = near.eps - self.low(near.eps)", "self.low(near.eps)\n        high_pass = far.eps - self.low(far.eps)")),
            Mistake("high-pass forgotten", "near.eps - self.low(near.eps)", "near.eps",
                    "near's full prediction is added, including its low frequencies. Remove them first."),
            Mistake("high-pass forgotten", "low_pass + high_pass", "low_pass",
                    "There is no high-pass part: the fine noise is never predicted, so it is never removed."),
            Mistake("high-pass of the far prompt", "self.low(far.eps)\n        high_pass = near.eps", "self.low(near.eps)\n        high_pass = far.eps",
                    "The high-pass part mixes the two: far's prediction minus near's low frequencies."),
            Mistake("high-pass of the far prompt", "self.low(near.eps)", "self.low(far.eps)",
                    "The high-pass part is near's prediction minus FAR's low frequencies: take away its own."),
            Mistake("low-pass of both", "near.eps - self.low", "self.low",
                    "Both parts are low-pass. The high-pass part is what the blur removes: x - lowpass(x)."),
            Mistake("high-pass of both", "low_pass = ", "low_pass = far.eps - ",
                    "Both parts are high-pass. The low-pass part is lowpass(far), which is visible from afar."),
            Mistake("sign of the high-pass", "low_pass + high_pass", "low_pass - high_pass",
                    "The high-pass part has the wrong sign: it is x - lowpass(x)."),
            Mistake("mean of the two", "low_pass + high_pass", "(low_pass + high_pass) / 2",
                    "The sum is halved. The two parts have different frequencies, so they are simply added."),
            Mistake("mean of the two", "low_pass + high_pass", "(far.eps + near.eps) / 2",
                    "That is the mean of the two predictions: each has to be filtered first."),
            Mistake("filtered twice", "self.low(far.eps)", "self.low(self.low(far.eps))",
                    "The low-pass part is blurred twice."),
            Mistake("arguments ignored", "= denoiser, kernel_size, sigma", "= denoiser, 33, 2.0",
                    "kernel_size and sigma make no difference: it always filters with 33 and 2."),
            Mistake("variance of the near prompt", "far.var", "near.var",
                    "var is near's. Take far's, as in the docstring."),
            *alike("variance averaged", "var is the mean of both. It is not an image: take far's.",
                   ("far.var", "(far.var + near.var) / 2"),
                   ("far.var", "far.var if far.var is None else (far.var + near.var) / 2")),
            *alike("variance filtered", "var is filtered like eps. It is not an image: take far's unchanged.",
                   ("far.var", "self.low(far.var) + near.var - self.low(near.var)"),
                   ("far.var", "far.var if far.var is None else self.low(far.var) + near.var - self.low(near.var)")),
            Mistake("variance left out", "far.var", "None",
                    "var is None, although the network has learned one: take far's."),
        ),
    )
]  # fmt: skip
