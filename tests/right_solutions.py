"""Right solutions that are written in another way than the kit's: a check that refuses one of them is wrong itself."""

import functools
import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.transforms import GaussianBlur
from torchvision.transforms.functional import gaussian_blur

from helpers.denoisers import Combinator, Denoiser, Prediction
from helpers.flow import euler_sample, euler_step, from_flow, to_flow, velocity
from helpers.sampling import Step, ddim_step, ddpm_step, denoise, estimate_x0, forward
from helpers.tasks import ClassConditional, FlowClass, FlowTime, OneStep, TimeConditional, add_noise
from helpers.unet import ConvBlock, FCBlock, TimeConditionalUNet, UnconditionalUNet, one_hot

SOLUTIONS = []  # (exercise, solution)


def solves(exercise):
    def note(solution):
        SOLUTIONS.append((exercise, solution))
        return solution

    return note


# ---- timesteps, noise, pixels --------------------------------------------------------------------------------------


@solves("strided_timesteps")
def by_numpy(steps=34, T=1000):
    stride = (T - 1) // (steps - 1)
    if stride * (steps - 1) < 0.98 * T:
        return np.linspace(T - 1, 0, steps).round().astype(int).tolist()
    return np.arange(stride * (steps - 1), -1, -stride)  # NumPy's integers are integers, too


@solves("strided_timesteps")
def as_a_tensor(steps, T):
    stride = (T - 1) // (steps - 1)
    top = stride * (steps - 1) if stride * (steps - 1) >= 0.98 * T else T - 1
    return torch.tensor([top * i // (steps - 1) for i in range(steps)]).flip(0)


@solves("strided_timesteps")
def downwards(steps=34, T=1000):
    stride = (T - 1) // (steps - 1)
    if stride * (steps - 1) < 0.98 * T:
        return [T - 1 - (T - 1) * i // (steps - 1) for i in range(steps)]
    return list(range(stride * (steps - 1), -stride, -stride))


@solves("strided_timesteps")
def one_after_the_other(steps=34, T=1000):
    first = (T - 1) // (steps - 1) * (steps - 1)
    if first < 0.98 * T:
        first = T - 1
    for i in range(steps - 1, -1, -1):
        yield round(first * i / (steps - 1))


@solves("forward")
def image_by_image(x0, t, alphas_cumprod, *, noise=None, generator=None):
    if noise is None:
        noise = torch.empty_like(x0).normal_(generator=generator)
    ts = t if isinstance(t, torch.Tensor) and t.dim() > 0 else [t] * len(x0)
    out = torch.zeros_like(x0)
    for i, ti in enumerate(ts):
        out[i] = math.sqrt(alphas_cumprod[ti]) * x0[i] + math.sqrt(1 - alphas_cumprod[ti]) * noise[i]
    return out, noise


@solves("forward")
def in_place_on_a_copy(x0, t, alphas_cumprod, noise=None, generator=None):
    eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype) if noise is None else noise.clone()
    abar = alphas_cumprod[torch.as_tensor(t)].reshape(-1, 1, 1, 1)
    x = x0.clone()
    x *= abar**0.5
    x += (1 - abar) ** 0.5 * eps
    return [x, eps]  # a list of two is a pair as well


@solves("forward")
def with_other_powers(x0, t, alphas_cumprod, **options):
    noise = options.get("noise")
    if noise is None:
        noise = torch.stack([torch.randn(x.shape, generator=options.get("generator")) for x in x0])
    abar = torch.index_select(alphas_cumprod, 0, torch.atleast_1d(torch.as_tensor(t)))[:, None, None, None]
    return torch.lerp(torch.zeros_like(x0), x0, abar.pow(0.5)) + noise.mul((-abar + 1).pow(0.5)), noise


@solves("blur")
def by_a_convolution(x, kernel_size, sigma):
    d = torch.arange(kernel_size) - kernel_size // 2
    weights = torch.exp(-(d**2) / (2 * sigma**2))
    kernel = torch.outer(weights, weights)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, kernel_size, kernel_size)
    return F.conv2d(F.pad(x, (kernel_size // 2,) * 4, mode="reflect"), kernel, groups=x.shape[1])


@solves("blur")
def by_a_transform(x, kernel_size, sigma):
    return GaussianBlur(kernel_size, (sigma, sigma))(x)


@solves("blur")
def with_the_edge_itself_reflected(x, kernel_size, sigma):
    edge = kernel_size // 2
    d = torch.arange(kernel_size) - edge
    weights = torch.softmax(-(d**2) / (2 * sigma**2), dim=0)
    for _ in range(2):
        x = torch.cat([x[..., :edge].flip(-1), x, x[..., -edge:].flip(-1)], dim=-1).unfold(-1, kernel_size, 1) @ weights
        x = x.mT
    return x


@solves("blur")
def by_fourier(x, kernel_size, sigma):
    d = torch.arange(kernel_size) - (kernel_size - 1) / 2
    bell = torch.exp(-0.5 * (d / sigma) ** 2)
    padded = F.pad(x, (kernel_size // 2,) * 4, mode="reflect")
    size, n = padded.shape[-2:], kernel_size - 1
    spectrum = torch.fft.rfft2(torch.outer(bell, bell) / bell.sum() ** 2, s=size)
    return torch.fft.irfft2(torch.fft.rfft2(padded) * spectrum, s=size)[..., n:, n:]


@solves("estimate_x0")
def by_division_first(x_t, t, eps, alphas_cumprod):
    abar = alphas_cumprod[torch.as_tensor(t)].view(-1, 1, 1, 1)
    return x_t / abar.sqrt() - (1 / abar - 1).sqrt() * eps


@solves("estimate_x0")
def in_double_precision(x_t, t, eps, alphas_cumprod):
    abar = alphas_cumprod.double()[t]
    abar = abar[:, None, None, None] if abar.ndim else abar
    return torch.addcmul(x_t.double(), -torch.sqrt(1 - abar), eps.double()).div(abar.sqrt()).to(x_t.dtype)


@solves("from_pixels")
def by_numpy_axes(pixels):
    x = np.transpose(pixels.numpy().astype(np.float32) / 255 * 2 - 1, (2, 0, 1))
    return torch.from_numpy(np.ascontiguousarray(x)).unsqueeze(0)


@solves("from_pixels")
def channel_by_channel(pixels):
    return torch.stack([(pixels[..., c].float() - 127.5) / 127.5 for c in range(3)]).unsqueeze(0)


@solves("dynamic_threshold")
def in_a_loop(x0_hat, *, ratio=0.95, maximum=1.5):
    results = []
    for x in x0_hat:
        s = min(max(float(torch.quantile(torch.abs(x).reshape(-1), ratio)), 1.0), maximum)
        results.append(torch.maximum(torch.minimum(x, torch.tensor(s)), torch.tensor(-s)) / s)
    return torch.stack(results)


@solves("dynamic_threshold")
def by_the_sorted_values(x0_hat, ratio=0.95, maximum=1.5):
    values = x0_hat.abs().flatten(1).sort(dim=1).values
    s = values[:, int(ratio * (values.shape[1] - 1))].clip(1, maximum)[:, None, None, None]  # one of them, not between
    return torch.clamp(x0_hat / s, -1, 1)


@solves("add_noise")
def drawn_and_scaled_in_place(x0, sigma, *, noise=None, generator=None):
    z = torch.randn(x0.shape, generator=generator) if noise is None else noise.clone()
    return z.mul_(sigma).add_(x0)


# ---- the loop ------------------------------------------------------------------------------------------------------


@solves("ddpm_step")
def by_precisions(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
    if s is None:
        return x0_hat.clone()
    abar = schedule.alphas_cumprod.double()
    alpha = abar[t] / abar[s]
    prior, likelihood = 1 / (1 - abar[s]), alpha / (1 - alpha)  # the two facts of the derivation
    mean = (prior * abar[s].sqrt() * x0_hat + likelihood * x_t / alpha.sqrt()) / (prior + likelihood)
    low, high = (1 / (prior + likelihood)).log(), (1 - alpha).log()
    log_variance = low if var is None else low + (high - low) * (var + 1) / 2
    z = torch.empty(x_t.shape).normal_(generator=generator)
    return (mean + torch.exp(log_variance / 2) * z).float()


@solves("ddpm_step")
def by_way_of_the_noise(x_t, x0_hat, t, s, schedule, var=None, generator=None):
    noise = torch.randn(x_t.shape, generator=generator)  # drawn before it is known whether it is needed
    if s is None:
        return x0_hat
    abar_t, abar_s = float(schedule.alphas_cumprod[t]), float(schedule.alphas_cumprod[s])
    beta = 1 - abar_t / abar_s
    eps = (x_t - abar_t**0.5 * x0_hat) / (1 - abar_t) ** 0.5
    mean = (x_t - beta / (1 - abar_t) ** 0.5 * eps) / (1 - beta) ** 0.5
    small = beta * (1 - abar_s) / (1 - abar_t)
    sigma = small**0.5 if var is None else beta ** ((var + 1) / 4) * small ** ((1 - var) / 4)
    return mean + sigma * noise


@solves("denoise")
@torch.no_grad()
def with_a_while(denoiser, x_t, timesteps, cond, *, step=ddpm_step, threshold=None, constrain=None, generator=None):
    i = 0
    while i < len(timesteps):
        t, s = timesteps[i], timesteps[i + 1] if i + 1 < len(timesteps) else None
        prediction = denoiser(x_t, t, cond)
        x0_hat = estimate_x0(x_t, t, prediction.eps, denoiser.schedule.alphas_cumprod)
        x0_hat = threshold(x0_hat) if threshold else x0_hat
        x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=prediction.var, generator=generator)
        x_s = constrain(x_s, s) if constrain else x_s
        yield Step(t, s, x_t, prediction.eps, x0_hat, x_s)
        x_t, i = x_s, i + 1


@solves("denoise")
def all_at_once(denoiser, x_t, timesteps, cond, step=ddpm_step, threshold=None, constrain=None, generator=None):
    trace = []
    with torch.no_grad():
        for t, s in itertools.zip_longest(timesteps, timesteps[1:]):
            eps, var = denoiser(x_t, t, cond)
            abar = denoiser.schedule.alphas_cumprod[t]
            x0_hat = (x_t - torch.sqrt(1 - abar) * eps) / torch.sqrt(abar)
            if threshold is not None:
                x0_hat = threshold(x0_hat)
            x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=var, generator=generator)
            if constrain is not None:
                x_s = constrain(x_s, s)
            trace.append((t, s, x_t, eps, x0_hat, x_s))  # a tuple like a Step
            x_t = x_s
    return trace


@solves("sample")
def stacked_starts(denoiser, cond, *, timesteps, batch_size=1, generator=None, **options):
    x_T = torch.stack([torch.randn(denoiser.image_shape, generator=generator) for _ in range(batch_size)])
    yield from denoise(denoiser, x_T, timesteps, cond, generator=generator, **options)


@solves("sample")
def drawn_as_a_row(denoiser, cond, *, timesteps, batch_size=1, step=ddpm_step, threshold=None, generator=None):
    row = torch.normal(0.0, 1.0, (batch_size * math.prod(denoiser.image_shape),), generator=generator)
    x_T = row.view(batch_size, *denoiser.image_shape)
    return list(denoise(denoiser, x_T, timesteps, cond, step=step, threshold=threshold, generator=generator))


@solves("sdedit")
def noised_by_hand(denoiser, x_orig, cond, *, timesteps, i_start, generator=None, **options):
    rest = list(timesteps)[i_start:]
    abar = denoiser.schedule.alphas_cumprod[rest[0]]
    x = x_orig * abar**0.5 + torch.randn(x_orig.size(), generator=generator) * (1 - abar) ** 0.5
    return denoise(denoiser, x, rest, cond, generator=generator, **options)


@solves("keep_known")
def by_indices(x_s, s, x_orig, mask, alphas_cumprod, *, generator=None):
    known = x_orig if s is None else forward(x_orig, s, alphas_cumprod, generator=generator)[0]
    result = x_s.clone()
    kept = (mask == 0).expand_as(x_s)
    result[kept] = known[kept]
    return result


@solves("keep_known")
def by_arithmetic(x_s, s, x_orig, mask, alphas_cumprod, *, generator=None):
    if s is None:
        return mask * x_s + (1 - mask) * x_orig
    return mask * x_s + (1 - mask) * forward(x_orig, s, alphas_cumprod, generator=generator)[0]


@solves("keep_known")
def noised_by_hand_where_kept(x_s, s, x_orig, mask, alphas_cumprod, *, generator=None):
    known, kept = x_orig, (1 - mask).bool().expand_as(x_s)
    if s is not None:  # 0, too, is a timestep
        eps = torch.randn(x_orig.shape, generator=generator)
        known = torch.addcmul(eps * (1 - alphas_cumprod[s]).sqrt(), x_orig, alphas_cumprod[s].sqrt())
    return x_s.masked_scatter(kept, known[kept])


@solves("inpaint")
def its_own_loop(denoiser, x_orig, mask, cond, *, timesteps, generator=None, step=ddpm_step, threshold=None):
    x, abar = torch.randn(x_orig.shape, generator=generator), denoiser.schedule.alphas_cumprod

    def constrain(x_s, s):
        return by_indices(x_s, s, x_orig, mask, abar, generator=generator)

    options = {"step": step, "threshold": threshold, "generator": generator}
    yield from denoise(denoiser, x, timesteps, cond, constrain=constrain, **options)


@solves("inpaint")
@torch.inference_mode()
def in_inference_mode(denoiser, x_orig, mask, cond, *, timesteps, generator=None, **options):
    keep = functools.partial(
        by_indices, x_orig=x_orig, mask=mask, alphas_cumprod=denoiser.schedule.alphas_cumprod, generator=generator
    )
    x_T = torch.empty_like(x_orig).normal_(generator=generator)
    yield from denoise(denoiser, x_T, timesteps, cond, constrain=keep, generator=generator, **options)


# ---- denoisers -----------------------------------------------------------------------------------------------------


@solves("guided")
class TwoCalls(Combinator):
    def __init__(self, denoiser, gamma):
        super().__init__(denoiser)
        self.gamma = gamma

    def __call__(self, x_t, t, cond):
        without = self.denoiser(x_t, t, self.unconditional(cond))
        told = self.denoiser(x_t, t, cond)
        return Prediction((1 - self.gamma) * without.eps + self.gamma * told.eps, told.var)


@solves("guided")
def a_closure(denoiser, gamma):
    def predict(x_t, t, cond):
        cond = cond.expand(len(x_t), -1)
        both = denoiser(torch.cat([x_t, x_t]), t, torch.cat([cond, denoiser.unconditional(cond)]))
        told, without = both.eps.chunk(2)
        return torch.lerp(without, told, gamma), None if both.var is None else both.var.chunk(2)[0]  # a plain pair

    return predict


@solves("anagram")
class RunningMean(Combinator):
    def __init__(self, denoiser, views):
        super().__init__(denoiser)
        self.views = views

    def __call__(self, x_t, t, cond):
        total, var = torch.zeros_like(x_t), None
        for i, (view, c) in enumerate(zip(self.views, cond)):
            answer = self.denoiser(view.view(x_t), t, c)
            total = total + view.inverse_view(answer.eps) / len(self.views)
            var = answer.var if i == 0 else var
        return Prediction(total, var)


@solves("hybrid")
class HighPassFirst(Combinator):
    def __init__(self, denoiser, kernel_size=33, sigma=2.0):
        super().__init__(denoiser)
        self.blur = lambda x: gaussian_blur(x, [kernel_size, kernel_size], [sigma, sigma])

    def __call__(self, x_t, t, cond):
        (far, var), (near, _) = self.denoiser(x_t, t, cond[0]), self.denoiser(x_t, t, cond[1])
        return Prediction(near + self.blur(far - near), var)  # a blur is linear


@solves("digit_denoiser")
class WithEvalOnlyWhereNeeded(Denoiser):
    image_shape = (1, 28, 28)

    def __init__(self, unet, schedule):
        self.unet, self.schedule = unet, schedule

    def __call__(self, x_t, t, cond):
        time = torch.tensor([[t / self.schedule.T]]).repeat(len(x_t), 1)
        arguments = [x_t, time] + ([] if isinstance(cond, tuple) else [cond.repeat(len(x_t) // len(cond), 1)])
        training = self.unet.training
        if training:
            self.unet.eval()
        with torch.no_grad():
            eps = self.unet(*arguments)
        if training:
            self.unet.train()
        return Prediction(eps, eps * 0 + 1)

    def unconditional(self, cond):
        return () if isinstance(cond, tuple) else cond * 0


@solves("digit_denoiser")
class OneImageAtATime(Denoiser):
    image_shape = (1, 28, 28)

    def __init__(self, unet, schedule):
        self.unet, self.schedule = unet, schedule

    @torch.no_grad()
    def __call__(self, x_t, t, cond):
        was_training = self.unet.training
        self.unet.eval()
        t01 = torch.tensor([[t / self.schedule.T]], dtype=torch.float64)  # FCBlock makes fp32 of it
        classes = [{} for _ in x_t] if isinstance(cond, tuple) else [{"c": c[None]} for c in cond.expand(len(x_t), -1)]
        eps = torch.cat([self.unet(x[None], t01, **c) for x, c in zip(x_t, classes)])
        self.unet.train(was_training)
        return Prediction(eps, torch.tensor(1.0).expand_as(eps))

    def unconditional(self, cond):
        return tuple(cond) if isinstance(cond, tuple) else torch.zeros_like(cond)


@solves("digit_denoiser")
class LeftInEvaluationMode(WithEvalOnlyWhereNeeded):  # like sample_digits's; a training step switches to training mode
    def __call__(self, x_t, t, cond):
        self.unet.eval()
        return super().__call__(x_t, t, cond)


# ---- networks ------------------------------------------------------------------------------------------------------


@solves("conv")
class PlainModule(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.bn = nn.BatchNorm2d(out_channels)  # defined first, used second
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding="same", bias=False)

    def forward(self, x):
        return F.gelu(self.bn(self.conv(x)))


@solves("conv")
def a_function_of_sizes(i, o):
    return nn.Sequential(nn.Conv2d(i, o, (3, 3), 1, 1), nn.BatchNorm2d(o), nn.GELU(approximate="tanh"))


@solves("conv")
class Lazy(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(nn.LazyConv2d(out_channels, 3, padding=1), nn.LazyBatchNorm2d(), nn.GELU())


@solves("flatten")
class MeanOfAxes(nn.Module):
    def forward(self, x):
        return F.gelu(x.mean(dim=(2, 3), keepdim=True))


@solves("flatten")
class Adaptive(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return nn.functional.gelu(self.pool(x))


@solves("unflatten")
def with_stride_one(channels):  # from one pixel, the stride makes no difference
    return nn.Sequential(nn.ConvTranspose2d(channels, channels, 7), nn.BatchNorm2d(channels), nn.GELU())


@solves("down_block")
class WrittenOut(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.block = ConvBlock(out_channels, out_channels)
        self.halve = nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, 2, 1), nn.BatchNorm2d(out_channels))

    def forward(self, x):
        return self.block(F.gelu(self.halve(x)))


@solves("unconditional_unet")
class OtherNames(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        theirs = UnconditionalUNet(hidden)
        self.head, self.tail = theirs.conv_out, theirs.conv_in
        self.ups, self.downs = nn.ModuleList([theirs.up2, theirs.up1]), nn.ModuleList([theirs.down1, theirs.down2])
        self.widen = theirs.unflatten

    def forward(self, x):
        skips = [self.tail(x)]
        for down in self.downs:
            skips.append(down(skips[-1]))
        y = self.widen(F.gelu(F.adaptive_avg_pool2d(skips[-1], 1)))
        for up in reversed(self.ups):
            y = up(torch.concat((y, skips.pop()), 1))
        return self.head(torch.concat((y, skips.pop()), 1))


@solves("unconditional_unet")
class WiredInALoop(UnconditionalUNet):
    def wire(self, x, c1=1, t1=0, c2=1, t2=0):
        down = [self.conv_in(x)]
        for block in (self.down1, self.down2):
            down.append(block(down[-1]))
        y = t1 + self.unflatten(self.flatten(down[2])) * c1
        y = t2 + self.up1(torch.hstack((y, down.pop()))) * c2
        y = self.up2(torch.hstack((y, down.pop())))
        return self.conv_out(torch.hstack((y, down.pop())))


@solves("fc_block")
class TwoLinears(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.second, self.first = nn.Linear(out_features, out_features), nn.Linear(in_features, out_features)

    def forward(self, x):
        return self.second(F.gelu(self.first(x))).unsqueeze(-1).unsqueeze(-1)


@solves("time_unet")
class TimesInAList(UnconditionalUNet):
    def __init__(self, hidden):
        super().__init__(hidden)
        self.times = nn.ModuleList([FCBlock(1, 2 * hidden), FCBlock(1, hidden)])

    def forward(self, x, t01):
        first, second = (block(t01) for block in self.times)
        return self.wire(x, 1, first, 1, second)


@solves("time_unet")
class TimesInAListAndByName(TimeConditionalUNet):
    def __init__(self, hidden):
        super().__init__(hidden)
        self.times = [self.t1, self.t2]  # a plain list of what the network has already

    def forward(self, x, t01):
        t1, t2 = [block(t01) for block in self.times]
        return self.wire(x, t1=t1, t2=t2)


@solves("class_unet")
class ClassesOfItsOwn(TimeConditionalUNet):
    def __init__(self, hidden):
        super().__init__(hidden)
        self.scale_7, self.scale_14 = FCBlock(10, 2 * hidden), FCBlock(10, hidden)

    def forward(self, x, t01, c):
        return self.wire(x, t1=self.t1(t01), t2=self.t2(t01), c1=self.scale_7(c), c2=self.scale_14(c))


# ---- learning ------------------------------------------------------------------------------------------------------


@solves("one_step")
class ByHand(OneStep):
    def examples(self, x0, labels, generator):
        z = x0.clone()
        z += self.sigma * torch.randn(x0.shape, generator=generator)
        return [z], x0


@solves("one_step")
class NoiseFirst(OneStep):
    def examples(self, x0, labels, generator):
        noise = torch.randn(x0.shape, generator=generator)
        return (add_noise(x0, self.sigma, noise=noise),), x0.clone()


@solves("one_step")
class OfDigits(OneStep):
    def examples(self, x0, labels, generator):
        return (x0 + self.sigma * torch.randn(len(x0), 1, 28, 28, generator=generator),), x0  # all images are 28×28


@solves("time_conditional")
class TimesFromRand(TimeConditional):
    def examples(self, x0, labels, generator):
        eps = torch.randn(x0.shape, generator=generator)  # the noise before the timesteps
        t = (torch.rand(len(x0), generator=generator) * self.T).long()
        abar = self.schedule.alphas_cumprod[t].reshape(-1, 1, 1, 1)
        return (abar**0.5 * x0 + (1 - abar) ** 0.5 * eps, t.reshape(-1, 1) / self.T), eps


@solves("time_conditional")
class OneByOne(TimeConditional):
    def examples(self, x0, labels, generator):
        t = torch.randint(0, self.T, (x0.shape[0],), generator=generator)
        x_t, eps = forward(x0, t, self.schedule.alphas_cumprod, generator=generator)
        return [x_t, t.unsqueeze(1).float().div(self.T)], eps


@solves("time_conditional")
class InALoop(TimeConditional):
    def examples(self, x0, labels, generator):
        x_t, t01, eps = torch.empty(len(x0), 1, 28, 28), torch.empty(len(x0), 1), torch.empty(len(x0), 1, 28, 28)
        for i, x in enumerate(x0):
            t = int(torch.randint(self.T, (1,), generator=generator))
            eps[i] = torch.randn(1, 28, 28, generator=generator)
            abar = self.schedule.alphas_cumprod[t]
            x_t[i], t01[i] = abar.sqrt() * x + (1 - abar).sqrt() * eps[i], t / self.T
        return (x_t, t01), eps


@solves("class_conditional")
class MaskedFill(ClassConditional):
    def examples(self, x0, labels, generator):
        dropped = torch.rand(len(x0), generator=generator) < self.p_uncond  # before everything else
        (x_t, t01), eps = TimeConditional.examples(self, x0, labels, generator)
        c = one_hot(labels)
        c[dropped] = 0
        return (x_t, t01, c), eps


@solves("class_conditional")
class Bernoulli(ClassConditional):
    def examples(self, x0, labels, generator):
        inputs, eps = TimeConditional.examples(self, x0, labels, generator)
        keep = torch.bernoulli(torch.full((len(x0), 1), 1 - self.p_uncond), generator=generator)
        return (*inputs, torch.eye(10)[labels] * keep), eps


@solves("class_conditional")
class ByIndexCopy(ClassConditional):
    def examples(self, x0, labels, generator):
        keep = 1 - torch.rand(len(x0), generator=generator) > self.p_uncond  # 1 - u is as uniform as u
        c = torch.zeros(len(x0), 10)
        c[keep, labels[keep]] = 1.0
        (x_t, t01), eps = TimeConditional.examples(self, x0, labels, generator)
        return (x_t, t01, c), eps


@solves("training_step")
def cleared_afterwards(network, optimizer, inputs, target):
    network.train()
    loss = torch.mean((network(*inputs) - target) ** 2)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


@solves("training_step")
def with_autograd(network, optimizer, inputs, target):
    network.train(True)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    loss = nn.MSELoss()(network(*inputs), target)
    for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
        p.grad = gradient
    optimizer.step()
    return loss.detach()


@solves("training_step")
def as_a_float(network, optimizer, inputs, target):
    network.train()
    optimizer.zero_grad()
    loss = (network(*inputs) - target).pow(2).sum() / target.numel()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@solves("training_step")
def without_its_graph(network, optimizer, inputs, target):
    loss = F.mse_loss(network.train()(*inputs), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.data


@solves("training_step")
def by_numpys_number(network, optimizer, inputs, target):
    network.train()
    optimizer.zero_grad()
    loss = F.mse_loss(network(*inputs), target)
    loss.backward()
    optimizer.step()
    return loss.detach().numpy()


@solves("training_step")
def by_a_copy_without_gradient(network, optimizer, inputs, target):
    network.train()
    optimizer.zero_grad()
    loss = F.mse_loss(network(*inputs), target)
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        return loss.clone()


# ---- samplers of digits --------------------------------------------------------------------------------------------


@solves("sample_digits")
def by_x0_hat(network, schedule, count, *, generator=None):
    abar, betas = schedule.alphas_cumprod, schedule.betas
    was = network.training
    network.eval()
    x = torch.randn(count, 1, 28, 28, generator=generator)
    with torch.no_grad():
        for t in reversed(range(schedule.T)):
            eps = network(x, torch.full((count, 1), t / schedule.T))
            x0_hat = (x - (1 - abar[t]).sqrt() * eps) / abar[t].sqrt()
            if t == 0:
                x = x0_hat
                break
            mean = abar[t - 1].sqrt() * betas[t] * x0_hat + (1 - betas[t]).sqrt() * (1 - abar[t - 1]) * x
            x = mean / (1 - abar[t]) + betas[t].sqrt() * torch.randn(x.shape, generator=generator)
    network.train(was)
    return x


@solves("sample_digits")
@torch.no_grad()
def with_zeros_at_the_end(network, schedule, count, *, generator=None):
    network.eval()
    x = torch.empty(count, 1, 28, 28).normal_(generator=generator)
    for t in range(schedule.T - 1, -1, -1):
        z = torch.randn(x.shape, generator=generator) if t > 0 else torch.zeros_like(x)
        beta, abar = schedule.betas[t].item(), schedule.alphas_cumprod[t].item()
        time = torch.ones(count, 1) * t / schedule.T
        x = (x - beta / math.sqrt(1 - abar) * network(x, time)) / math.sqrt(1 - beta) + math.sqrt(beta) * z
    return x


@solves("sample_digits")
@torch.no_grad()
def one_digit_after_the_other(network, schedule, count, *, generator=None):
    network.eval()
    digits = []
    for _ in range(count):
        x = torch.randn(1, 1, 28, 28, generator=generator)
        for t in range(schedule.T - 1, -1, -1):
            beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
            eps = network(x, torch.tensor([[t / schedule.T]]))
            x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
            if t > 0:
                x = x + beta.sqrt() * torch.randn(1, 1, 28, 28, generator=generator)
        digits.append(x)
    return torch.cat(digits)


@solves("sample_digits")
@torch.inference_mode()
def a_generator_for_each_digit(network, schedule, count, *, generator=None):
    seeds = torch.randint(2**31, (count,), generator=generator).tolist()
    noises = [torch.randn(schedule.T, 1, 28, 28, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    z = torch.stack(noises, dim=1)  # all the noise beforehand, the start's first
    network.eval()
    x = z[0].double()
    for i, t in enumerate(reversed(range(schedule.T)), start=1):
        beta, abar = schedule.betas[t].double(), schedule.alphas_cumprod[t].double()
        eps = network(x.float(), torch.full((count, 1), t / schedule.T, dtype=torch.float64))
        x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
        x = x + beta.sqrt() * z[i] if i < schedule.T else x
    return x.float()


@solves("sample_classes")
@torch.no_grad()
def one_image_after_the_other(network, schedule, c, gamma, *, generator=None):
    network.eval()
    digits = []
    for row in c:
        both = torch.stack([row, torch.zeros(10)])
        x = torch.randn(1, 1, 28, 28, generator=generator)
        for t in range(schedule.T - 1, -1, -1):
            beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
            told, without = network(x.expand(2, -1, -1, -1), torch.full((2, 1), t / schedule.T), both)
            x = (x - beta / (1 - abar).sqrt() * torch.lerp(without, told, gamma)) / (1 - beta).sqrt()
            if t > 0:
                x = x + beta.sqrt() * torch.randn(x.shape, generator=generator)
        digits.append(x[0])
    return torch.stack(digits)


@solves("sample_classes")
@torch.no_grad()
def one_class_after_the_other(network, schedule, c, gamma, *, generator=None):
    network.eval()
    digits, labels = torch.empty(len(c), 1, 28, 28), c.argmax(dim=1)
    for digit in labels.unique():  # from 0 up, whatever the order in c
        rows = c[labels == digit]
        x = torch.randn(len(rows), 1, 28, 28, generator=generator)
        for t in range(schedule.T - 1, -1, -1):
            beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
            t01 = torch.ones(len(rows), 1) * t / schedule.T
            eps = gamma * network(x, t01, c=rows) + (1 - gamma) * network(x, t01=t01, c=0 * rows)
            mean = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
            x = torch.normal(mean, beta.sqrt().expand_as(mean), generator=generator) if t > 0 else mean
        digits[labels == digit] = x
    return digits


@solves("sample_classes")
@torch.no_grad()
def told_nothing_first(network, schedule, c, gamma, *, generator=None):
    network.train(False)
    x, nothing = torch.randn(len(c), 1, 28, 28, generator=generator), c.new_zeros(c.shape)
    for t in range(schedule.T - 1, -1, -1):
        beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
        time = torch.full((len(c), 1), t / schedule.T)
        without = network(x, time, nothing)
        eps = torch.lerp(without, network(x, time, c), gamma)
        z = torch.randn(x.shape, generator=generator) if t else 0
        x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt() + beta.sqrt() * z
    return x


@solves("sample_classes")
@torch.no_grad()
def one_call_for_both(network, schedule, c, gamma, *, generator=None):
    network.eval()
    n = len(c)
    x, betas, abar = torch.randn(n, 1, 28, 28, generator=generator), schedule.betas, schedule.alphas_cumprod
    for t in range(schedule.T)[::-1]:
        time = torch.full((2 * n, 1), t / schedule.T)
        told, without = network(x.repeat(2, 1, 1, 1), time, torch.cat([c, torch.zeros_like(c)])).split(n)
        eps = gamma * told + (1 - gamma) * without
        x = (x - betas[t] / (1 - abar[t]).sqrt() * eps) / (1 - betas[t]).sqrt()
        if t:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=generator)
    return x


# ---- flow matching: C 1 --------------------------------------------------------------------------------------------


@solves("interpolate")
def by_lerp(x0, u, *, noise=None, generator=None):
    eps = torch.randn(x0.shape, generator=generator) if noise is None else noise
    u = u[:, None, None, None] if isinstance(u, torch.Tensor) else u
    return torch.lerp(eps, x0, u), eps


@solves("interpolate")
def from_the_noise_towards_the_image(x0, u, *, noise=None, generator=None):
    if noise is None:
        noise = torch.empty_like(x0).normal_(generator=generator)
    u = torch.as_tensor(u).expand(len(x0))
    return noise + torch.einsum("b,bchw->bchw", u, x0 - noise), noise


@solves("flow_target")
def by_subtraction(x0, eps):
    return torch.sub(x0, eps)


@solves("flow_target")
def as_a_difference_of_points(x0, eps):
    u, v = 0.25, 0.75
    return ((v * x0 + (1 - v) * eps) - (u * x0 + (1 - u) * eps)) / (v - u)


@solves("euler_sample")
def step_by_step(velocity, z, u_start=0.0, h=0.02):
    u, path = u_start, [(u_start, z)]
    with torch.no_grad():
        while u < 1:
            shorter = min(h, 1 - u)
            z, u = z + shorter * velocity(z, u), u + shorter
            path.append((u, z))
    return path


@solves("euler_sample")
@torch.no_grad()
def along_a_list_of_times(velocity, z, u_start=0.0, h=0.02):
    times = torch.arange(u_start, 1 - h / 1000, h, dtype=torch.float64).tolist()
    path = [[times[0], z.clone()]]
    for u, v in itertools.pairwise([*times, 1.0]):
        path.append([v, path[-1][1] + (v - u) * velocity(path[-1][1], u)])
    return path


# ---- flow matching: C 2 --------------------------------------------------------------------------------------------


@solves("to_flow")
def by_the_ratio_of_the_weights(x_t, t, schedule):
    abar_t = schedule.abar(t, x_t)
    u = 1 / (1 + ((1 - abar_t) / abar_t).sqrt())
    return x_t / (abar_t.sqrt() + (1 - abar_t).sqrt()), u


@solves("to_flow")
def on_the_chord_of_the_circle(x_t, t, schedule):
    u = schedule.u[t] if isinstance(t, int) else schedule.u[t][:, None, None, None]
    return x_t * torch.hypot(u, 1 - u), u


@solves("velocity")
def image_minus_noise(x_t, x0_hat, t, schedule):
    abar_t = schedule.abar(t, x_t)
    eps_hat = (x_t - abar_t.sqrt() * x0_hat) / (1 - abar_t).sqrt()
    return x0_hat - eps_hat


@solves("velocity")
def way_over_time(x_t, x0_hat, t, schedule):
    a, b = schedule.abar(t, x_t).sqrt(), (1 - schedule.abar(t, x_t)).sqrt()
    return ((a + b) * x0_hat - x_t) / b


@solves("euler_step")
def as_a_ddim_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
    if s is None:
        return x0_hat.clone()
    abar_t, abar_s = schedule.alphas_cumprod[t], schedule.alphas_cumprod[s]
    eps = (x_t - abar_t.sqrt() * x0_hat) / (1 - abar_t).sqrt()
    return abar_s.sqrt() * x0_hat + (1 - abar_s).sqrt() * eps


@solves("euler_step")
def as_a_mean_of_z_and_the_estimate(x_t, x0_hat, t, s, schedule, **unused):
    if s is None:
        return x0_hat
    u, u_s = schedule.u[[t, s]].tolist()
    z = x_t * math.hypot(u, 1 - u)
    return torch.lerp(z, x0_hat, (u_s - u) / (1 - u)) / math.hypot(u_s, 1 - u_s)


# ---- flow matching: C 5 --------------------------------------------------------------------------------------------


@solves("heun")
def in_velocities(denoiser, cond, threshold=None):
    def corrected(x_t, x0_hat, t, s, schedule, **unused):
        x_s = euler_step(x_t, x0_hat, t, s, schedule)
        if s is None:
            return x_s
        with torch.no_grad():
            x0_hat_s = estimate_x0(x_s, s, denoiser(x_s, s, cond).eps, schedule.alphas_cumprod)
        if threshold:
            x0_hat_s = threshold(x0_hat_s)
        mean = 0.5 * velocity(x_t, x0_hat, t, schedule) + 0.5 * velocity(x_s, x0_hat_s, s, schedule)
        z, u = to_flow(x_t, t, schedule)
        return from_flow(z + (schedule.u[s] - u) * mean, s, schedule)

    return corrected


@solves("heun")
def half_a_step_with_each(denoiser, cond, *, threshold=None):
    @torch.no_grad()
    def step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        if s is None:
            return x0_hat
        u, u_s = schedule.u[t].item(), schedule.u[s].item()
        z = x_t * math.hypot(u, 1 - u)
        there = torch.lerp(z, x0_hat, (u_s - u) / (1 - u))
        x_s = there / math.hypot(u_s, 1 - u_s)
        guess = estimate_x0(x_s, s, denoiser(x_s, s, cond)[0], schedule.alphas_cumprod)
        guess = guess if threshold is None else threshold(guess)
        z_s = (z + there + (u_s - u) * (guess - there) / (1 - u_s)) / 2
        return z_s / math.hypot(u_s, 1 - u_s)

    return step


@solves("dpm_solver_2m")
def with_a_class():
    class Solver:
        arrived = None

        def __call__(self, x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
            if s is None:
                self.arrived = None
                return x0_hat
            u, u_s = schedule.u[[t, s]].double().tolist()
            length = math.log(u_s / (1 - u_s)) - (math.log(u / (1 - u)) if u > 0 else -math.inf)
            mixed = x0_hat
            if self.arrived == t:
                r = self.length / length
                mixed = (1 + 1 / (2 * r)) * x0_hat - 1 / (2 * r) * self.x0_hat
            eps = (x_t * math.hypot(u, 1 - u) - u * mixed) / (1 - u)
            self.arrived, self.length, self.x0_hat = s, length, x0_hat
            return (u_s * mixed + (1 - u_s) * eps) / math.hypot(u_s, 1 - u_s)

    return Solver()


@solves("dpm_solver_2m")
def with_a_list():
    seen = []

    def step(x_t, x0_hat, t, s, schedule, **unused):
        if s is None:
            seen.clear()
            return x0_hat
        if seen and seen[-1][0] != t:
            seen.clear()
        lam = torch.logit(schedule.alphas_cumprod.double()) / 2
        seen.append((s, lam[s] - lam[t], x0_hat))
        target = x0_hat
        if len(seen) > 1:
            (_, h_1, older), (_, h, newer) = seen[-2:]
            target = newer + h / h_1 / 2 * (newer - older)
        return ddim_step(x_t, target, t, s, schedule)

    return step


# ---- flow matching: C 6 --------------------------------------------------------------------------------------------


@solves("one_step_denoise")
def on_the_line_of_both_ends(z, v, u):
    u = u.reshape(len(z), 1, 1, 1) if isinstance(u, torch.Tensor) else u
    eps_hat = z - u * v
    return eps_hat + v


@solves("one_step_denoise")
def by_addcmul(z, v, u):
    left = 1 - torch.as_tensor(u, dtype=torch.float32)
    return torch.addcmul(z, v, left[:, None, None, None] if left.ndim else left)


@solves("reflow_pairs")
def by_the_last_of_the_path(velocity, shape, h=0.02, *, generator=None):
    eps = torch.randn(shape, generator=generator)
    path = euler_sample(velocity, eps, 0.0, h)
    return path[-1][1], path[0][1]


@solves("reflow_pairs")
@torch.inference_mode()
def in_small_batches(velocity, shape, h=0.02, generator=None):
    starts, ends = [], []
    for size in [8] * (shape[0] // 8) + [shape[0] % 8] * (shape[0] % 8 > 0):
        z = torch.empty(size, *shape[1:]).normal_(generator=generator)
        starts.append(z)
        for u in torch.arange(0, 1 - 1e-9, h).tolist():
            z = z + min(h, 1 - u) * velocity(z, u)
        ends.append(z)
    return torch.cat(ends), torch.cat(starts)


# ---- flows of digits -----------------------------------------------------------------------------------------------


@solves("flow_time")
class NoiseBeforeTheTime(FlowTime):
    def examples(self, x0, labels, generator):
        eps = torch.randn(x0.shape, generator=generator)
        u = torch.rand(len(x0), 1, generator=generator)
        return (torch.lerp(eps, x0, u[..., None, None]), u), x0 - eps


@solves("flow_time")
class FlowOneByOne(FlowTime):
    def examples(self, x0, labels, generator):
        z, u01, v = torch.empty(len(x0), 1, 28, 28), torch.empty(len(x0), 1), torch.empty(len(x0), 1, 28, 28)
        for i, x in enumerate(x0):
            u = 1 - torch.rand(1, generator=generator)  # as uniform as u itself
            eps = torch.randn(1, 28, 28, generator=generator)
            v[i], u01[i] = x - eps, u
            z[i] = eps + u * v[i]
        return [z, u01], v


@solves("flow_time")
class FromTheEndOfTheLine(FlowTime):
    def examples(self, x0, labels, generator):
        u = torch.empty(len(x0)).uniform_(generator=generator).reshape(-1, 1, 1, 1)
        v = x0 - torch.empty_like(x0).normal_(generator=generator)
        return (x0 - (1 - u) * v, u.flatten(1)), v


@solves("sample_flow")
@torch.no_grad()
def at_a_list_of_times(network, count, steps=50, *, generator=None):
    network.eval()
    z = torch.randn(count, 1, 28, 28, generator=generator)
    times = torch.linspace(0, 1, steps + 1)
    for u, u_next in itertools.pairwise(times):
        z = z + (u_next - u) * network(z, u.expand(count, 1))
    return z


@solves("sample_flow")
@torch.inference_mode()
def between_noise_and_estimate(network, count, steps=50, *, generator=None):
    was = network.training
    network.train(False)
    z = torch.randn(count, 1, 28, 28, generator=generator)
    for i in range(steps):
        u, u_next = i / steps, (i + 1) / steps
        v = network(z, torch.full((count, 1), u))
        x0_hat, eps_hat = z + (1 - u) * v, z - u * v
        z = u_next * x0_hat + (1 - u_next) * eps_hat
    network.train(was)
    return z


@solves("sample_flow")
def one_flow_after_the_other(network, count, steps=50, *, generator=None):
    network.eval()
    digits = []
    for _ in range(count):
        z = torch.randn(1, 1, 28, 28, generator=generator)
        for i in range(steps):
            with torch.no_grad():
                z += network(z, torch.tensor([[i / steps]])) / steps
        digits.append(z)
    return torch.cat(digits)


@solves("flow_class")
class ClassesFirst(FlowClass):
    def examples(self, x0, labels, generator):
        c = one_hot(labels)
        c[torch.rand(len(x0), generator=generator) < self.p_uncond] = 0
        (z, u01), v = FlowTime.examples(self, x0, labels, generator)
        return (z, u01, c), v


@solves("flow_class")
class KeptByBernoulli(FlowClass):
    def examples(self, x0, labels, generator):
        inputs, v = FlowTime.examples(self, x0, labels, generator)
        keep = torch.bernoulli(torch.full((len(x0), 1), 1 - self.p_uncond), generator=generator)
        return [*inputs, torch.eye(10)[labels] * keep], v


@solves("sample_flow_classes")
@torch.no_grad()
def both_halves_in_one_call(network, c, gamma, steps=300, *, generator=None):
    network.eval()
    n = len(c)
    z = torch.randn(n, 1, 28, 28, generator=generator)
    both = torch.cat([torch.zeros_like(c), c])
    for i in range(steps):
        v_u, v_c = network(z.repeat(2, 1, 1, 1), torch.full((2 * n, 1), i / steps), both).chunk(2)
        z = z + torch.lerp(v_u, v_c, gamma) / steps
    return z


@solves("sample_flow_classes")
@torch.no_grad()
def by_the_guided_estimate(network, c, gamma, steps=300, *, generator=None):
    was = network.training
    network.eval()
    z, nothing = torch.randn(len(c), 1, 28, 28, generator=generator), c.new_zeros(c.shape)
    for i in range(steps):
        u01 = torch.ones(len(c), 1) * i / steps
        v_u, v_c = network(z, u01, nothing), network(z, u01, c)
        x0_hat = z + (1 - i / steps) * (gamma * v_c + (1 - gamma) * v_u)
        z = torch.lerp(z, x0_hat, 1 / (steps - i))
    network.train(was)
    return z


@solves("sample_flow_classes")
def one_guided_digit_after_the_other(network, c, gamma, steps=300, *, generator=None):
    network.eval()
    digits = []
    for row in c.split(1):
        z = torch.randn(1, 1, 28, 28, generator=generator)
        for i in range(steps):
            u01 = torch.tensor([[i / steps]])
            with torch.no_grad():
                v_u = network(z, u01, torch.zeros(1, 10))
                z = z + (v_u + gamma * (network(z, u01, row) - v_u)) / steps
        digits.append(z)
    return torch.cat(digits)
