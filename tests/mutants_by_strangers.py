"""Planted mistakes by people who have not read helpers/checks: written from the course and the kit's functions alone.

Like tests/mutants.py, but without the name that a check should give, since they cannot know it:
(exercise, a piece of the kit's own source, what stands there instead, what is wrong in their words). A check has to
catch each, and to recognise it.
"""

# ruff: noqa: E501

# What is a loop of one's own, to plant mistakes in.
LOOP = """@torch.no_grad()
    def loop(x_t):
        for t, s in zip(timesteps, [*timesteps[1:], None]):
            eps, var = denoiser(x_t, t, cond)
            x0_hat = estimate_x0(x_t, t, eps, denoiser.schedule.alphas_cumprod)
            if threshold is not None:
                x0_hat = threshold(x0_hat)
            x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=var, generator=generator)
            if constrain is not None:
                x_s = constrain(x_s, s)
            yield Step(t, s, x_t, eps, x0_hat, x_s)
            x_t = x_s

    return loop(x_t)"""
SAMPLER = """was_training = network.training
    network.eval()
    x = draw_noise((count, 1, 28, 28), generator, torch.device("cpu"))
    with torch.no_grad():
        for t in reversed(range(schedule.T)):
            beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
            eps = network(x, torch.full((count, 1), t / schedule.T))
            x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
            if t > 0:
                x = x + beta.sqrt() * draw_noise(x.shape, generator, x.device)
    network.train(was_training)
    return x"""


def in_a_loop(right: str, wrong: str, words: str) -> tuple[str, str, str, str]:
    """A mistake in somebody's own denoise."""
    assert LOOP.count(right) == 1, right
    kits_own = "return _denoise(denoiser, x_t, timesteps, cond, step, threshold, constrain, resample, generator)"
    return "denoise", kits_own, LOOP.replace(right, wrong), words


def in_a_sampler(right: str, wrong: str, words: str) -> tuple[str, str, str, str]:
    """A mistake in somebody's own sample_digits."""
    assert SAMPLER.count(right) == 1, right
    kits_own = """denoiser, timesteps = DigitDenoiser(network, schedule), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, (), timesteps=timesteps, batch_size=count, generator=generator), progress=False)"""
    return "sample_digits", kits_own, SAMPLER.replace(right, wrong), words


def in_a_sampler_of_classes(eps: str, words: str) -> tuple[str, str, str, str]:
    """A mistake in somebody's own sample_classes: what it takes for the guided noise."""
    kits_own = """denoiser, timesteps = guided(DigitDenoiser(network, schedule), gamma), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, c, timesteps=timesteps, batch_size=len(c), generator=generator), progress=False)"""
    plain = "network(x, torch.full((count, 1), t / schedule.T))"
    assert SAMPLER.count(plain) == 1
    sampler = SAMPLER.replace(plain, eps.replace("t01", "torch.full((count, 1), t / schedule.T)"))
    return "sample_classes", kits_own, "count = len(c)\n    " + sampler, words


MUTANTS: list[tuple[str, str, str, str]] = [
    # ---- Part A ---------------------------------------------------------------------------------------------------
    (
        "strided_timesteps",
        "[first * i // (steps - 1) for i in reversed(range(steps))]",
        "[first // (steps - 1) * i for i in reversed(range(steps))]",
        "The stride is rounded down to a whole number even where it does not go evenly into T: 150 steps of 1000 start at 894, which is not pure noise.",
    ),
    (
        "strided_timesteps",
        "[first * i // (steps - 1) for i in reversed(range(steps))]",
        "list(range(T - 1, -1, -(T // steps)))",
        "The list goes down from T - 1 in strides of T // steps: it has more timesteps than were asked for, and does not end at 0.",
    ),
    (
        "forward",
        "(1 - abar_t).sqrt() * eps",
        "(1 - abar_t.sqrt()) * eps",
        "The root is drawn of ᾱ alone, 1 - √ᾱ, instead of of the whole √(1 - ᾱ): too little noise.",
    ),
    (
        "forward",
        "eps = draw_noise(x0.shape, generator, x0.device).to(x0.dtype)",
        "eps = draw_noise(x0.shape[1:], generator, x0.device).to(x0.dtype).expand_as(x0)",
        "One noise is drawn and laid over all images of the batch; each needs its own.",
    ),
    (
        "forward",
        "return x_t, eps",
        "return x_t, (1 - abar_t).sqrt() * eps",
        "What comes back beside x_t is the noise as it was added, √(1 - ᾱ) eps, and not eps.",
    ),
    (
        "blur",
        "return gaussian_blur(x, kernel_size, sigma)",
        """d = torch.arange(kernel_size, device=x.device) - kernel_size / 2
    w = torch.exp(-(d**2) / (2 * sigma**2))
    w = (w / w.sum()).to(x.dtype)
    r, C = kernel_size // 2, x.shape[1]
    x = torch.nn.functional.pad(x, (r, r, r, r), mode="reflect")
    x = torch.nn.functional.conv2d(x, w.view(1, 1, 1, -1).repeat(C, 1, 1, 1), groups=C)
    return torch.nn.functional.conv2d(x, w.view(1, 1, -1, 1).repeat(C, 1, 1, 1), groups=C)""",
        "The middle of the bell is at kernel_size / 2, half a pixel beside the middle pixel, so the weights are lopsided and the image shifts.",
    ),
    (
        "blur",
        "return gaussian_blur(x, kernel_size, sigma)",
        """d = torch.arange(kernel_size, device=x.device) - kernel_size // 2
    w = torch.exp(-(d**2) / (2 * sigma**2))
    w = (w / w.sum()).to(x.dtype)
    r, C = kernel_size // 2, x.shape[1]
    x = torch.nn.functional.conv2d(x, w.view(1, 1, 1, -1).repeat(C, 1, 1, 1), groups=C, padding=(0, r))
    return torch.nn.functional.conv2d(x, w.view(1, 1, -1, 1).repeat(C, 1, 1, 1), groups=C, padding=(r, 0))""",
        "conv2d's own padding puts zeros beyond the edges, so the border goes grey; the image should be reflected there.",
    ),
    (
        "estimate_x0",
        "(x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()",
        "x_t - (1 - abar_t).sqrt() * eps / abar_t.sqrt()",
        "Brackets missing: only the noise is divided by √ᾱ, x_t is not.",
    ),
    (
        "ddpm_step",
        "if s is None:",
        "if not s:",
        "`not s` is also true for timestep 0: the step to s = 0 already returns x0_hat, as only the very last one should.",
    ),
    (
        "ddpm_step",
        "return mean + variance.sqrt() * draw_noise(x_t.shape, generator, x_t.device)",
        "return mean + variance.sqrt() * draw_noise(x_t.shape, generator, x_t.device) if s > 0 else mean",
        "No noise on arriving at s = 0. That is not the last step here: the one after it, with s = None, is.",
    ),
    (
        "ddpm_step",
        "variance = torch.exp(v * beta.log() + (1 - v) * beta_tilde.log())",
        "variance = v * beta + (1 - v) * beta_tilde",
        "The learned variance is interpolated between β̃ and β themselves, and not between their logarithms.",
    ),
    (
        "ddpm_step",
        "v = (var + 1) / 2",
        "v = var",
        "The variance channel, from -1 to 1, is used as the weight as it is; the weight is (v + 1) / 2, from 0 to 1.",
    ),
    in_a_loop(
        "zip(timesteps, [*timesteps[1:], None])",
        "[(t, t - 1 if t else None) for t in timesteps]",
        "The step goes from t to t - 1, although the next timestep of the list is further away.",
    ),
    in_a_loop(
        "[*timesteps[1:], None]",
        "[timesteps[-1], *timesteps[:-1]]",
        "s is the timestep before t in the list, timesteps[i - 1], so that the step goes up.",
    ),
    in_a_loop(
        "denoiser.schedule.alphas_cumprod)",
        "denoiser.schedule.alphas_cumprod).clamp(-1, 1)",
        "The estimate is clamped to [-1, 1] although nobody asked for a threshold.",
    ),
    in_a_loop(
        "x_t = x_s",
        "x_t = x0_hat",
        "The next step begins at the estimate x0_hat and not at x_s.",
    ),
    in_a_loop(
        "yield Step(t, s, x_t,",
        "yield Step(t, s, x_s,",
        "x_s is yielded where x_t belongs: x_t was overwritten before the yield.",
    ),
    in_a_loop(
        "x_s = constrain(x_s, s)",
        "constrain(x_s, s)",
        "What constrain returns is thrown away.",
    ),
    in_a_loop(
        "if constrain is not None:",
        "if constrain is not None and s is not None:",
        "constrain does not run after the last step, where s is None.",
    ),
    in_a_loop(
        """            if threshold is not None:
                x0_hat = threshold(x0_hat)
            x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=var, generator=generator)
""",
        """            x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=var, generator=generator)
            if threshold is not None:
                x0_hat = threshold(x0_hat)
""",
        "The threshold is applied to the estimate after the step, which has not used it.",
    ),
    in_a_loop(
        "yield Step(t, s, x_t, eps, x0_hat, x_s)",
        "yield Step(t, s, x_t, eps, estimate_x0(x_t, t, eps, denoiser.schedule.alphas_cumprod), x_s)",
        "What is yielded as x0_hat is the estimate from before the threshold.",
    ),
    (
        "denoise",
        "return _denoise(denoiser, x_t, timesteps, cond, step, threshold, constrain, resample, generator)",
        "return _denoise(denoiser, x_t, timesteps, cond, ddpm_step, threshold, constrain, resample, generator)",
        "The loop calls ddpm_step whatever `step` it is given.",
    ),
    (
        "denoise",
        "return _denoise(denoiser, x_t, timesteps, cond, step, threshold, constrain, resample, generator)",
        """@torch.no_grad()
    def loop(x_t):
        for t, s in zip(timesteps, [*timesteps[1:], None]):
            eps, var = denoiser(x_t, t, cond)
            x0_hat = estimate_x0(x_t, t, eps, denoiser.schedule.alphas_cumprod)
            x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=var, generator=generator)
            if threshold is not None:
                x_s = threshold(x_s)
            if constrain is not None:
                x_s = constrain(x_s, s)
            yield Step(t, s, x_t, eps, x0_hat, x_s)
            x_t = x_s

    return loop(x_t)""",
        "The threshold is applied to x_s, the still noisy image, instead of to x0_hat before the step.",
    ),
    (
        "denoise",
        "return _denoise(denoiser, x_t, timesteps, cond, step, threshold, constrain, resample, generator)",
        """@torch.no_grad()
    def loop(x_t):
        for t, s in zip(timesteps, [*timesteps[1:], None]):
            eps, var = denoiser(x_t, t, cond)
            x0_hat = estimate_x0(x_t, t, eps, denoiser.schedule.alphas_cumprod)
            if threshold is not None:
                x0_hat = threshold(x0_hat)
            x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=var, generator=generator)
            x_t_before, x_t = x_t, x_s
            if constrain is not None:
                x_s = constrain(x_s, s)
            yield Step(t, s, x_t_before, eps, x0_hat, x_s)

    return loop(x_t)""",
        "The constrained image is yielded, but the loop goes on from the unconstrained one.",
    ),
    (
        "sample",
        'x_T = draw_noise((batch_size, *denoiser.image_shape), generator, torch.device("cpu"))',
        "x_T, _ = forward(torch.zeros(batch_size, *denoiser.image_shape), timesteps[0], denoiser.schedule.alphas_cumprod, generator=generator)",
        "The start is a grey image noised to the first timestep, that is noise times √(1 - ᾱ), and not noise of standard deviation 1.",
    ),
    (
        "sample",
        "threshold=threshold, generator=generator)",
        "threshold=threshold)",
        "The generator is used for the start only; the loop's noise comes from elsewhere, so that the same seed gives another image each time.",
    ),
    (
        "guided",
        "[self.unconditional(cond), cond]",
        "[torch.zeros_like(cond), cond]",
        "The empty condition is not all zeros: for a text model it is the embedding of the empty prompt. Ask the denoiser, `unconditional(cond)`.",
    ),
    (
        "guided",
        "eps_u + self.gamma * (eps_c - eps_u)",
        "eps_u + self.gamma * eps_c",
        "γ times the whole conditional prediction is added, instead of γ times its difference from the unconditional one: the noise gets 1 + γ times too strong.",
    ),
    (
        "sdedit",
        "timesteps[i_start:], cond, generator=generator, **options)",
        "timesteps[i_start:], cond, generator=generator)",
        "The options are accepted and then forgotten: `threshold` and `step` never reach the loop.",
    ),
    (
        "sdedit",
        "timesteps[i_start:], cond, generator",
        "timesteps[i_start + 1 :], cond, generator",
        "The image is noised to timesteps[i_start], but the loop begins one timestep later and takes it for cleaner than it is.",
    ),
    (
        "from_pixels",
        "pixels.permute(2, 0, 1)[None] / 127.5 - 1",
        "pixels.permute(2, 0, 1)[None] * 2 / 255 - 1",
        "Bytes times 2 are still bytes, and run over: 200 becomes 144. Turn them into floats first.",
    ),
    (
        "from_pixels",
        "permute(2, 0, 1)",
        "permute(2, 1, 0)",
        "Height and width are exchanged: the image lies on its side, mirrored.",
    ),
    (
        "from_pixels",
        "pixels.permute(2, 0, 1)[None]",
        "pixels.reshape(1, 3, *pixels.shape[:2])",
        "reshape does not move the colours to the front, it only reads the numbers in other rows: nine small grey images in the place of one.",
    ),
    (
        "keep_known",
        "known = x_orig if s is None else forward(x_orig, s, alphas_cumprod, generator=generator)[0]",
        "known = forward(x_orig, s or 0, alphas_cumprod, generator=generator)[0]",
        "After the last step the kept part is noised to timestep 0; it should be the original itself, to the last bit.",
    ),
    (
        "keep_known",
        "x_orig if s is None else",
        "x_orig if not s else",
        "`not s` is also true for timestep 0: there the kept part has to be noised to 0 like the rest, and only after the last step clean.",
    ),
    (
        "keep_known",
        "forward(x_orig, s, alphas_cumprod, generator=generator)[0]",
        "forward(x_orig, s, alphas_cumprod)[0]",
        "The generator is not handed on to forward: the same seed gives another image each time.",
    ),
    (
        "inpaint",
        "keep_known(x_s, s, x_orig,",
        "keep_known(x_s, None, x_orig,",
        "The kept part is the clean original after every step, while the rest is still noisy; the network expects the same noise everywhere.",
    ),
    (
        "inpaint",
        "x_T = draw_noise(x_orig.shape, generator, x_orig.device)",
        "x_T, _ = forward(x_orig, timesteps[0], alphas_cumprod, generator=generator)",
        "The start is the noised original and not pure noise: a trace of what is to be repainted is left under the mask.",
    ),
    (
        "dynamic_threshold",
        "x0_hat.flatten(1).abs().quantile(ratio, dim=1).clamp(1, maximum).view(-1, 1, 1, 1)",
        "x0_hat.abs().quantile(ratio).clamp(1, maximum)",
        "One s for the whole batch: a garish image makes its neighbours pale. Each image needs its own.",
    ),
    (
        "dynamic_threshold",
        ".clamp(1, maximum)",
        ".clamp(max=maximum)",
        "s is not kept from falling below 1: a pale image is stretched until it fills [-1, 1].",
    ),
    (
        "dynamic_threshold",
        "x0_hat.flatten(1).abs().quantile",
        "x0_hat.flatten(1).quantile",
        "The quantile is that of x0_hat and not of |x0_hat|: what is far below -1 does not count.",
    ),
    (
        "anagram",
        "torch.stack(eps).mean(dim=0)",
        "torch.stack(eps).sum(dim=0) / len(eps) ** 0.5",
        "The sum is divided by √n instead of n, as if the predictions were independent noise; they are all guesses of the same noise.",
    ),
    (
        "anagram",
        "torch.stack(eps).mean(dim=0)",
        "sum(eps) / 2",
        "Divided by 2 whatever the number of views: right for two of them, wrong for three.",
    ),
    (
        "anagram",
        """predictions = self.predict_each([view.view(x_t) for view in self.views], t, cond)

        def mean(*seen: Tensor) -> Tensor:
            eps = [view.inverse_view(x) for view, x in zip(self.views, seen)]""",
        """predictions = self.predict_each([view.inverse_view(x_t) for view in self.views], t, cond)

        def mean(*seen: Tensor) -> Tensor:
            eps = [view.view(x) for view, x in zip(self.views, seen)]""",
        "View and way back are exchanged. With a flip nobody notices; a quarter turn goes the other way round.",
    ),
    (
        "hybrid",
        "near - self.low_pass(near)",
        "near - self.low_pass(far)",
        "The near prompt's high-pass part has the far prompt's low-pass part taken off, not its own, and in the sum the far one cancels out.",
    ),
    (
        "hybrid",
        "self.low_pass(far) + high_pass",
        "(self.low_pass(far) + high_pass) / 2",
        "Halved as in the anagram; but low and high pass are two parts of one noise, to be added and not averaged.",
    ),
    # ---- Part B ---------------------------------------------------------------------------------------------------
    (
        "conv",
        """nn.BatchNorm2d(out_channels),
            nn.GELU(),""",
        """nn.GELU(),
            nn.BatchNorm2d(out_channels),""",
        "GELU and BatchNorm are in the wrong order: the normalisation comes before the nonlinearity.",
    ),
    (
        "down_conv",
        "kernel_size=3",
        "kernel_size=4",
        "Kernel 4, as in UpConv; here it is 3. The shapes come out the same, the weights do not.",
    ),
    (
        "up_conv",
        "kernel_size=4, stride=2, padding=1",
        "kernel_size=2, stride=2, padding=0",
        "Kernel 2 without padding doubles the resolution too, but each output pixel sees only one input pixel; wanted kernel 4, padding 1.",
    ),
    (
        "flatten",
        "nn.AvgPool2d(7)",
        "nn.MaxPool2d(7)",
        "The largest value of each channel is taken, not its mean.",
    ),
    (
        "unflatten",
        "nn.ConvTranspose2d(channels, channels, kernel_size=7, stride=7, padding=0)",
        "nn.Upsample(scale_factor=7)",
        "Upsample only repeats each mean 49 times and has no weights; wanted a ConvTranspose2d, which learns what the 7×7 image looks like.",
    ),
    (
        "conv_block",
        "Conv(in_channels, out_channels), Conv(out_channels, out_channels)",
        "Conv(in_channels, in_channels), Conv(in_channels, out_channels)",
        "The channels change in the second convolution instead of the first: the block of one input channel goes through a single channel.",
    ),
    (
        "down_block",
        "ConvBlock(out_channels, out_channels)",
        "Conv(out_channels, out_channels)",
        "One Conv after the DownConv where a ConvBlock, two of them, should be.",
    ),
    (
        "up_block",
        "UpConv(in_channels, out_channels), ConvBlock(out_channels, out_channels)",
        "ConvBlock(in_channels, out_channels), UpConv(out_channels, out_channels)",
        "The order is turned round: first enlarge, then the two convolutions at the new resolution.",
    ),
    (
        "unconditional_unet",
        "nn.Sequential(ConvBlock(2 * D, D), nn.Conv2d(D, 1, kernel_size=3, stride=1, padding=1))",
        "nn.Sequential(ConvBlock(2 * D, D), Conv(D, 1))",
        "The last layer is a Conv with BatchNorm and GELU instead of a plain Conv2d: the output can hardly be negative.",
    ),
    (
        "unconditional_unet",
        "up7 = c1 * self.unflatten(x1) + t1",
        "up7 = c1 * (self.unflatten(x1) + t1)",
        "The class scales the time's shift as well: first scale, then shift. Nobody notices before Part 2.",
    ),
    (
        "add_noise",
        "return x0 + sigma * noise",
        "return x0.add_(sigma * noise)",
        "The noise is added in place: the clean image, which is also the training's target, is now the noisy one.",
    ),
    (
        "add_noise",
        "return x0 + sigma * noise",
        "return x0 + sigma**0.5 * noise",
        "sigma is taken for the variance; it is the standard deviation.",
    ),
    (
        "one_step",
        "add_noise(x0, self.sigma, generator=generator)",
        "add_noise(x0, 0.5, generator=generator)",
        "The strength 0.5 is written into the function: self.sigma is ignored.",
    ),
    (
        "training_step",
        """optimizer.zero_grad()
    loss.backward()
    optimizer.step()""",
        """loss.backward()
    optimizer.zero_grad()
    optimizer.step()""",
        "The gradients are thrown away between backward() and step(): the network never learns.",
    ),
    (
        "training_step",
        "return loss.detach()",
        "return loss",
        "The loss comes back with its whole graph; who keeps the losses in a list keeps every batch's activations in memory.",
    ),
    (
        "fc_block",
        "nn.Linear(out_features, out_features),",
        "nn.Linear(out_features, out_features),\n            nn.GELU(),",
        "There is a second GELU at the end: a shift or a scale can then hardly be negative.",
    ),
    (
        "fc_block",
        """nn.Linear(in_features, out_features),
            nn.GELU(),
            nn.Linear(out_features, out_features),""",
        """nn.Linear(in_features, in_features),
            nn.GELU(),
            nn.Linear(in_features, out_features),""",
        "The hidden layer is as wide as the input: the time, one number, goes through a single neuron. It should be F_out wide.",
    ),
    (
        "time_unet",
        "t1=self.t1(t01), t2=self.t2(t01)",
        "c1=self.t1(t01), c2=self.t2(t01)",
        "The time scales the channels, in the class's place, instead of shifting them.",
    ),
    (
        "time_conditional",
        "torch.randint(self.T, (count,), generator=generator)",
        "torch.randint(1, self.T, (count,), generator=generator)",
        "t = 0 is never drawn: the paper counts from 1 to T, here it is 0 to T - 1.",
    ),
    (
        "time_conditional",
        "(t / self.T)",
        "(t / (self.T - 1))",
        "The network is told t / (T - 1); everywhere else it is t / T.",
    ),
    (
        "time_conditional",
        "x_t, eps = forward(x0, t, self.schedule.alphas_cumprod, generator=generator)",
        "x_t, _ = forward(x0, t, self.schedule.alphas_cumprod, generator=generator)\n        eps = draw_noise(x0.shape, generator, x0.device)",
        "The target is noise drawn anew, which has nothing to do with the noise in x_t: there is nothing to learn but 0.",
    ),
    (
        "digit_denoiser",
        "torch.ones_like(eps))",
        "torch.full_like(eps, self.schedule.betas[t].item()))",
        "var is filled with the variance β_t itself; it wants the place between β̃ (-1) and β (+1), here +1.",
    ),
    (
        "digit_denoiser",
        "self.unet.train(was_training)",
        "self.unet.train()",
        "The network is always left in training mode, even if it came in evaluation mode.",
    ),
    in_a_sampler(
        "/ (1 - beta).sqrt()\n",
        "/ (1 - beta).sqrt()\n            x = x.clamp(0, 1)\n",
        "The image is clamped in the loop, before the noise.",
    ),
    in_a_sampler(
        "beta, abar = schedule.betas[t], schedule",
        "beta, abar = 1 - schedule.alphas_cumprod[t], schedule",
        "1 - abar is taken for beta.",
    ),
    in_a_sampler(
        "(x - beta /",
        "(x + beta /",
        "The sign of the predicted noise is wrong: it is added.",
    ),
    in_a_sampler(
        "/ (1 - beta).sqrt()",
        "/ (1 - beta)",
        "The mean is divided by alpha and not by its root.",
    ),
    in_a_sampler(
        "beta / (1 - abar).sqrt() * eps",
        "(1 - abar).sqrt() * eps",
        "All of the noise is taken away at each step.",
    ),
    in_a_sampler(
        "if t > 0:",
        "if t > 1:",
        "As in the paper no noise at t = 1, but here t begins at 0.",
    ),
    in_a_sampler(
        'x = draw_noise((count, 1, 28, 28), generator, torch.device("cpu"))',
        'x = 0.5 + 0.5 * draw_noise((count, 1, 28, 28), generator, torch.device("cpu"))',
        "It starts from grey with half of the noise.",
    ),
    in_a_sampler(
        "* draw_noise(x.shape, generator, x.device)",
        "* torch.rand(x.shape, generator=generator)",
        "The z of the steps is uniform.",
    ),
    in_a_sampler(
        "t / schedule.T",
        "t / 1000",
        "The network is told t / 1000, as if the schedule had 1000 timesteps.",
    ),
    (
        "sample_digits",
        """denoiser, timesteps = DigitDenoiser(network, schedule), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, (), timesteps=timesteps, batch_size=count, generator=generator), progress=False)""",
        """was_training, device = network.training, next(network.parameters()).device
    network.eval()
    x = draw_noise((count, 1, 28, 28), generator, device)
    z = draw_noise((count, 1, 28, 28), generator, device)
    with torch.no_grad():
        for t in reversed(range(schedule.T)):
            beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
            eps = network(x, torch.full((count, 1), t / schedule.T, device=device))
            x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
            if t > 0:
                x = x + beta.sqrt() * z
    network.train(was_training)
    return x""",
        "The steps' noise z is drawn once, before the loop: every step pushes the same way. Each needs its own.",
    ),
    (
        "sample_digits",
        """denoiser, timesteps = DigitDenoiser(network, schedule), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, (), timesteps=timesteps, batch_size=count, generator=generator), progress=False)""",
        """was_training, device = network.training, next(network.parameters()).device
    network.eval()
    x = draw_noise((count, 1, 28, 28), generator, device)
    with torch.no_grad():
        for t in reversed(range(schedule.T)):
            beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
            eps = network(x, torch.full((count, 1), t / schedule.T, device=device))
            x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
            if t > 0:
                x = x + beta * draw_noise(x.shape, generator, device)
    network.train(was_training)
    return x""",
        "The noise is multiplied by β instead of √β: β is its variance. The digits come out too smooth.",
    ),
    (
        "class_conditional",
        "torch.rand(len(x0), 1, generator=generator)",
        "torch.randn(len(x0), 1, generator=generator)",
        "randn for rand: the draw is normal and not uniform, so that more than half of the classes are dropped.",
    ),
    (
        "class_conditional",
        ">= p_uncond",
        "< p_uncond",
        "Turned round: the class is kept with probability 0.1, and dropped in nine cases of ten.",
    ),
    (
        "class_unet",
        "self.wire(x, self.c1(c), self.t1(t01), self.c2(c), self.t2(t01))",
        "self.wire(x, 1 + self.c1(c), self.t1(t01), 1 + self.c2(c), self.t2(t01))",
        "The scale is 1 + c, as some other networks have it; here it is c itself.",
    ),
    (
        "class_unet",
        "self.wire(x, self.c1(c), self.t1(t01), self.c2(c), self.t2(t01))",
        "self.wire(x, t1=self.t1(t01) + self.c1(c), t2=self.t2(t01) + self.c2(c))",
        "The class is added, like the time; it should multiply.",
    ),
    (
        "sample_classes",
        """denoiser, timesteps = guided(DigitDenoiser(network, schedule), gamma), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, c, timesteps=timesteps, batch_size=len(c), generator=generator), progress=False)""",
        """was_training, device = network.training, next(network.parameters()).device
    network.eval()
    count = len(c)
    x = draw_noise((1, 1, 28, 28), generator, device).repeat(count, 1, 1, 1)
    with torch.no_grad():
        for t in reversed(range(schedule.T)):
            beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
            t01 = torch.full((count, 1), t / schedule.T, device=device)
            eps_c, eps_u = network(x, t01, c), network(x, t01, torch.zeros_like(c))
            eps = eps_u + gamma * (eps_c - eps_u)
            x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
            if t > 0:
                x = x + beta.sqrt() * draw_noise(x.shape, generator, device)
    network.train(was_training)
    return x""",
        "All digits of the batch start from one and the same noise.",
    ),
    (
        "sample_classes",
        """denoiser, timesteps = guided(DigitDenoiser(network, schedule), gamma), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, c, timesteps=timesteps, batch_size=len(c), generator=generator), progress=False)""",
        """was_training, device = network.training, next(network.parameters()).device
    network.eval()
    count = len(c)
    x = draw_noise((count, 1, 28, 28), generator, device)
    with torch.no_grad():
        for t in reversed(range(schedule.T)):
            beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
            t01 = torch.full((count, 1), t / schedule.T, device=device)
            eps_c, eps_u = network(x, t01, c), network(x, t01, torch.full_like(c, 0.1))
            eps = eps_u + gamma * (eps_c - eps_u)
            x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
            if t > 0:
                x = x + beta.sqrt() * draw_noise(x.shape, generator, device)
    network.train(was_training)
    return x""",
        '"Any digit" is a tenth of every class; the network was trained with zeros.',
    ),
    in_a_sampler_of_classes(
        "network(x, t01, 0 * c) + gamma * network(x, t01, c)",
        "The prediction for the class is added in full, and not the difference.",
    ),
    in_a_sampler_of_classes(
        "(gamma * network(x, t01, c) + (1 - gamma) * network(x, t01, 0 * c)).clamp(-1, 1)",
        "The guided noise is clamped.",
    ),
    in_a_sampler_of_classes(
        "gamma * network(x, t01, c) + (1 - gamma) * network(x, t01, 1 - c)",
        '"Any digit" is told as all the other classes.',
    ),
    in_a_sampler_of_classes(
        "gamma * network(x, t01, c) + (1 - gamma) * network(torch.randn(x.shape, generator=generator), t01, 0 * c)",
        "The half without the class is asked about other images.",
    ),
    in_a_sampler_of_classes(
        "gamma * network(x, t01, c) + (1 - gamma) * network(x, t01)", 'For "any digit" the network is called without c.'
    ),
]
