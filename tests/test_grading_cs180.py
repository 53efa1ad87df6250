"""Solutions with the signatures of CS180's project 5 answer the kit's checks; wrong ones are told apart."""

import re
import sys
from pathlib import Path

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

if sys.platform != "linux":
    pytest.skip("it is Linux that limits memory and system calls", allow_module_level=True)

from ci.grading import sandbox
from ci.grading.cs180 import NAMES, find_adapted
from ci.grading.marks import Points, grade
from ci.grading.sandbox import Limits, Sandbox
from ci.grading.submissions import Submission

KIND = "bubblewrap" if sandbox.bubblewrap_works() else "unsafe"

SETUP = """\
import torch
import torchvision.transforms.functional as TF
from diffusers import DiffusionPipeline
stage_1 = DiffusionPipeline.from_pretrained("DeepFloyd/IF-I-L-v1.0", torch_dtype=torch.float16).to("cuda")
alphas_cumprod = stage_1.scheduler.alphas_cumprod
device = "cuda"
"""
FORWARD = """\
def forward(im, t):
    with torch.no_grad():
        abar = alphas_cumprod[t].to(im.device)
        im_noisy = torch.sqrt(abar) * im + torch.sqrt(1 - abar) * torch.randn_like(im).half().cuda()
    return im_noisy
"""
LOOP = """\
def NAME(im_noisy, i_start, ARGUMENTS, timesteps, DISPLAY):
    image = im_noisy
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t, prev_t = timesteps[i], timesteps[i + 1]
            alpha_cumprod, alpha_cumprod_prev = alphas_cumprod[t], alphas_cumprod[prev_t]
            alpha = alpha_cumprod / alpha_cumprod_prev
            beta = 1 - alpha
            ESTIMATE
            x0 = (image - torch.sqrt(1 - alpha_cumprod) * noise_est) / torch.sqrt(alpha_cumprod)
            pred_prev_image = (
                torch.sqrt(alpha_cumprod_prev) * beta / (1 - alpha_cumprod) * x0
                + torch.sqrt(alpha) * (1 - alpha_cumprod_prev) / (1 - alpha_cumprod) * image
            )
            image = add_variance(predicted_variance, t, pred_prev_image)
            if display and i % 5 == 0:
                media.show_image(image[0])
        clean = image.cpu().detach().numpy()
    return clean
"""


def loop(name: str, arguments: str, estimate: str, display: str = "scale=7, display=True") -> str:
    lines = f"\n{' ' * 12}".join(estimate.splitlines())
    made = LOOP.replace("NAME", name).replace("ARGUMENTS", arguments).replace("DISPLAY", display)
    return made.replace("ESTIMATE", lines)


CALL = "stage_1.unet(image, t, encoder_hidden_states={}, return_dict=False)[0]"
CFG = f"""\
cond, uncond = {CALL.format("prompt_embeds.half().cuda()")}, {CALL.format("uncond_prompt_embeds")}
noise_c, predicted_variance = torch.split(cond, image.shape[1], dim=1)
noise_u, _ = torch.split(uncond, image.shape[1], dim=1)
noise_est = noise_u + scale * (noise_c - noise_u)"""
HYBRID = f"""\
first, second = {CALL.format("prompt_embeds[0]")}, {CALL.format("prompt_embeds[1]")}
noise_1, predicted_variance = torch.split(first, image.shape[1], dim=1)
noise_2, _ = torch.split(second, image.shape[1], dim=1)
low = TF.gaussian_blur(noise_1, kernel_size=33, sigma=2)
noise_est = low + noise_2 - TF.gaussian_blur(noise_2, kernel_size=33, sigma=2)"""
PLAIN = f"""\
noise_est, predicted_variance = torch.split({CALL.format("prompt_embeds")}, image.shape[1], dim=1)"""
NETWORKS = """\
import torch.nn as nn
class Conv(nn.Module):
    def __init__(self, in_channels, out_channels, kernel=3, stride=1):
        super().__init__()
        layer = nn.Conv2d(in_channels, out_channels, kernel, stride, 1)
        self.block = nn.Sequential(layer, nn.BatchNorm2d(out_channels), nn.GELU())
    def forward(self, x):
        return self.block(x)
class DownConv(Conv):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels, 3, 2)
class UpConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        layer = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
        self.block = nn.Sequential(layer, nn.BatchNorm2d(out_channels), nn.GELU())
    def forward(self, x):
        return self.block(x)
class Flatten(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.AvgPool2d(7), nn.GELU())
    def forward(self, x):
        return self.layers(x)
class Unflatten(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        layer = nn.ConvTranspose2d(in_channels, in_channels, 7, 7, 0)
        self.layers = nn.Sequential(layer, nn.BatchNorm2d(in_channels), nn.GELU())
    def forward(self, x):
        return self.layers(x)
class ConvBlock(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(Conv(i, o), Conv(o, o))
class DownBlock(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(DownConv(i, o), ConvBlock(o, o))
class UpBlock(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(UpConv(i, o), ConvBlock(o, o))
"""
UNETS = """\
class UnconditionalUNet(nn.Module):
    def __init__(self, in_channels, num_hiddens):
        super().__init__()
        D = num_hiddens
        self.first, self.down1, self.down2 = ConvBlock(in_channels, D), DownBlock(D, D), DownBlock(D, 2 * D)
        self.flatten, self.unflatten = Flatten(), Unflatten(2 * D)
        self.up1, self.up2, self.last = UpBlock(4 * D, D), UpBlock(2 * D, D), ConvBlock(2 * D, D)
        self.out = nn.Conv2d(D, in_channels, 3, 1, 1)
    def run(self, x, c1=1, t1=0, c2=1, t2=0):
        a = self.first(x)
        b = self.down1(a)
        c = self.down2(b)
        y = c1 * self.unflatten(self.flatten(c)) + t1
        y = c2 * self.up1(torch.cat([y, c], dim=1)) + t2
        y = self.up2(torch.cat([y, b], dim=1))
        return self.out(self.last(torch.cat([y, a], dim=1)))
    def forward(self, x):
        return self.run(x)
class FCBlock(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        first, second = nn.Linear(in_channels, out_channels), nn.Linear(out_channels, out_channels)
        self.block = nn.Sequential(first, nn.GELU(), second)
    def forward(self, x):
        return self.block(x)
class TimeConditionalUNet(UnconditionalUNet):
    def __init__(self, in_channels, num_hiddens):
        super().__init__(in_channels, num_hiddens)
        self.t1, self.t2 = FCBlock(1, 2 * num_hiddens), FCBlock(1, num_hiddens)
    def forward(self, x, t):
        t = t[:, None]
        return self.run(x, 1, self.t1(t)[..., None, None], 1, self.t2(t)[..., None, None])
class ClassConditionalUNet(UnconditionalUNet):
    def __init__(self, in_channels, num_classes, num_hiddens):
        super().__init__(in_channels, num_hiddens)
        self.num_classes = num_classes
        self.t1, self.t2 = FCBlock(1, 2 * num_hiddens), FCBlock(1, num_hiddens)
        self.c1, self.c2 = FCBlock(num_classes, 2 * num_hiddens), FCBlock(num_classes, num_hiddens)
    def forward(self, x, c, t, mask=None):
        one_hot = nn.functional.one_hot(c, self.num_classes).float()
        if mask is not None:
            one_hot = one_hot * mask.view(-1, 1)
        t = t.view(-1, 1)
        c1, t1, c2, t2 = self.c1(one_hot), self.t1(t), self.c2(one_hot), self.t2(t)
        return self.run(x, *(y[..., None, None] for y in (c1, t1, c2, t2)))
"""
DDPM = """\
def ddpm_schedule(beta1, beta2, num_ts):
    betas = torch.linspace(beta1, beta2, num_ts)
    alphas = 1 - betas
    return {"betas": betas, "alphas": alphas, "alpha_bars": torch.cumprod(alphas, 0)}
"""
DDPM_FORWARD = """\
def ddpm_forward(unet, ddpm_schedule, x_0, num_ts):
    unet.train()
    t = torch.randint(0, num_ts, (x_0.shape[0],), device=x_0.device)
    eps = torch.randn_like(x_0)
    abar = ddpm_schedule["alpha_bars"][t].view(-1, 1, 1, 1)
    x_t = abar.sqrt() * x_0 + (1 - abar).sqrt() * eps
    return nn.functional.mse_loss(unet(x_t, t / num_ts), eps)
"""
DDPM_SAMPLE = """\
@torch.inference_mode()
def ddpm_sample(unet, ddpm_schedule, img_wh, num_ts, seed=0):
    torch.manual_seed(seed)
    unet.eval()
    x = torch.randn(1, 1, *img_wh).cuda()
    for t in range(num_ts - 1, -1, -1):
        z = torch.randn_like(x) if t > 0 else 0
        beta, alpha, abar = (ddpm_schedule[k][t] for k in ("betas", "alphas", "alpha_bars"))
        eps = unet(x, torch.tensor([t / num_ts], device=x.device))
        x = (x - beta / (1 - abar).sqrt() * eps) / alpha.sqrt() + beta.sqrt() * z
    return x
"""
COURSE = [
    SETUP,
    FORWARD,
    loop("iterative_denoise", "prompt_embeds", PLAIN, "display=True"),
    loop("iterative_denoise_cfg", "prompt_embeds, uncond_prompt_embeds", CFG),
    loop("make_hybrids", "prompt_embeds, uncond_prompt_embeds", HYBRID),
    NETWORKS,
    UNETS,
    DDPM,
    DDPM_FORWARD,
    DDPM_SAMPLE,
]
# (exercise, right, wrong, a word of the explanation)
MISTAKES = [
    ("forward", "torch.sqrt(abar) * im", "abar * im", "root is missing"),
    ("ddpm_step", "torch.sqrt(alpha) * (1 - alpha_cumprod_prev)", "alpha * (1 - alpha_cumprod_prev)", "x_t"),
    ("guided", "noise_u + scale", "noise_c + scale", "ε_c"),
    ("hybrid", "low + noise_2 -", "low - noise_2 -", ""),
    ("time_unet", "t = t[:, None]", "t = t[:, None] / 300", "divided by 300"),
    ("class_unet", "t = t.view(-1, 1)", "t = 0 * t.view(-1, 1)", "time"),
    ("time_conditional", "t / num_ts), eps", "t.float()), eps", "t itself"),
    ("sample_digits", "range(num_ts - 1, -1, -1)", "range(num_ts - 1, 0, -1)", "the step at t = 0 is missing"),
]


def submitted(sources: list[str]) -> Submission:
    return Submission("student", {"proj5": new_notebook(cells=[new_code_cell(source) for source in sources])})


@pytest.fixture(scope="module")
def box():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with Sandbox(KIND, Limits(wall=300.0)) as box:
        yield box
    torch.set_num_threads(threads)


@pytest.mark.parametrize("exercise", NAMES)
def test_a_right_solution_of_the_course_is_right(box, exercise):
    mark = grade(submitted(COURSE), Points({exercise: 1.0}), box, find_adapted).marks[0]
    assert mark.status == "right", mark.say


@pytest.mark.parametrize("exercise, right, wrong, word", MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_in_one_is_explained(box, exercise, right, wrong, word):
    assert any(right in source for source in COURSE)
    sources = [source.replace(right, wrong) for source in COURSE]
    mark = grade(submitted(sources), Points({exercise: 1.0}), box, find_adapted).marks[0]
    assert mark.status == "wrong" and word in mark.say, mark.say


def test_what_the_course_has_no_function_for_is_said(box):
    mark = grade(submitted(COURSE), Points({"inpaint": 1.0}), box, find_adapted).marks[0]
    assert mark.status == "missing" and "no function for it in CS180" in mark.say


def test_the_instructors_table_says_what_is_covered():
    text = (Path(__file__).resolve().parents[1] / "docs" / "grading.md").read_text("utf-8")
    table = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", text, flags=re.MULTILINE)
    assert sorted(table) == sorted((name, exercise) for exercise, name in NAMES.items())
