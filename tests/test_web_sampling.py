"""The live demo's sampler and tokenizer in JavaScript, web/*.js, do what the library does in Python."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import Toy, seeded

from helpers.denoisers import guided
from helpers.editing import inpaint, sdedit
from helpers.illusions import anagram, blur, hybrid
from helpers.sampling import ddim_step, dynamic_threshold, estimate_x0, final, forward, sample
from helpers.schedule import NoiseSchedule, strided_timesteps
from helpers.text_encoders import encoder_folder, load_encoder

DRIVER = Path(__file__).with_name("web_sampling.mjs")
TIMESTEPS = [990, 700, 400, 90, 0]
RUN = {"timesteps": TIMESTEPS, "step": ddim_step, "threshold": dynamic_threshold}
SCHEDULE = NoiseSchedule.cosine()

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")


def in_javascript(*cases: tuple[str, dict]) -> list[np.ndarray]:
    """The results of functions of web/, each given as its name in web_sampling.mjs and its arguments."""
    toy = Toy(learns_variance=False)
    message = {
        "toy": {"shape": toy.image_shape, "weight": flat(toy.weight), "pattern": flat(toy.pattern)},
        "schedule": {"alphasCumprod": SCHEDULE.alphas_cumprod.tolist()},
        "vocabulary": (encoder_folder() / "vocab.txt").read_text(encoding="utf-8"),
        "cases": [{"name": name, "given": given} for name, given in cases],
    }
    node = subprocess.run(["node", DRIVER], input=json.dumps(message), capture_output=True, text=True, encoding="utf-8")
    assert node.returncode == 0, node.stderr
    return [np.array(result) for result in json.loads(node.stdout)]


def flat(x: torch.Tensor) -> list[float]:
    return x.flatten().tolist()


def assert_close(found: np.ndarray, wanted: torch.Tensor, within: float = 2e-5) -> None:
    assert found.shape == (wanted.numel(),) and np.abs(found - wanted.flatten().numpy()).max() < within


def image(seed: int) -> torch.Tensor:
    return torch.rand(1, 3, 16, 16, generator=seeded(seed)) * 2 - 1


@pytest.mark.parametrize("seed", [0, 3, 2**32 - 1])
def test_a_seed_gives_the_noise_that_pytorch_draws(seed):
    n = 3 * 64 * 64  # more than one turn of the Mersenne Twister
    (found,) = in_javascript(("noise", {"n": n, "seed": seed}))
    assert_close(found, torch.randn(1, 3, 64, 64, generator=seeded(seed)), 1e-5)


def test_timesteps_are_the_librarys():
    cases = [(12, 1000), (34, 1000), (150, 1000), (4, 1000), (2, 50)]
    found = in_javascript(*(("timesteps", {"steps": steps, "T": T}) for steps, T in cases))
    assert [list(each) for each in found] == [strided_timesteps(steps, T) for steps, T in cases]


def test_each_formula_is_the_librarys():
    x0, eps, t = image(1), torch.randn(1, 3, 16, 16, generator=seeded(2)), 400
    x_t, _ = forward(x0, t, SCHEDULE.alphas_cumprod, generator=seeded(7))
    far_out = 3 * eps
    found = in_javascript(
        ("forward", {"x0": flat(x0), "t": t, "seed": 7}),
        ("estimateX0", {"x_t": flat(x_t), "t": t, "eps": flat(eps)}),
        ("ddimStep", {"x_t": flat(x_t), "x0": flat(x0), "t": t, "s": 90}),
        ("ddimStep", {"x_t": flat(x_t), "x0": flat(x0), "t": t, "s": None}),
        ("dynamicThreshold", {"x0": flat(0.8 * eps)}),
        ("dynamicThreshold", {"x0": flat(far_out)}),
        ("dynamicThreshold", {"x0": flat(0.5 * x0)}),
        ("blur", {"x": flat(x0), "kernelSize": 9, "sigma": 2}),
    )
    wanted = [
        x_t,
        estimate_x0(x_t, t, eps, SCHEDULE.alphas_cumprod),
        ddim_step(x_t, x0, t, 90, SCHEDULE),
        x0,
        dynamic_threshold(0.8 * eps),
        dynamic_threshold(far_out),
        dynamic_threshold(0.5 * x0),
        blur(x0, 9, 2.0),
    ]
    for each, there in zip(found, wanted, strict=True):
        assert_close(each, there, 1e-5)


def test_samplers_and_their_combinations_are_the_librarys():
    toy, gamma, seed = Toy(learns_variance=False), 3.0, 5
    conds = list(torch.randn(4, 1, 3, generator=seeded(12)))
    x0 = image(1)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 6:] = 1
    one, two = conds[0], (conds[1], conds[2])
    given = {"gamma": gamma, "timesteps": TIMESTEPS, "seed": seed, "cond": flat(one)}
    pair = {**given, "cond": [flat(cond) for cond in two]}
    views = ["flip", "rotate_90", "rotate_180"]
    found = in_javascript(
        ("sample", given),
        ("sdedit", {**given, "x0": flat(x0), "iStart": 2}),
        ("inpaint", {**given, "x0": flat(x0), "mask": flat(mask.expand_as(x0))}),
        ("hybrid", pair),
        *(("anagram", {**pair, "views": ["identity", view]}) for view in views),
    )
    run = {**RUN, "generator": None}

    def seed_again() -> dict:
        return {**run, "generator": seeded(seed)}

    wanted = [
        sample(guided(toy, gamma), one, **seed_again()),
        sdedit(guided(toy, gamma), x0, one, i_start=2, **seed_again()),
        inpaint(guided(toy, gamma), x0, mask, one, **seed_again()),
        sample(guided(hybrid(toy, 9, 2.0), gamma), two, **seed_again()),
        *(sample(guided(anagram(toy, ["identity", view]), gamma), two, **seed_again()) for view in views),
    ]
    for each, steps in zip(found, wanted, strict=True):
        assert_close(each, final(steps, progress=False), 2e-4)  # four steps of float32 against float64


def test_prompts_are_cut_into_the_encoders_tokens():
    texts = [
        "a photo of a panda",
        "An OIL painting, of a hipster barista!",
        "crème brûlée & 3.14 naïve tests—déjà-vu",
        "antidisestablishmentarianism",
        "日本 a $5 <b>~tilde~</b> `code` x^2|y",
        "tabs\tand\nlines\x00 end",
        "🐼 panda",
        "",
        "w" * 120,
    ]
    tokenizer, _ = load_encoder()
    found = in_javascript(*(("tokens", {"text": text}) for text in texts))
    assert [list(each) for each in found] == [tokenizer(text).input_ids for text in texts]


def test_half_precision_is_read():
    halves = np.array([0, 1, -1, 0.333, 65504, 6e-8, -6e-5, 1e-4], np.float16)
    (found,) = in_javascript(("fromHalf", {"halves": halves.view(np.uint16).tolist()}))
    assert np.array_equal(found, halves.astype(np.float64))
