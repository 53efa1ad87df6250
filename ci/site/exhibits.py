"""The gallery's exhibits, made by the library.

One function makes a section's exhibits. Its arguments are the parameters of the notebook, including the seed, so they
are the notebook's own images.
"""

import functools
from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from ci.site.looks import Exhibit, Look, Strip, side_by_side, stacked
from helpers import show
from helpers.data import course_image, rectangle_mask
from helpers.denoisers import guided
from helpers.digits import DigitDenoiser
from helpers.editing import inpaint, sdedit
from helpers.illusions import anagram, hybrid, turned
from helpers.models import TextToImage, load_model
from helpers.recipes import class_conditional
from helpers.results import load_result
from helpers.sampling import ddim_step, dynamic_threshold, final, forward
from helpers.schedule import strided_timesteps
from helpers.unet import one_hot
from making.sampling import paint

# ---- Part A ----------------------------------------------------------------------------------------------------------


def noised(*, model, seed, image, **_) -> list[Exhibit]:
    schedule, x0 = text_to_image(model).stage_1.schedule, course_image(image)
    timesteps = [*range(0, schedule.T, 50), schedule.T - 1]
    x_t = [forward(x0, t, schedule.alphas_cumprod, generator=seeded(seed))[0] for t in timesteps]
    labels = [f"t = {t}" for t in timesteps]
    caption = "The forward process: the same noise, more and more of it"
    return [Strip([pixels(x) for x in x_t], labels, 0, f"{image}, noised to the timestep of the slider", caption)]


def insisted(*, model, seed, steps, known_prompt, **_) -> list[Exhibit]:
    gammas = [0, 1, 2, 3, 5, 7, 10, 15]
    cond = text_to_image(model).embed(known_prompt)

    def painted(gamma, threshold):
        denoiser = guided(text_to_image(model).stage_1, float(gamma))
        return paint(denoiser, cond, 1, steps=steps, threshold=threshold, generator=seeded(seed))

    frames = [in_a_row([painted(gamma, None), painted(gamma, dynamic_threshold)]) for gamma in gammas]
    labels = [f"γ = {gamma}" for gamma in gammas]
    caption = f"“{known_prompt}” under growing guidance, plain and with dynamic thresholding"
    return [Strip(frames, labels, 4, f"{known_prompt}, twice, with the guidance of the slider", caption)]


def edited(tasks: Sequence[tuple[str, str]], *, model, seed, steps, gamma, i_starts, caption: str) -> Strip:
    """SDEdit of several images, each with a prompt, side by side; a frame for every i_start."""
    denoiser = guided(text_to_image(model).stage_1, gamma)
    x_orig = [course_image(name) for name, _ in tasks]
    conds = [text_to_image(model).embed(prompt) for _, prompt in tasks]

    def edit(x, cond, i_start):
        return final(sdedit(denoiser, x, cond, i_start=i_start, **usual(steps, seed)), progress=False)

    frames = [in_a_row([edit(x, cond, i) for x, cond in zip(x_orig, conds)]) for i in i_starts]
    labels = [*(f"i_start = {i}" for i in i_starts), "original"]
    alt = f"{', '.join(name for name, _ in tasks)}, each edited from the i_start of the slider"
    return Strip([*frames, in_a_row(x_orig)], labels, len(frames), alt, caption)


def free_to_faithful(*, images, prompt, model, seed, steps, gamma, i_starts, **_) -> list[Exhibit]:
    caption = "Noised and denoised: from free to faithful"
    options = {"model": model, "seed": seed, "steps": steps, "gamma": gamma, "i_starts": i_starts}
    return [edited([(name, prompt) for name in images], **options, caption=caption)]


def drawings_edited(*, web_image, drawings, prompt, **parameters) -> list[Exhibit]:
    first = free_to_faithful(images=[web_image, *drawings[:1]], prompt=prompt, **parameters)
    return [*first, *free_to_faithful(images=drawings[1:], prompt=prompt, **parameters)]


def towards_prompts(*, course_tasks, known_tasks, model, seed, steps, gamma, i_starts, **_) -> list[Exhibit]:
    options = {"model": model, "seed": seed, "steps": steps, "gamma": gamma, "i_starts": i_starts}
    return [
        edited(tasks, **options, caption="; ".join(f"{name}, towards “{prompt}”" for name, prompt in tasks))
        for tasks in (course_tasks, known_tasks)
    ]


def repainted(*, model, seed, steps, gamma, tasks, **_) -> list[Exhibit]:
    exhibits = []
    denoiser = guided(text_to_image(model).stage_1, gamma)
    for name, rectangle, prompt in tasks:
        x_orig, mask = course_image(name), rectangle_mask(*rectangle)
        cond = text_to_image(model).embed(prompt)
        result = final(inpaint(denoiser, x_orig, mask, cond, **usual(steps, seed)), progress=False)
        images = [pixels(x) for x in (x_orig, x_orig * (1 - mask), result)]
        states = [f"{name}, the original", "the kept part; the grey hole is the mask", f"repainted: {prompt}"]
        exhibits.append(Look("dissolve", images, states))
    return exhibits


def two_views(*, model, seed, steps, gamma, known_pairs, course_pairs, other_views, other_pair, **_) -> list[Exhibit]:
    def painted(pair, view):
        denoiser = guided(anagram(text_to_image(model).stage_1, ["identity", view]), gamma)
        return paint_pair(model, denoiser, pair, steps, seed)

    exhibits = []
    for first, second in [*known_pairs, *course_pairs]:
        states = [first, f"upside down: {second}"]
        exhibits.append(Look("turn", [pixels(painted((first, second), "flip"))], states))
    shares = [i / 10 for i in range(11)]
    for view in other_views:
        x = painted(other_pair, view)
        frames = [pixels(turned(x, view, share)) for share in shares]
        labels = [f"{share:.0%} of the way" for share in shares]
        caption = f"{view.replace('_', ' ')}: {other_pair[0]}, and {other_pair[1]}"
        exhibits.append(Strip(frames, labels, 0, f"{other_pair[0]}, on its way to {other_pair[1]}", caption))
    return exhibits


def two_distances(*, model, seed, steps, gamma, kernel_size, sigma, known_pairs, course_pairs, **_) -> list[Exhibit]:
    denoiser = guided(hybrid(text_to_image(model).stage_1, kernel_size, sigma), gamma)
    exhibits = []
    for far, near in [*known_pairs, *course_pairs]:
        x = paint_pair(model, denoiser, (far, near), steps, seed)
        exhibits.append(Look("shrink", [pixels(x)], [f"close up: {near}", f"from afar: {far}"]))
    return exhibits


def paint_pair(model, denoiser, pair: tuple[str, str], steps: int, seed: int) -> Tensor:
    """An illusion (1, 3, 64, 64) of two prompts."""
    cond = tuple(text_to_image(model).embed(prompt) for prompt in pair)
    return paint(denoiser, cond, 1, steps=steps, threshold=dynamic_threshold, generator=seeded(seed))


def usual(steps: int, seed: int) -> dict:
    """The arguments of sdedit and inpaint in Part A's notebooks."""
    return {"timesteps": strided_timesteps(steps), "threshold": dynamic_threshold, "generator": seeded(seed)}


# ---- Part B ----------------------------------------------------------------------------------------------------------


def epochs(name: str) -> Strip:
    """Samples of a bundled training after some of its epochs, ten digits in a row."""
    result = load_result(name)
    frames = [digits(x0) for x0 in result.samples.values()]
    labels = [f"after epoch {epoch}" for epoch in result.samples]
    caption = f"Samples of the bundled training after some of its epochs ({result.recipe})"
    return Strip(frames, labels, len(frames) - 1, "handwritten digits, sampled after the epoch of the slider", caption)


def time_conditional_epochs(**_) -> list[Exhibit]:
    return [epochs("time-conditional")]


def digits_insisted(*, seed, **_) -> list[Exhibit]:
    gammas, labels = [0, 1, 2, 5, 10], [*range(10)] * 2
    bundled = DigitDenoiser(load_result("class-conditional").network, class_conditional.task.schedule)

    options = {"steps": 20, "step": ddim_step}
    drawn = [
        paint(guided(bundled, float(gamma)), one_hot(labels), len(labels), **options, generator=seeded(seed))
        for gamma in gammas
    ]
    frames = [digits(x0) for x0 in drawn]
    alt = "the digits 0 to 9, twice, sampled with the guidance of the slider"
    under = Strip(frames, [f"γ = {gamma}" for gamma in gammas], 3, alt, "The same noise under growing guidance")
    return [epochs("class-conditional"), under]


# the notebooks with exhibits, and the functions that make them
MAKERS: dict[str, Callable[..., list[Exhibit]]] = {
    "a1_1": noised,
    "a1_6": insisted,
    "a1_7": free_to_faithful,
    "a1_7_1": drawings_edited,
    "a1_7_2": repainted,
    "a1_7_3": towards_prompts,
    "a1_8": two_views,
    "a1_9": two_distances,
    "b2_3": time_conditional_epochs,
    "b2_5": digits_insisted,
}


# ---- images ----------------------------------------------------------------------------------------------------------


@functools.cache
def text_to_image(model: str) -> TextToImage:
    return load_model(model)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(x: Tensor, low: float = -1.0) -> Image.Image:
    """An image (C, H, W) or (1, C, H, W) in [low, 1], as pixels."""
    return Image.fromarray(show.to_pixels(x, low))


def in_a_row(tensors: Sequence[Tensor]) -> Image.Image:
    return side_by_side([pixels(x) for x in tensors])


def digits(x0: Tensor) -> Image.Image:
    """Digits (N, 1, 28, 28) in [0, 1], ten in a row."""
    return stacked([side_by_side([pixels(x, low=0.0) for x in row], gap=0) for row in x0.split(10)])
