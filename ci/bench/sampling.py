"""The time of a guided 64×64 image, compared with other implementations: `make bench`.

    python -m ci.bench.sampling --rounds 9

Mini-IF's stage I, batch 1, guidance 7, the course's 34 timesteps, on the CPU. The kit is compared with two others:

- diffusers' own IFPipeline, on the same weights and with dynamic thresholding;
- the plain course loop, as a student writes it: two calls of the network per step, no thresholding.

Each pair is measured at equal precision (fp32) and thread count, and once more with the kit at its best settings. All
run in turn, round after round, so a busy machine slows all of them. A ratio is the median of the rounds' ratios.
"""

import statistics

import torch
from diffusers import IFPipeline
from diffusers.utils import logging

from ci.bench.timing import parse_options, time_in_turn
from helpers.denoisers import guided
from helpers.if_denoisers import TextDenoiser
from helpers.models import load_model
from helpers.sampling import dynamic_threshold, final, sample
from helpers.schedule import strided_timesteps
from helpers.stages import BUNDLED, load_network

GAMMA = 7.0
TIMESTEPS = strided_timesteps(34)
PROMPT = "a rocket ship"


def main() -> None:
    options = parse_options(__doc__)
    logging.disable_progress_bar()

    model = load_model("mini-if", device="cpu")
    prompt, empty = model.embed(PROMPT), model.embed("")
    # load_model chooses precision and layout; for a fair comparison, the same network in fp32, as in the file
    stage_1 = TextDenoiser(load_network(BUNDLED["mini-if"] / "unet"), model.stage_1.schedule, empty)
    pipeline = IFPipeline.from_pretrained(BUNDLED["mini-if"])
    pipeline.set_progress_bar_config(disable=True)
    best = str(next(model.stage_1.unet.parameters()).dtype).removeprefix("torch.") + ", channels_last"

    def kit(denoiser, threshold=None):
        steps = sample(guided(denoiser, GAMMA), prompt, timesteps=TIMESTEPS, threshold=threshold, generator=seeded())
        return final(steps, progress=False)

    def diffusers_pipeline():
        return pipeline(
            prompt_embeds=prompt,
            negative_prompt_embeds=empty,
            timesteps=TIMESTEPS,
            guidance_scale=GAMMA,
            generator=seeded(),
            output_type="pt",
        ).images

    contestants = {
        "IFPipeline": diffusers_pipeline,
        "kit, thresholding": lambda: kit(stage_1, dynamic_threshold),
        "kit, thresholding, best": lambda: kit(model.stage_1, dynamic_threshold),
        "course loop": lambda: course_loop(stage_1.unet, model.stage_1.schedule.alphas_cumprod, prompt, empty),
        "kit": lambda: kit(stage_1),
        "kit, best": lambda: kit(model.stage_1),
    }
    images = {name: run() for name, run in contestants.items()}  # warms up, too
    print(
        f"Same seed, fp32, kit against the others: {same(images, 'kit, thresholding', 'IFPipeline')}; "
        f"{same(images, 'kit', 'course loop')}.\n"
    )

    seconds = time_in_turn(contestants, options.rounds)
    print(
        f"{len(TIMESTEPS)} steps, guidance {GAMMA:g}, batch 1, {options.threads} threads, medians of "
        f"{options.rounds} rounds, torch {torch.__version__}\n"
    )
    print("| against | kit's settings | it | kit | kit is faster by | rounds' range |")
    print("|---|---|---|---|---|---|")
    for other, ours, settings in (
        ("IFPipeline", "kit, thresholding", "the same: fp32"),
        ("IFPipeline", "kit, thresholding, best", f"its best: {best}"),
        ("course loop", "kit", "the same: fp32"),
        ("course loop", "kit, best", f"its best: {best}"),
    ):
        ratios = [theirs / mine for theirs, mine in zip(seconds[other], seconds[ours])]
        print(
            f"| {other}, fp32 | {settings} | {statistics.median(seconds[other]):.2f} s "
            f"| {statistics.median(seconds[ours]):.2f} s | **{statistics.median(ratios):.2f}×** "
            f"| {min(ratios):.2f}–{max(ratios):.2f}× |"
        )


@torch.no_grad()
def course_loop(unet, alphas_cumprod, prompt, empty):
    """Sections 1.5 and 1.6 of the course, written as they are explained."""
    generator = seeded()
    image = torch.randn(1, 3, 64, 64, generator=generator)
    for i in range(len(TIMESTEPS) - 1):
        t, prev_t = TIMESTEPS[i], TIMESTEPS[i + 1]
        abar, abar_prev = alphas_cumprod[t], alphas_cumprod[prev_t]
        alpha = abar / abar_prev
        beta = 1 - alpha

        output = unet(image, t, encoder_hidden_states=prompt).sample
        noise_cond, variance = torch.split(output, 3, dim=1)
        output = unet(image, t, encoder_hidden_states=empty).sample
        noise_uncond, _ = torch.split(output, 3, dim=1)
        noise_est = noise_uncond + GAMMA * (noise_cond - noise_uncond)

        x0 = (image - torch.sqrt(1 - abar) * noise_est) / torch.sqrt(abar)
        mean = (torch.sqrt(abar_prev) * beta * x0 + torch.sqrt(alpha) * (1 - abar_prev) * image) / (1 - abar)
        smallest, largest = torch.log(beta * (1 - abar_prev) / (1 - abar)), torch.log(beta)
        fraction = (variance + 1) / 2
        variance = torch.exp(fraction * largest + (1 - fraction) * smallest)
        image = mean + torch.sqrt(variance) * torch.randn(image.shape, generator=generator)

    # the course stops here, at t = 0; like the kit and diffusers, this loop returns the last estimate
    t = TIMESTEPS[-1]
    noise_cond = unet(image, t, encoder_hidden_states=prompt).sample[:, :3]
    noise_uncond = unet(image, t, encoder_hidden_states=empty).sample[:, :3]
    noise_est = noise_uncond + GAMMA * (noise_cond - noise_uncond)
    return (image - torch.sqrt(1 - alphas_cumprod[t]) * noise_est) / torch.sqrt(alphas_cumprod[t])


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def same(images: dict[str, torch.Tensor], ours: str, other: str) -> str:
    """Assert that two implementations made the same image, and return their difference in words."""
    difference = (images[ours] - images[other]).abs().max().item()
    assert difference < 1e-3, f"{ours} and {other} differ by {difference:.2g}: they do not compute the same image"
    return f"{other} differs by {difference:.1e}"


if __name__ == "__main__":
    main()
