"""Exercise of notebook 1.9: hybrid images."""

from .exercise import Exercise, Mistake
from .measured import Measured
from .references import blur_by, gauss
from .toys import Made, Toy, ask, noise

__all__ = ["EXERCISES"]


def probe_hybrid(student):
    x_t, cond = noise(2, 3, 32, 32, seed=124), tuple(noise(2, 1, 3, seed=125))
    for kernel_size, sigma in ((9, 1.5), (15, 3.0)):
        case = f"kernel_size = {kernel_size}, sigma = {sigma:g}"
        denoiser = student(case, Toy(size=32), kernel_size, sigma)
        eps, var = ask(student, denoiser, case, x_t, 30, cond)
        edge = kernel_size // 2  # what is beyond the edges, everyone may decide for themselves
        yield Measured("eps away from the edges", eps[..., edge:-edge, edge:-edge])
        yield Measured("var", var)
    denoiser = student("both prompts equal", Toy(size=32), 9, 1.5)
    eps, _ = ask(student, denoiser, "both prompts equal", x_t, 30, (cond[0], cond[0]))
    yield Measured("eps", eps)
    denoiser = student("a network without learned variance", Toy(size=32, learns_variance=False), 9, 1.5)
    _, var = ask(student, denoiser, "a network without learned variance", x_t, 30, cond)
    yield Measured("var", var)


low = blur_by(gauss)


def hybrid_by(
    mix=lambda far, near, low: low(far) + near - low(near),
    var=lambda far, near: far,
    order=lambda cond: cond,
    fixed=None,
):
    def hybrid(denoiser, kernel_size=33, sigma=2.0):
        size = fixed or (kernel_size, sigma)

        def predict(denoiser, x_t, t, cond):
            far, near = (denoiser(x_t, t, c) for c in order(cond))
            eps = mix(far.eps, near.eps, lambda x: low(x, *size))
            return eps, None if far.var is None else var(far.var, near.var)

        return Made(denoiser, predict)

    return hybrid


hybrid = Exercise(
    name="hybrid",
    notebook="a1_9",
    kit="helpers.illusions.Hybrid",
    task="Put the low-pass part of the far prompt's prediction and the high-pass part of the near one's together.",
    look="With both prompts equal it has to be the plain prediction: low-pass and high-pass add up to the whole.",
    probe=probe_hybrid,
    right=hybrid_by(),
    blank=("__call__",),
    mistakes=(
        Mistake(
            "far and near exchanged",
            hybrid_by(lambda far, near, low: low(near) + far - low(far)),
            "far and near are exchanged: from afar the eye sees the low frequencies, and the condition is (far, near).",
        ),
        Mistake(
            "high-pass forgotten",
            hybrid_by(lambda far, near, low: low(far) + near),
            "near's prediction is added whole: its low frequencies are in it as well. Take them away first.",
        ),
        Mistake(
            "high-pass forgotten",
            hybrid_by(lambda far, near, low: low(far)),
            "There is no high-pass part: nobody predicts the fine noise, so it would never go away.",
        ),
        Mistake(
            "high-pass of the far prompt",
            hybrid_by(lambda far, near, low: low(near) + far - low(near)),
            "The high-pass part mixes the two: far's prediction minus near's low frequencies.",
        ),
        Mistake(
            "high-pass of the far prompt",
            hybrid_by(lambda far, near, low: low(far) + near - low(far)),
            "The high-pass part is near's prediction minus FAR's low frequencies: take away its own.",
        ),
        Mistake(
            "low-pass of both",
            hybrid_by(lambda far, near, low: low(far) + low(near)),
            "Both parts are low-pass. The high-pass part is what the blur takes away: x - lowpass(x).",
        ),
        Mistake(
            "high-pass of both",
            hybrid_by(lambda far, near, low: far - low(far) + near - low(near)),
            "Both parts are high-pass. What is to be seen from afar are far's low frequencies: lowpass(far).",
        ),
        Mistake(
            "sign of the high-pass",
            hybrid_by(lambda far, near, low: low(far) + low(near) - near),
            "The high-pass part has the wrong sign: it is x - lowpass(x).",
        ),
        Mistake(
            "mean of the two",
            hybrid_by(lambda far, near, low: (low(far) + near - low(near)) / 2),
            "The sum is halved. The two parts own different frequencies, so they simply add up.",
        ),
        Mistake(
            "mean of the two",
            hybrid_by(lambda far, near, low: (far + near) / 2),
            "That is the mean of the two predictions: each has to be filtered first.",
        ),
        Mistake(
            "filtered twice",
            hybrid_by(lambda far, near, low: low(low(far)) + near - low(near)),
            "The low-pass part is blurred twice.",
        ),
        Mistake(
            "arguments ignored",
            hybrid_by(fixed=(33, 2.0)),
            "kernel_size and sigma make no difference: it always filters with 33 and 2.",
        ),
        Mistake(
            "variance of the near prompt",
            hybrid_by(var=lambda far, near: near),
            "var is near's. Take far's, as the docstring says.",
        ),
        Mistake(
            "variance averaged",
            hybrid_by(var=lambda far, near: (far + near) / 2),
            "var is the mean of both. It is no picture: take far's.",
        ),
        Mistake(
            "variance filtered",
            hybrid_by(var=lambda far, near: low(far, 9, 1.5) + near - low(near, 9, 1.5)),
            "var is filtered like eps. It is no picture: take far's as it is.",
        ),
        Mistake(
            "variance left out",
            hybrid_by(var=lambda far, near: None),
            "var is None, although the network has learned one: hand on far's.",
        ),
    ),
)


EXERCISES = [hybrid]
