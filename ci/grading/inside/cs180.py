"""Solutions with the signatures of CS180's project 5, as functions and classes with the kit's.

The course's functions take their schedule, model and helpers from the notebook, draw their noise with torch.randn_like,
and compute in half precision on a GPU. `prepare` gives them all of that, on the CPU; the adapters hand them a check's
inputs, and read from their results what the check measures.
"""

import contextlib
import inspect
import types
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from torch import Tensor, nn

__all__ = ["ADAPTERS", "GIVEN", "prepare"]

# what the course's notebooks define before the functions, and `prepare` or an adapter gives
GIVEN = frozenset(("stage_1", "stage_2", "alphas_cumprod", "add_variance", "device", "prompt_embeds_dict", "test_im",
                   "strided_timesteps", "torch", "np", "nn", "F", "TF", "math", "media", "tqdm"))  # fmt: skip
HALF, WHOLE = (torch.float16, torch.bfloat16), torch.float32
COURSES_KERNEL, COURSES_SIGMA = 33, 2


def prepare(namespace: dict) -> None:
    """Put the course's names into a notebook's, and keep everything on the CPU in single precision."""
    import math

    import numpy as np

    quiet = types.SimpleNamespace(show_image=lambda *a, **k: None, show_images=lambda *a, **k: None)
    namespace |= {"torch": torch, "np": np, "nn": nn, "F": F, "TF": TF, "math": math, "device": "cpu", "media": quiet}
    namespace["tqdm"] = lambda steps, *args, **kwargs: steps
    to = Tensor.to

    def to_the_cpu(self, *args, **kwargs):
        kwargs = {key: here(value) for key, value in kwargs.items()}
        return to(self, *map(here, args), **kwargs)

    Tensor.to = to_the_cpu
    Tensor.half = Tensor.cuda = lambda self, *args, **kwargs: self


def here(value):
    """A place or precision, on the CPU and single."""
    if value in HALF:
        return WHOLE
    return "cpu" if isinstance(value, (str, torch.device)) and str(value).startswith("cuda") else value


# ---- chance --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def drawing_from(generator: torch.Generator | None, noise: Tensor | None = None) -> Iterator[list[Tensor]]:
    """The usual draws take their numbers from this generator, or are this noise. Yields what is drawn as noise."""
    drawn: list[Tensor] = []
    before, seed, randn_like, randn = torch.get_rng_state(), torch.initial_seed(), torch.randn_like, torch.randn
    if generator is not None:
        torch.set_rng_state(generator.get_state())

    def noted(z: Tensor) -> Tensor:
        drawn.append(noise.clone() if noise is not None and noise.shape == z.shape else z)
        return drawn[-1]

    torch.randn_like = lambda x, **options: noted(randn_like(x.float()))
    torch.randn = lambda *size, **options: noted(randn(*size))
    try:
        yield drawn
    finally:
        torch.randn_like, torch.randn = randn_like, randn
        if generator is not None:
            generator.set_state(torch.get_rng_state())
        torch.manual_seed(seed)
        torch.set_rng_state(before)


def forward(namespace: dict) -> Callable:
    """forward(im, t) -> the noisy image."""
    theirs = namespace["forward"]

    def my_forward(x0, t, alphas_cumprod, *, noise=None, generator=None):
        namespace["alphas_cumprod"] = alphas_cumprod
        if isinstance(t, Tensor) and t.ndim:  # it takes one timestep
            pairs = [
                my_forward(x0[i : i + 1], int(t[i]), alphas_cumprod, noise=noise[i : i + 1]) for i in range(len(t))
            ]
            return tuple(map(torch.cat, zip(*pairs)))
        with drawing_from(generator, noise) as drawn:
            x_t = theirs(x0, t)
        return x_t, drawn[-1] if drawn else None

    return my_forward


# ---- the loops -----------------------------------------------------------------------------------------------------


class UNet:
    """The course's model, `stage_1.unet`, whose predictions come from elsewhere."""

    def __init__(self, predict: Callable[[Tensor, int, Tensor], tuple]):
        self.predict = predict

    def __call__(self, x_t, t, encoder_hidden_states=None, return_dict=True, **options):
        eps, var = self.predict(x_t, int(t), encoder_hidden_states)
        sample = torch.cat([eps, torch.zeros_like(eps) if var is None else var], dim=1)
        return types.SimpleNamespace(sample=sample) if return_dict else (sample,)


def one_step(namespace: dict, name: str, x_t, t: int, s: int, schedule, predict, prompts: list, **options):
    """The result of a loop of theirs over two timesteps, without its noise, and the variance channels it passes on."""
    passed = []

    def add_variance(predicted_variance, t, image, *rest):
        passed.append(predicted_variance)
        return image

    scheduler = types.SimpleNamespace(alphas_cumprod=schedule.alphas_cumprod)
    namespace["stage_1"] = types.SimpleNamespace(unet=UNet(predict), scheduler=scheduler)
    namespace |= {"alphas_cumprod": schedule.alphas_cumprod, "add_variance": add_variance}
    theirs = namespace[name]
    known = inspect.signature(theirs).parameters
    options = {key: value for key, value in {"display": False, **options}.items() if key in known}
    result = theirs(x_t, 0, *prompts, [t, s], **options)
    result = result[0] if isinstance(result, (tuple, list)) else result
    return torch.as_tensor(result).float().reshape(x_t.shape), passed[-1] if passed else None


def weights(t: int, s: int, schedule) -> tuple:
    """Of x0_hat and of x_t in the mean of one step, and beta, as in the course's formula."""
    abar_t, abar_s = schedule.alphas_cumprod[[t, s]].double()
    alpha = abar_t / abar_s
    return abar_s.sqrt() * (1 - alpha) / (1 - abar_t), alpha.sqrt() * (1 - abar_s) / (1 - abar_t), 1 - alpha


def iterative_denoise(namespace: dict) -> Callable:
    """iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps): one step of it at a time."""

    def my_ddpm_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        if s is None:
            return x0_hat  # a step that the course's loop does not have
        abar_t, abar_s = schedule.alphas_cumprod[[t, s]].double()
        eps = ((x_t - abar_t.sqrt() * x0_hat) / (1 - abar_t).sqrt()).float()
        prompts = [torch.zeros(1, 77, 8)]
        mean, passed = one_step(namespace, "iterative_denoise", x_t, t, s, schedule, lambda *a: (eps, var), prompts)
        _, _, beta = weights(t, s, schedule)
        small = (beta * (1 - abar_s) / (1 - abar_t)).log()
        v = 0 if var is None or passed is None else (passed + 1) / 2
        z = torch.randn(x_t.shape, generator=generator)
        return mean + (torch.exp((v * beta.log() + (1 - v) * small) / 2) * z).float()

    return my_ddpm_step


def predicting(namespace: dict, name: str, prompts_of: Callable[[list], list]) -> Callable:
    """A denoiser whose eps is read from one step of a loop of theirs."""

    def predict(denoiser, x_t, t, conds, unconditional, scale):
        schedule, s, learned = denoiser.schedule, max(t - 12, 0), []

        def asked(x, t, cond):
            eps, var = denoiser(x, t, cond)
            learned.append(var is not None)
            return eps, var

        prompts = prompts_of([*conds, unconditional])
        x_s, var = one_step(namespace, name, x_t, t, s, schedule, asked, prompts, scale=scale)
        of_x0, of_x_t, _ = weights(t, s, schedule)
        abar_t = schedule.alphas_cumprod[t].double()
        x0_hat = (x_s - of_x_t * x_t) / of_x0
        eps = ((x_t - abar_t.sqrt() * x0_hat) / (1 - abar_t).sqrt()).float()
        return eps, var if all(learned) else None

    return predict


def iterative_denoise_cfg(namespace: dict) -> Callable:
    """iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale)."""
    predict = predicting(namespace, "iterative_denoise_cfg", list)

    def guided(denoiser, gamma):
        return lambda x_t, t, cond: predict(denoiser, x_t, t, [cond], denoiser.unconditional(cond), gamma)

    return guided


def make_hybrids(namespace: dict) -> Callable:
    """make_hybrids(image, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale), or with two prompts."""
    names = list(inspect.signature(namespace["make_hybrids"]).parameters)
    told = [name for name in names if "emb" in name and not name.startswith(("uncond", "null"))]

    def prompts_of(conds: list) -> list:
        *prompts, unconditional = conds
        prompts = prompts if len(told) > 1 else [tuple(prompts)]
        return [*prompts, *([unconditional] if any(name.startswith(("uncond", "null")) for name in names) else [])]

    predict = predicting(namespace, "make_hybrids", prompts_of)
    blur = TF.gaussian_blur

    def hybrid(denoiser, kernel_size=COURSES_KERNEL, sigma=2.0):
        def blur_as_asked(x, kernel=COURSES_KERNEL, std=None, **named):
            kernel, std = named.get("kernel_size", kernel), named.get("sigma", std)
            is_theirs = kernel in (33, [33, 33], (33, 33)) and std in (2, [2, 2], (2, 2))
            return blur(x, kernel_size, sigma) if is_theirs else blur(x, kernel, std)

        def answer(x_t, t, cond):
            TF.gaussian_blur = blur_as_asked
            for name, value in list(namespace.items()):
                if value is blur:
                    namespace[name] = blur_as_asked
            return predict(denoiser, x_t, t, list(cond), denoiser.unconditional(cond[0]), 1.0)

        return answer

    return hybrid


# ---- Part B --------------------------------------------------------------------------------------------------------


def of_the_same_signature(name: str) -> Callable:
    return lambda namespace: namespace[name]


def unconditional_unet(namespace: dict) -> Callable:
    """UnconditionalUNet(in_channels, num_hiddens)."""
    return lambda hidden: namespace["UnconditionalUNet"](1, hidden)


class Adapted(nn.Module):
    """A network of theirs with the kit's arguments."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network


def fc_block(namespace: dict) -> Callable:
    """FCBlock(F_in, F_out), whose result (N, F_out) is reshaped in the network."""

    class Block(Adapted):
        def forward(self, x):
            y = self.network(x)
            return y[:, :, None, None] if y.ndim == 2 else y

    return lambda inside, outside: Block(namespace["FCBlock"](inside, outside))


def sized(network: type, hidden: int) -> nn.Module:
    """Their network for images of one channel, and of ten classes if it takes their number."""
    names = list(inspect.signature(network).parameters)
    return network(*(1 if "in_" in name else 10 if "class" in name else hidden for name in names))


def time_unet(namespace: dict) -> Callable:
    """TimeConditionalUNet(in_channels, num_hiddens), which takes x and the times t/T as (N,)."""

    class Timed(Adapted):
        def forward(self, x, t01):
            return self.network(x, t01[:, 0])

    return lambda hidden: Timed(sized(namespace["TimeConditionalUNet"], hidden))


def class_unet(namespace: dict) -> Callable:
    """ClassConditionalUNet(in_channels, num_classes, num_hiddens), which takes x, integer classes, t/T and a mask."""

    class Classed(Adapted):
        def forward(self, x, t01, c):
            return self.network(x, c.argmax(dim=1), t01[:, 0], c.sum(dim=1))

    return lambda hidden: Classed(sized(namespace["ClassConditionalUNet"], hidden))


def ddpm_forward(namespace: dict) -> Callable:
    """ddpm_forward(unet, ddpm_schedule, x_0, num_ts) -> the loss; its network notes what it is shown."""

    class Shown(nn.Module):
        def forward(self, x, t, *more, **named):
            self.shown = (x, t)
            return torch.zeros_like(x)

    class TimeConditional:
        def __init__(self, T=300):
            self.T = T

        def examples(self, x0, labels, generator):
            schedule, unet = namespace["ddpm_schedule"](1e-4, 0.02, self.T), Shown()
            with drawing_from(generator) as drawn:
                loss = namespace["ddpm_forward"](unet, schedule, x0, self.T)
            x_t, t01 = unet.shown
            eps = next(z for z in reversed(drawn) if z.shape == x0.shape)
            if abs(float(loss) - float(eps.square().mean())) > 1e-3:
                raise ValueError("the loss is not the mean squared error of the predicted noise")
            return (x_t, t01.reshape(-1, 1)), eps

    return TimeConditional


def ddpm_sample(namespace: dict) -> Callable:
    """ddpm_sample(unet, ddpm_schedule, img_wh, num_ts, seed), a digit at a time."""

    class Told(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def train(self, mode: bool = True):
            self.network.train(mode)
            return super().train(mode)

        def forward(self, x, t):
            return self.network(x, t.reshape(-1, 1).expand(len(x), 1))

    def my_sample_digits(network, schedule, count, *, generator=None):
        betas = schedule.betas
        theirs = namespace["ddpm_schedule"](betas[0].item(), betas[-1].item(), len(betas))
        digits = []
        for _ in range(count):
            seed = int(torch.randint(2**31, (1,), generator=generator))
            options = {"seed": seed} if "seed" in inspect.signature(namespace["ddpm_sample"]).parameters else {}
            with drawing_from(torch.Generator().manual_seed(seed)):
                digits.append(namespace["ddpm_sample"](Told(network), theirs, (28, 28), len(betas), **options)[:1])
        return torch.cat(digits).clone()

    return my_sample_digits


SAME = {"conv": "Conv", "down_conv": "DownConv", "up_conv": "UpConv", "flatten": "Flatten", "unflatten": "Unflatten",
        "conv_block": "ConvBlock", "down_block": "DownBlock", "up_block": "UpBlock"}  # fmt: skip
ADAPTERS: dict[str, Callable[[dict], Callable]] = {
    "forward": forward,
    "ddpm_step": iterative_denoise,
    "guided": iterative_denoise_cfg,
    "hybrid": make_hybrids,
    **{exercise: of_the_same_signature(name) for exercise, name in SAME.items()},
    "unconditional_unet": unconditional_unet,
    "fc_block": fc_block,
    "time_unet": time_unet,
    "time_conditional": ddpm_forward,
    "class_unet": class_unet,
    "sample_digits": ddpm_sample,
}
