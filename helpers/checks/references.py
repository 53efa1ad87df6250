"""The plain references that several exercises share: forward process, blur, step and loop."""

import math

import torch
import torch.nn.functional as F

from ..sampling import Step


def forward_by(weigh, draw=torch.randn):
    """The forward process with weights of picture and noise by weigh(abar, t), picture by picture."""

    def forward(x0, t, alphas_cumprod, *, noise=None, generator=None):
        eps = draw(x0.shape, generator=generator) if noise is None else noise
        ts = [int(t)] * len(x0) if not torch.is_tensor(t) or t.ndim == 0 else t.tolist()
        weights = [weigh(alphas_cumprod.double(), t) for t in ts]
        x_t = [a * x + b * e for (a, b), x, e in zip(weights, x0.double(), eps.double())]
        return torch.stack(x_t).float(), eps

    return forward


def roots(abar, t):
    return math.sqrt(abar[t]), math.sqrt(1 - abar[t])


def blur_by(bell, *, normalise=True, padding="reflect", sides=(0, 1), crop=False, mix=False, swap=False, fixed=None):
    """A blur with the weights bell(d, sigma) at the distances d, one side after the other."""

    def blur(x, kernel_size, sigma):
        if swap:
            kernel_size, sigma = 2 * int(sigma) + 1, float(kernel_size)
        if fixed:
            kernel_size, sigma = fixed(kernel_size, sigma)
        edge = kernel_size // 2
        weights = [bell(abs(d), sigma) for d in range(-edge, edge + 1)]
        weights = [w / (sum(weights) if normalise else 1) for w in weights]
        y, n = x.double(), x.shape[-1]
        if mix:
            y = y.mean(dim=1, keepdim=True).expand(x.shape)
        if crop:
            padded = y
        elif padding == "doubled":
            wide = torch.cat([y[..., :edge].flip(3), y, y[..., -edge:].flip(3)], dim=3)
            padded = torch.cat([wide[..., :edge, :].flip(2), wide, wide[..., -edge:, :].flip(2)], dim=2)
        else:
            padded = F.pad(y, (edge,) * 4, mode=padding)
        n = padded.shape[-1] - 2 * edge
        if 0 in sides:
            padded = sum(w * padded[..., i : i + n, :] for i, w in enumerate(weights))
        else:
            padded = padded[..., edge : edge + n, :]
        if 1 in sides:
            padded = sum(w * padded[..., i : i + n] for i, w in enumerate(weights))
        else:
            padded = padded[..., edge : edge + n]
        return padded.float()

    return blur


def gauss(d, sigma):
    return math.exp(-(d**2) / (2 * sigma**2))


def coefficients(abar, t, s):
    """α, β and β̃ of a stride."""
    alpha = abar[t] / abar[s]
    beta = 1 - alpha
    return alpha, beta, beta * (1 - abar[s]) / (1 - abar[t])


def posterior(abar, t, s, betas):
    """The weights of x0_hat and x_t."""
    alpha, beta, _ = coefficients(abar, t, s)
    return math.sqrt(abar[s]) * beta / (1 - abar[t]), math.sqrt(alpha) * (1 - abar[s]) / (1 - abar[t])


def between(v, beta, beta_tilde):
    """log σ² goes in a straight line from log β̃ at v = -1 to log β at v = 1."""
    v = (v.double() + 1) / 2
    return torch.exp(v * math.log(beta) + (1 - v) * math.log(beta_tilde))


def no_var(abar, t, s, betas):
    return coefficients(abar, t, s)[2]


def step_by(
    weights=posterior,
    variance=no_var,
    mix=between,
    last=lambda x_t, x0_hat, z: x0_hat,
    at_0=lambda x0_hat, mean, x_s: x_s,
    spread=torch.sqrt,
    draw=torch.randn,
    look_up=lambda abar: abar,
):
    def ddpm_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        z = draw(x_t.shape, generator=generator).double()
        if s is None:
            return last(x_t, x0_hat, z.float())
        abar, betas = look_up(schedule.alphas_cumprod.double()).tolist(), schedule.betas.double().tolist()
        a, b = weights(abar, t, s, betas)
        sigma2 = torch.tensor(variance(abar, t, s, betas)).double()
        if var is not None:
            sigma2 = mix(var, *coefficients(abar, t, s)[1:])
        mean = a * x0_hat.double() + b * x_t.double()
        x_s = mean + spread(sigma2) * z
        return (x_s if s > 0 else at_0(x0_hat, mean, x_s)).float()

    return ddpm_step


NOT_THE_END = "The last step is the one where s is None. s = 0 is a timestep with a little noise, like any other"


def to_the_end(timesteps):
    return zip(timesteps, [*timesteps[1:], None])


def own_ddpm(*args, **options):
    return step_by()(*args, **options)


def loop_by(
    pairs=to_the_end,
    told=lambda i, t, s: t,
    at=lambda t, s: t,
    go_on=True,
    give_var=True,
    give_generator=True,
    use_step=True,
    thresholds="x0_hat",
    constrains="before",
    swap=False,
    both=False,
    named=lambda t, s: (t, s),
    solve=True,
    clamp=False,
    overwritten=False,
):
    """The loop as the maths has it, and with everything in it that can be got wrong."""

    @torch.no_grad()
    def denoise(denoiser, x_t, timesteps, cond, *, step=own_ddpm, threshold=None, constrain=None, generator=None):
        abar = denoiser.schedule.alphas_cumprod.double()
        for i, (t, s) in enumerate(pairs(list(timesteps))):
            eps, var = denoiser(x_t, told(i, t, s), cond)
            if swap:
                eps, var = var if var is not None else eps, eps
            a = abar[at(t, s)].item()
            x0_hat = ((x_t.double() - math.sqrt(1 - a) * eps.double()) / math.sqrt(a)).float() if solve else x_t - eps
            x0_hat = x0_hat.clamp(-1, 1) if clamp else x0_hat
            estimate = x0_hat
            if threshold is not None and thresholds in ("x0_hat", "unseen"):
                x0_hat = threshold(x0_hat)
            options = {"var": var if give_var else None, "generator": generator if give_generator else None}
            x_s = (step if use_step else own_ddpm)(x_t, x0_hat, t, s, denoiser.schedule, **options)
            if threshold is not None and thresholds == "x_s":
                x_s = threshold(x_s)
            if threshold is not None and thresholds == "too late":
                x0_hat = threshold(x0_hat)
            loose = x_s
            if constrain is not None and constrains in ("before", "for show"):
                x_s = constrain(x_s, s)
            if constrain is not None and constrains == "not at the end" and s is not None:
                x_s = constrain(x_s, s)
            if constrain is not None and constrains == "in vain":
                constrain(x_s, s)
            if constrain is not None and constrains == "with t":
                x_s = constrain(x_s, t)
            shown = x_s if overwritten else x_t
            yield Step(*named(t, s), shown, eps, estimate if thresholds == "unseen" else x0_hat, x_s)
            if constrain is not None and constrains == "after":
                x_s = constrain(x_s, s)
            if go_on:
                x_t = x0_hat if go_on == "x0_hat" else loose if constrains == "for show" else x_s

    return denoise


LAST = "A list of n timesteps has n network calls: the last one, at its last timestep, has no next one (s is None)."


def noised(x, a, generator, draw=torch.randn):
    return math.sqrt(a) * x + math.sqrt(1 - a) * draw(x.shape, generator=generator)
