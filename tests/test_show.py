"""Grids, curves and animations: what is drawn is what was given."""

import base64
import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from helpers import show

BLACK, GREY, WHITE = (torch.full((3, 8, 8), value) for value in (-1.0, 0.0, 1.0))
RED = torch.stack([WHITE[0], BLACK[0], BLACK[0]])


def decode(image: show.Graphic) -> np.ndarray:
    """The image's pixels as a page shows it (H, W, 4)."""
    return np.asarray(Image.open(io.BytesIO(image.png)).convert("RGBA")).astype(int)


def cells(image: show.Graphic, cell: int) -> list[list[tuple | None]]:
    """The colour in the middle of each cell, row by row; None where there is a gap.

    The cells are found by their looks alone: opaque squares, `cell` pixels wide, on a transparent ground.
    """
    pixels = decode(image)
    opaque = pixels[..., 3] == 255
    lefts = starts(opaque.sum(axis=0) >= cell - 1)
    tops = starts(opaque.sum(axis=1) >= cell - 1)
    middles = [[pixels[y + cell // 2, x + cell // 2] for x in lefts] for y in tops]
    return [[tuple(p[:3].tolist()) if p[3] == 255 else None for p in row] for row in middles]


def starts(wide: np.ndarray) -> list[int]:
    """Where runs of True begin."""
    return np.flatnonzero(np.diff(np.r_[0, wide.astype(int)]) == 1).tolist()


# 0.5 falls between two of the 40 levels
black, grey, white, red = (0, 0, 0), (131, 131, 131), (255, 255, 255), (255, 0, 0)


# Grids


def test_a_list_becomes_one_row():
    assert cells(show.grid([BLACK, GREY, RED], cell=32), 32) == [[black, grey, red]]


def test_a_batch_is_a_list_of_images():
    batch = torch.stack([BLACK, GREY, RED])
    assert show.grid(batch, cell=32).png == show.grid([BLACK, GREY, RED], cell=32).png


def test_a_batch_of_one_is_an_image():
    assert show.grid([BLACK[None], RED[None]], cell=32).png == show.grid([BLACK, RED], cell=32).png


def test_one_channel_is_shown_as_grey():
    assert cells(show.grid([GREY[:1], WHITE[:1]], cell=32), 32) == [[grey, white]]


def test_columns_break_a_list_into_rows():
    assert cells(show.grid([BLACK, GREY, RED, WHITE, GREY], columns=2, cell=32), 32) == [
        [black, grey],
        [red, white],
        [grey, None],
    ]


def test_nested_lists_are_rows():
    assert cells(show.grid([[BLACK, GREY], [RED, WHITE]], cell=32), 32) == [[black, grey], [red, white]]


def test_none_leaves_a_gap():
    assert cells(show.grid([[None, BLACK], [RED, None]], cell=32), 32) == [[None, black], [red, None]]


def test_titles_and_row_names_move_the_images_and_change_none():
    plain = show.grid([[BLACK, GREY], [RED, WHITE]], cell=64)
    named = show.grid([[BLACK, GREY], [RED, WHITE]], ["t = 0", "t = 250\nblurred"], rows=["first", "second"], cell=64)
    assert cells(named, 64) == cells(plain, 64)
    assert decode(named).shape[0] > decode(plain).shape[0]
    assert decode(named).shape[1] > decode(plain).shape[1]


def test_a_row_keeps_its_name_when_it_begins_with_a_gap():
    named = decode(show.grid([[None, BLACK], [RED, BLACK]], rows=["first", "second"], cell=64))
    above, below = named[: len(named) // 2], named[len(named) // 2 :]
    label = 60  # pixels at the left, where the names are
    assert (above[:, :label, 3] > 0).any() and (below[:, :label, 3] > 0).any()


def test_every_row_of_a_broken_list_has_its_own_titles():
    plain = decode(show.grid([BLACK] * 4, columns=2, cell=64))
    once = decode(show.grid([[BLACK] * 2] * 2, ["a", "b"], cell=64))
    twice = decode(show.grid([BLACK] * 4, ["a", "b", "c", "d"], columns=2, cell=64))
    assert len(twice) - len(plain) == 2 * (len(once) - len(plain)) > 0


def reddish(image: show.Graphic) -> np.ndarray:
    """Where an image is red (H, W)."""
    r, g, b, a = np.moveaxis(decode(image), -1, 0)
    return (r > 150) & (g < 100) & (b < 100) & (a > 150)


@pytest.mark.parametrize(
    "images, framed, options",
    [
        ([WHITE, WHITE, WHITE, WHITE], [False, True, False, False], {"columns": 2}),
        ([[WHITE, WHITE], [WHITE, WHITE]], [[False, True], [False, False]], {}),
    ],
)
def test_a_red_frame_surrounds_the_image_that_is_to_be_marked(images, framed, options):
    plain, marked = (show.grid(images, cell=32, framed=f, **options) for f in (None, torch.tensor(framed)))
    assert not reddish(plain).any()
    rows, columns = np.nonzero(reddish(marked))
    middle_x, middle_y = marked.width / 2, decode(marked).shape[0] / 2
    assert columns.min() > middle_x - 8 and rows.max() < middle_y + 8  # around the upper right image
    assert np.ptp(columns) >= 32 and np.ptp(rows) >= 32
    assert (decode(marked) == 255).all(axis=-1).sum() > 0.85 * 4 * 32**2  # the images are still there


def test_frames_have_to_be_as_many_as_images():
    with pytest.raises(ValueError, match="framed has 1 values; wanted 2, one for each image"):
        show.grid([WHITE, BLACK], framed=[True])


def test_a_grid_says_in_words_what_it_shows():
    image = show.grid([[BLACK, RED]], ["$t = 0$", "noisy\nimage"], rows=["a"])
    assert image.alt == "2 images: a, t = 0, noisy image"
    assert repr(image) == "[image: 2 images: a, t = 0, noisy image]"


def test_every_pixel_of_an_image_is_a_square_of_equal_pixels():
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pixels = decode(show.grid([image], cell=64))
    (left,), (top,) = starts((pixels[..., 3] == 255).any(0)), starts((pixels[..., 3] == 255).any(1))
    centres = pixels[top + 4 : top + 64 : 8, left + 4 : left + 64 : 8, :3]
    assert np.array_equal(centres, show.to_pixels(image))


def test_a_thin_edge_surrounds_an_image_on_white():
    pixels = decode(show.grid([WHITE], cell=32))
    edge = pixels[(pixels[..., 3] > 0) & (pixels[..., 3] < 255)]
    assert len(edge) == 4 * 32 + 4 and (edge == show.EDGE).all()


def test_the_ground_is_transparent():
    pixels = decode(show.grid([WHITE, WHITE], cell=32))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (border[:, 3] == 0).all()


def test_low_and_high_are_black_and_white():
    zero, half, one = (torch.full((1, 8, 8), value) for value in (0.0, 0.5, 1.0))
    assert cells(show.grid([zero, half, one], cell=32, low=0), 32) == [[black, grey, white]]


def test_values_outside_are_clamped_for_display_and_left_alone():
    image = torch.full((3, 8, 8), 7.0)
    assert cells(show.grid([image, -image], cell=32), 32) == [[white, black]]
    assert (image == 7).all()


def test_images_that_need_gradients_or_are_half_precision_can_be_shown():
    assert cells(show.grid([WHITE.clone().requires_grad_(), WHITE.bfloat16()], cell=32), 32) == [[white, white]]


@pytest.mark.parametrize("shape", [(8, 8), (2, 8, 8), (2, 3, 8, 8), (8, 8, 3)])
def test_what_is_no_image_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match=r"has shape \(.*; wanted \(3, H, W\)"):
        show.grid([torch.zeros(shape)])


@pytest.mark.parametrize("nothing", [[], [[]], torch.zeros(0, 3, 8, 8)], ids=["list", "row", "batch"])
def test_an_empty_grid_is_refused(nothing):
    with pytest.raises(ValueError, match="wanted at least one image"):
        show.grid(nothing)


def test_an_image_is_shown_by_the_notebook_and_saved_as_it_is(tmp_path):
    image = show.grid([RED], cell=32)
    image.save(tmp_path / "red.png")
    assert image._repr_png_() == image.png == (tmp_path / "red.png").read_bytes()


def test_a_title_wider_than_its_image_is_broken_and_keeps_its_words():
    title = "an oil painting of people around a campfire"
    image = show.grid([BLACK, RED], [title, "a"], cell=64)
    assert image.alt == f"2 images: {title}, a"
    plain, short = show.grid([BLACK, RED], cell=64), show.grid([BLACK, RED], ["one", "a"], cell=64)
    line = len(decode(short)) - len(decode(plain))
    assert len(decode(image)) - len(decode(plain)) > 3 * line


# Curves


def test_curves_draw_every_line_on_a_transparent_ground():
    x = [0.0, 1.0, 2.0]
    one = show.curves(x, {"abar": [1, 0.5, 0]}, xlabel="t")
    two = show.curves(x, {"abar": [1, 0.5, 0], "beta": [0, 0.5, 1]}, xlabel="t", ylabel="share", marks=[0.5])
    blue, orange = (31, 119, 180, 255), (255, 127, 14, 255)  # matplotlib's first two
    for image, wanted in (one, {blue}), (two, {blue, orange}):
        colours, counts = np.unique(decode(image).reshape(-1, 4), axis=0, return_counts=True)
        drawn = {tuple(c) for c, n in zip(colours.tolist(), counts) if n > 50 and max(c[:3]) - min(c[:3]) > 60}
        assert {c for c in drawn if c[3] == 255} == wanted
    assert (decode(two)[0, :, 3] == 0).all()
    assert two.alt == "curves of abar, beta over t"


# Animations


def test_an_animation_has_every_frame_and_holds_the_last():
    animation = show.animate([BLACK, GREY[None], RED, WHITE], alt="from black to white", fps=10)
    gif = Image.open(io.BytesIO(animation.gif))
    assert (gif.format, gif.n_frames, gif.size) == ("GIF", 4, (8, 8))  # stored at its own size: the page enlarges it
    shown, durations = [], []
    for i in range(4):
        gif.seek(i)
        shown.append(gif.convert("RGB").getpixel((4, 4)))
        durations.append(gif.info["duration"])
    assert shown == [black, grey, red, white]
    assert durations == [100, 100, 100, 2000]


def test_an_animation_is_html_that_carries_the_gif_and_says_what_it_shows():
    animation = show.animate([BLACK, RED], alt='"a photo of a dog" & <noise>', width=320)
    html = animation._repr_html_()
    assert 'width="320"' in html
    assert base64.b64encode(animation.gif).decode() in html
    assert 'alt="&quot;a photo of a dog&quot; &amp; &lt;noise&gt;"' in html


def test_an_animation_without_frames_is_refused():
    with pytest.raises(ValueError, match="wanted at least one image"):
        show.animate([], alt="nothing")


# Images below one another


def test_stacked_images_keep_their_pixels_and_their_words():
    wide, small = show.grid([torch.zeros(3, 4, 4)] * 2, ["a", "b"], cell=32), show.grid([torch.ones(3, 4, 4)], cell=16)
    stacked = show.stack(wide, small)
    above, below, whole = (np.asarray(Image.open(io.BytesIO(p.png))) for p in (wide, small, stacked))
    assert whole.shape == (above.shape[0] + below.shape[0], above.shape[1], 4)
    assert (whole[: above.shape[0]] == above).all() and (whole[above.shape[0] :, : below.shape[1]] == below).all()
    assert not whole[above.shape[0] :, below.shape[1] :].any()  # transparent
    assert stacked.alt == f"{wide.alt}; {small.alt}"


def test_nothing_cannot_be_stacked():
    with pytest.raises(ValueError, match="is empty; wanted at least one image"):
        show.stack()


def test_a_mark_puts_a_point_on_each_curve(monkeypatch):
    figures = []
    monkeypatch.setattr(show, "finish_drawing", lambda figure, alt: figures.append(figure))
    show.curves([0, 1, 2], {"a": [0, 10, 20], "b": [5, 5, 5]}, xlabel="x", marks=[0.5, 1])
    points = [line for line in figures[0].axes[0].lines if line.get_marker() == "o"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in points] == [
        ([0.5, 1], [5, 10]),
        ([0.5, 1], [5, 5]),
    ]


def test_curves_can_run_from_large_to_small(monkeypatch):
    figures = []
    monkeypatch.setattr(show, "finish_drawing", lambda figure, alt: figures.append(figure))
    for falling in (False, True):
        show.curves([0, 1, 2], {"a": [0, 10, 20]}, xlabel="timestep t", falling=falling)
    assert [figure.axes[0].xaxis_inverted() for figure in figures] == [False, True]


def test_a_drawing_looks_the_same_in_fewer_bytes():
    figure = Figure(figsize=(5, 3))
    figure.add_subplot().plot([0, 2, 1], color="#4c8ed9", label="a line")
    whole, small = show.finish(figure, "a line"), show.finish_drawing(figure, "a line")
    seen = [np.asarray(Image.open(io.BytesIO(graphic.png)).convert("RGBA")).astype(int) for graphic in (whole, small)]
    premultiplied = [x[..., :3] * x[..., 3:] / 255 for x in seen]
    assert np.abs(premultiplied[0] - premultiplied[1]).max() < 40 and (seen[1][..., 3] == 0).mean() > 0.8
    assert len(small.png) < 0.6 * len(whole.png) and small.alt == whole.alt
