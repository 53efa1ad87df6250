"""Images that show two things: visual anagrams, and hybrids, which change with the viewing distance."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur, pad, resize
from torchvision.transforms.functional import rotate as rotate_by

from .denoisers import Combinator, Denoiser, Prediction, check_denoiser, mixed, predict_together, prepare
from .validate import check_axes, check_fits, check_integer, check_number, check_seed, in_words

__all__ = [
    "Anagram",
    "Hybrid",
    "View",
    "anagram",
    "blur",
    "find_view",
    "flip",
    "hybrid",
    "identity",
    "inner_circle",
    "negate",
    "permute_patches",
    "rotate",
    "turned",
    "views",
]


class View(NamedTuple):
    """A transformation of images (B, C, H, W), and its inverse.

    A view may only reorder pixels or change their signs: then the view of independent standard normal noise is again
    such noise, as the network expects. (In general, an orthogonal map; arXiv:2311.17919, section 3.)
    """

    view: Callable[[Tensor], Tensor]
    inverse_view: Callable[[Tensor], Tensor]


def identity(x: Tensor) -> Tensor:
    return x


def flip(x: Tensor) -> Tensor:
    """Mirrored top to bottom."""
    return x.flip(-2)


def rotate(quarter_turns: int) -> View:
    """Turned by quarter turns, counter-clockwise."""
    check_integer(quarter_turns, "quarter_turns", -3, 3)
    return View(lambda x: x.rot90(quarter_turns, (-2, -1)), lambda x: x.rot90(-quarter_turns, (-2, -1)))


def negate(x: Tensor) -> Tensor:
    """The photographic negative."""
    return -x


def permute_patches(patches: int = 4, seed: int = 0) -> View:
    """A jigsaw: patches × patches squares that change places, determined by the seed."""
    check_integer(patches, "patches", 1)
    check_seed(seed)
    order = torch.randperm(patches**2, generator=torch.Generator().manual_seed(int(seed)))

    def rearrange(x: Tensor, order: Tensor) -> Tensor:
        check_axes(x, "x")
        B, C, H, W = x.shape
        if H % patches or W % patches:
            raise ValueError(f"an image of {H}×{W} cannot be cut into {patches}×{patches} equal squares.")
        h, w = H // patches, W // patches
        pieces = x.view(B, C, patches, h, patches, w).transpose(3, 4).reshape(B, C, patches**2, h, w)
        pieces = pieces[:, :, order.to(x.device)].view(B, C, patches, patches, h, w)
        return pieces.transpose(3, 4).reshape(B, C, H, W)

    return View(lambda x: rearrange(x, order), lambda x: rearrange(x, order.argsort()))


def inner_circle(quarter_turns: int = 1, radius: float = 0.7) -> View:
    """Turn the central disc by quarter turns and keep the rest; radius 1 touches the edges.

    Quarter turns only move pixels. Other angles would need interpolation, which smooths noise.
    """
    check_integer(quarter_turns, "quarter_turns", -3, 3)
    check_number(radius, "radius", 0)

    def turn(x: Tensor, quarter_turns: int) -> Tensor:
        H, W = x.shape[-2:]
        y, x_axis = torch.linspace(-1, 1, H, device=x.device), torch.linspace(-1, 1, W, device=x.device)
        inside = y[:, None] ** 2 + x_axis[None] ** 2 <= radius**2  # (H, W), and the same after a quarter turn
        return torch.where(inside, x.rot90(quarter_turns, (-2, -1)), x)

    return View(lambda x: turn(x, quarter_turns), lambda x: turn(x, -quarter_turns))


views: dict[str, View] = {
    "identity": View(identity, identity),
    "flip": View(flip, flip),
    "rotate_90": rotate(1),
    "rotate_180": rotate(2),
    "negate": View(negate, negate),
    "permute_patches": permute_patches(),
    "inner_circle": inner_circle(),
}


def find_view(view: "str | View") -> View:
    """A View, given as such or by its name in `views`."""
    if isinstance(view, View):
        return view
    if not isinstance(view, str) or view not in views:
        raise ValueError(f"view is {in_words(view)}; wanted one of {', '.join(views)}, or a View.")
    return views[view]


def turned(x: Tensor, view: str, share: float) -> Tensor:
    """Images (B, C, H, W) in [-1, 1] on the way to a view, for display: share 0 is the original, 1 the view.

    A rotation turns and a flip turns over like a card; every other view fades in.
    """
    check_number(share, "share", 0, 1)
    if not isinstance(view, str):
        raise TypeError(f"view is {in_words(view)}; wanted one of {', '.join(views)}.")
    check_axes(x, "x")
    end = find_view(view).view(x)
    if share in (0, 1):
        return x if share == 0 else end
    if view.startswith("rotate_"):
        return rotate_by(x, share * float(view.removeprefix("rotate_")), fill=1.0)
    if view == "flip":
        H, W = x.shape[-2:]
        height = max(round(H * abs(math.cos(math.pi * share))), 1)  # of a card that turns over, seen from the front
        card = resize(x if share < 0.5 else end, [height, W], antialias=True).clamp(-1, 1)
        top = (H - height) // 2
        return pad(card, [0, top, 0, H - height - top], fill=1.0)
    return (1 - share) * x + share * end


class ManyPrompts(Combinator):
    """A Combinator whose condition is a tuple of n conditions of the inner denoiser."""

    n: int

    def predict_each(self, images: list[Tensor], t: int, cond: tuple) -> list[Prediction]:
        self.check_tuple(cond)
        return predict_together(self.denoiser, images, t, list(cond))

    def unconditional(self, cond: tuple) -> tuple:
        self.check_tuple(cond)
        return tuple(self.denoiser.unconditional(c) for c in cond)

    def prepare(self, cond: tuple) -> tuple:
        self.check_tuple(cond)
        return tuple(prepare(self.denoiser, c) for c in cond)

    def check_tuple(self, cond) -> None:
        """One condition for each prompt."""
        if not isinstance(cond, tuple) or len(cond) != self.n:
            given = f"a tuple of {len(cond)}" if isinstance(cond, tuple) else f"a {type(cond).__name__}"
            raise TypeError(f"the condition is {given}; wanted a tuple of {self.n} conditions.")


class Anagram(ManyPrompts):
    """eps = mean over views of view⁻¹(eps(view(x_t), cond_i)); var is the first view's. See `anagram`."""

    def __init__(self, denoiser: Denoiser, views: list[View]):
        super().__init__(denoiser)
        self.views, self.n = views, len(views)

    def __call__(self, x_t: Tensor, t: int, cond: tuple) -> Prediction:
        check_fits(x_t, self.image_shape, "x_t")
        predictions = self.predict_each([view.view(x_t) for view in self.views], t, cond)

        def mean(*seen: Tensor) -> Tensor:
            eps = [view.inverse_view(x) for view, x in zip(self.views, seen)]
            return torch.stack(eps).mean(dim=0)

        # variance channels are not an image: their negative or jigsaw means nothing, so take the unchanged view's
        return mixed(mean, predictions, predictions[0].var)


def anagram(denoiser: Denoiser, views: Sequence["str | View"]) -> Denoiser:
    """An image that shows a different prompt in each view: eps = mean over views of view⁻¹(eps(view(x_t), cond_i)).

    Args:
        views: Views, or names from `views`; the first has to be the identity, which also gives the variance.

    The condition becomes a tuple, one for each view.
    Source: Geng et al. 2024, "Visual Anagrams", equation 3 (arXiv:2311.17919).
    """
    check_denoiser(denoiser)
    if isinstance(views, (str, View)) or not isinstance(views, Sequence):
        raise TypeError(f"views is {in_words(views)}; wanted a list of them, such as ['identity', 'flip'].")
    found = [find_view(view) for view in views]
    if not found or found[0].view is not identity:
        raise ValueError(f"views is {list(views)!r}; wanted the first to be 'identity'.")
    return Anagram(denoiser, found)


def blur(x: Tensor, kernel_size: int, sigma: float) -> Tensor:
    """A Gaussian blur: each pixel of x (B, C, H, W) becomes a weighted mean of its neighbours in its own channel.

    Along each side, the weight of a neighbour at distance d is proportional to exp(-d² / (2 sigma²)). All weights add
    up to 1.

    Args:
        kernel_size: how many pixels wide and high the neighbourhood is; an odd number.
        sigma: the width of the bell, in pixels.

    Returns images of the same shape; beyond the edges, the image is reflected.
    """
    check_axes(x, "x")
    check_kernel(kernel_size, sigma, x.shape)
    kernel_size, sigma = int(kernel_size), float(sigma)  # torchvision takes no tensors
    return gaussian_blur(x, kernel_size, sigma)


def check_kernel(kernel_size: int, sigma: float, shape: Sequence[int]) -> None:
    """A Gaussian kernel for images of a shape (…, H, W), which are reflected at their edges."""
    check_integer(kernel_size, "kernel_size", 1, 2 * min(shape[-2:]) - 1)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size is {kernel_size}; wanted an odd number, so that the filter has a middle.")
    check_number(sigma, "sigma", 1e-6)


class Hybrid(ManyPrompts):
    """eps = lowpass(eps_far) + highpass(eps_near), cond is (far, near); var is far's. See `hybrid`."""

    n = 2

    def __init__(self, denoiser: Denoiser, kernel_size: int, sigma: float):
        super().__init__(denoiser)
        self.kernel_size, self.sigma = kernel_size, sigma

    def low_pass(self, x: Tensor) -> Tensor:
        return gaussian_blur(x, self.kernel_size, self.sigma)  # `blur` would check its arguments in every step

    def __call__(self, x_t: Tensor, t: int, cond: tuple) -> Prediction:
        check_fits(x_t, self.image_shape, "x_t")
        far, near = self.predict_each([x_t, x_t], t, cond)

        def low_and_high(far: Tensor, near: Tensor) -> Tensor:
            high_pass = near - self.low_pass(near)
            return self.low_pass(far) + high_pass

        return mixed(low_and_high, [far, near], far.var)


def hybrid(denoiser: Denoiser, kernel_size: int = 33, sigma: float = 2.0) -> Denoiser:
    """One image that shows one prompt from afar and another close up: eps = lowpass(eps_far) + highpass(eps_near).

    Args:
        kernel_size, sigma: of the Gaussian low-pass filter, in pixels; kernel_size is odd.

    The condition becomes a pair (far, near); the variance is far's.
    Source: Geng et al. 2024, "Factorized Diffusion", section 3.2 (arXiv:2404.11615), after Oliva et al. 2006.
    """
    check_denoiser(denoiser)
    check_kernel(kernel_size, sigma, denoiser.image_shape)
    return Hybrid(denoiser, kernel_size, float(sigma))
