"""Mini-IF's training set: what it knows, what it is called, what an example looks like. On made-up art, without npm."""

import contextlib
import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import small_training_set
import torch
from PIL import Image, ImageFont
from small_training_set import encoded, made_up
from toys import seeded

from helpers.data import DATA
from making.mini_if.art import (
    MARGIN,
    OUTLINE,
    SETS,
    SIZE,
    ArtError,
    brush_strokes,
    draw_glyph,
    draw_lines,
    drawing,
    fitted,
    icon,
    kuwahara,
    reader,
)
from making.mini_if.canvas import PALETTES, PHOTOGRAPHS, Canvas, SceneError, paper
from making.mini_if.captions import APART, GENERIC, captions
from making.mini_if.composing import backgrounds, mirror, place, tint
from making.mini_if.concepts import (
    CONCEPTS,
    HELD_OUT_PER_STYLE,
    ICONS,
    MAIN_STYLES,
    STYLES,
    Concept,
    choose_held_out,
    read_held_out,
)
from making.mini_if.dataset import EMPTY, KINDS, P_GENERIC, SCENE_VARIANTS, SHARES, Dataset, DatasetError
from making.mini_if.photographs import read_photographs
from making.mini_if.scenes import SCENERY, SCENES
from making.mini_if.sheets import concept_sheets, example_sheet

SEED_PROMPTS = [
    "a high quality photo",
    "",
    "an oil painting of an old man",
    "an oil painting of people around a campfire",
    "a photo of the amalfi cost",
    "a lithograph of waterfalls",
    "a lithograph of a skull",
    "an oil painting of a snowy mountain village",
    "a rocket ship",
    "a pencil",
    "a photo of a hipster barista",
    "a man wearing a hat",
    "a photo of a man",
    "a photo of a dog",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini-if-data")
    small_training_set.make(folder)
    return folder


@pytest.fixture(scope="module")
def small(folder):
    return Dataset(folder)


# ---- what it knows ------------------------------------------------------------------------------------------------


def test_there_are_as_many_concepts_as_can_be_taught():
    assert 200 <= len(CONCEPTS) <= 350
    assert len({concept.icon for concept in CONCEPTS.values()}) == len(CONCEPTS)
    assert {icons for concept in CONCEPTS.values() for icons in concept.without} <= set(SETS)


def test_every_style_in_which_pairs_are_held_out_has_an_image_of_every_concept():
    for style in (STYLES[name] for name in MAIN_STYLES):
        assert all(set(style.sets) - set(concept.without) for concept in CONCEPTS.values())


def test_every_other_style_has_an_image_of_most_concepts():
    for style in (style for name, style in STYLES.items() if name not in MAIN_STYLES):
        assert sum(bool(set(style.sets) - set(concept.without)) for concept in CONCEPTS.values()) >= 150


def test_a_word_names_one_style_only():
    fillers = {"a", "an", "of", "and", "{}"}
    words = [{word for words in style.templates for word in words.split()} - fillers for style in STYLES.values()]
    everything = Counter(word for style in words for word in style)
    assert [word for word, times in everything.items() if times > 1] == []


def test_icons_are_named_for_sets_and_concepts_that_there_are():
    assert set(ICONS) <= set(SETS)
    for icons, names in ICONS.items():
        assert set(names) <= set(CONCEPTS)
        assert {concept.name for concept in CONCEPTS.values() if icons not in concept.without} == set(names)


def test_nothing_is_called_by_anothers_name():
    names = [name for thing in (*CONCEPTS.values(), *SCENES) for name in thing.called]
    assert [name for name, times in Counter(names).items() if times > 1] == []


@pytest.mark.parametrize("prompt", dict.fromkeys(SEED_PROMPTS + json.loads((DATA / "prompts.json").read_text())))
def test_every_prompt_of_the_course_is_a_caption(prompt):
    things = [*CONCEPTS.values(), *SCENES]
    known = {caption for thing in things for style in STYLES for caption in captions(thing.called, style)}
    assert prompt in known | {GENERIC, ""}


def test_every_prompt_of_the_course_is_marked_as_such():
    marked = [thing for thing in (*CONCEPTS.values(), *SCENES) if thing.course]
    known = {caption for thing in marked for style in STYLES for caption in captions(thing.called, style)}
    assert set(SEED_PROMPTS) <= known | {GENERIC, ""}


def test_held_out_pairs_are_many_balanced_and_repeatable():
    pairs = read_held_out()
    assert len(pairs) >= 60
    assert Counter(style for _, style in pairs) == dict.fromkeys(MAIN_STYLES, HELD_OUT_PER_STYLE)
    assert len({concept for concept, _ in pairs}) == len(pairs), "a concept is held out twice"
    candidates = [concept.name for concept in CONCEPTS.values() if not concept.course and concept.name not in SCENERY]
    assert pairs == set(choose_held_out(candidates))


def test_no_scene_shows_a_held_out_pair():
    shown = set()

    def art(icons: str, concept: str) -> np.ndarray:
        shown.add(concept)
        return made_up(icons, concept)

    for scene in SCENES:
        for variant in range(SCENE_VARIANTS):
            scene.painted(art, "noto", variant)
    assert shown <= SCENERY <= set(CONCEPTS)
    assert not SCENERY & {concept for concept, _ in read_held_out()}


def test_what_only_shares_its_name_with_a_drawing_is_called_something_else():
    assert captions(("a dog",), "photo")[0] == "a photo of a dog"
    for source in APART:
        others = captions(("a dog",), "photo", source)
        assert not set(others) & set(captions(("a dog",), "photo"))
    snow = captions(("snowy mountains in the evening",), "photo", "photographs")
    assert snow[0] == "a photo of snowy mountains in the evening"  # no drawing is called that


def test_captions_name_every_style_and_synonym_the_usual_first():
    assert captions(("a rocket", "a spaceship"), "photo")[0] == "a photo of a rocket"
    assert "a spaceship" in captions(("a rocket", "a spaceship"), "photo")  # no style named: a photo
    everything = [caption for style in STYLES for caption in captions(("a rocket", "a spaceship"), style)]
    assert len(set(everything)) == len(everything)
    assert all(caption in ("a rocket", "a spaceship") or len(caption) > 11 for caption in everything)


# ---- art ----------------------------------------------------------------------------------------------------------


def package(folder, files: dict[str, bytes]) -> Path:
    """An npm package file."""
    with tarfile.open(folder / "tiny-icons-1.0.0.tgz", "w:gz") as tar:
        for name, data in files.items():
            about = tarfile.TarInfo(f"package/{name}")
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return folder / "tiny-icons-1.0.0.tgz"


def test_3d_images_are_found_by_code_point(tmp_path):
    webp = io.BytesIO()
    Image.new("RGBA", (8, 8), (200, 30, 30, 255)).save(webp, "webp", lossless=True)
    draw = reader("tiny", package(tmp_path, {"assets/1f575-fe0f-200d-2642-fe0f.webp": webp.getvalue()}))
    assert draw(Concept("detective", "1f575-200d-2642", ("a detective",))).getpixel((4, 4)) == (200, 30, 30, 255)
    with pytest.raises(ArtError, match="no image 1f436 for 'dog'"):
        draw(CONCEPTS["dog"])


def test_svg_icons_are_drawn_in_their_own_box(tmp_path):
    pytest.importorskip("resvg_py")
    body = '<rect x="0" y="0" width="16" height="32" fill="#c81e1e"/>'
    drawings = {"prefix": "tiny", "icons": {"hound": {"body": body}}, "aliases": {"dog": {"parent": "hound"}}}
    files = {"chars.json": {"1f436": "dog"}, "icons.json": drawings | {"width": 32, "height": 32}}
    draw = reader("tiny", package(tmp_path, {name: json.dumps(data).encode() for name, data in files.items()}))
    image = draw(CONCEPTS["dog"])
    w, h = image.size
    assert image.getpixel((w // 4, h // 2)) == (200, 30, 30, 255)
    assert image.getpixel((3 * w // 4, h // 2))[3] == 0
    with pytest.raises(ArtError, match="no icon 1f431 for 'cat'"):
        draw(CONCEPTS["cat"])


@pytest.mark.parametrize("names", [{"dog": "hound"}, {}])
def test_sets_without_code_points_have_their_icons_named(tmp_path, monkeypatch, names):
    pytest.importorskip("resvg_py")
    monkeypatch.setitem(ICONS, "tiny", names)
    body = '<rect x="0" y="0" width="16" height="32" fill="#c81e1e"/>'
    drawings = {"prefix": "tiny", "icons": {"hound": {"body": body}}, "width": 32, "height": 32}
    draw = reader("tiny", package(tmp_path, {"chars.json": b"{}", "icons.json": json.dumps(drawings).encode()}))
    if names:
        assert draw(CONCEPTS["dog"]).getpixel((4, 4)) == (200, 30, 30, 255)
    else:
        with pytest.raises(ArtError, match="the set tiny has no icon 1f436 for 'dog'"):
            draw(CONCEPTS["dog"])


def test_an_icon_that_its_package_does_not_have():
    with pytest.raises(ArtError, match="the set tiny has no icon 'hound' for 'dog'"):
        icon({"1f436": "hound"}, {"prefix": "tiny", "icons": {}}, CONCEPTS["dog"])


def test_lines_stay_of_a_coloured_drawing_and_areas_and_shadows_go():
    pytest.importorskip("resvg_py")
    body = (
        f'<path fill="{OUTLINE}" d="M2 40h44v6H2Z" opacity=".15"/>'  # shadow
        f'<path fill="none" stroke="{OUTLINE}" d="M4 24h40"/>'  # a line behind the area
        '<path fill="#debb7e" d="M16 8h16v30H16Z"/>'
        f'<path fill="none" stroke="{OUTLINE}" d="M16 8h16v30H16Z"/>'
        f'<path fill="{OUTLINE}" d="M22 14h4v4h-4Z"/>'  # an eye
    )
    drawings = {"prefix": "tiny", "icons": {"hound": {"body": body}}, "width": 48, "height": 48}
    lines = draw_lines({"1f436": "hound"}, drawings, CONCEPTS["dog"])
    scale = lines.width / 48
    alpha = {
        at: lines.getpixel((round(at[0] * scale), round(at[1] * scale)))[3]
        for at in [(8, 43), (20, 30), (24, 24), (8, 24), (16, 30), (24, 16)]
    }
    assert alpha == {(8, 43): 0, (20, 30): 0, (24, 24): 0, (8, 24): 255, (16, 30): 255, (24, 16): 255}
    assert np.array(lines)[..., :3].max() == 0


def test_a_glyph_is_black_ink_in_the_middle():
    glyph = draw_glyph(ImageFont.load_default(100), Concept("letter", "48", ("a letter",)))
    left, top, right, bottom = glyph.getbbox()
    assert abs(left + right - glyph.width) <= 12 and abs(top + bottom - glyph.height) <= 30
    assert np.array(glyph)[..., :3].max() == 0
    assert glyph.getchannel("A").getextrema() == (0, 255)


def test_art_fills_its_image_up_to_the_margin():
    image = Image.new("RGBA", (100, 100))
    image.paste((9, 99, 9, 255), (10, 60, 30, 70))  # small and off the middle, twice as wide as high
    left, top, right, bottom = fitted(image).getbbox()
    assert (left, right) == (MARGIN, SIZE - MARGIN)
    assert top + bottom == SIZE
    assert bottom - top == pytest.approx((right - left) / 2, abs=2)


def test_shrinking_keeps_the_colour_at_the_edge():
    edges = np.array(fitted(Image.fromarray(made_up("noto", "dog"))))
    edges = edges[edges[..., 3] > 30]
    wanted = made_up("noto", "dog")[20, 20]
    assert abs(edges[:, :3].astype(int) - wanted[:3]).max() <= 8  # no dark seam from transparent black


def test_art_that_was_not_drawn_yet(tmp_path):
    with pytest.raises(ArtError, match=r"python -m making\.mini_if\.art"):
        drawing("noto", "dog", tmp_path)


def test_kuwahara_smooths_but_keeps_edges():
    step = torch.zeros(1, 40, 40)
    step[..., 20:] = 1
    noisy = step + 0.1 * torch.randn(1, 40, 40, generator=seeded())
    torch.testing.assert_close(kuwahara(step, 4), step)
    assert (kuwahara(noisy, 4) - step).std() < 0.5 * (noisy - step).std()


def test_brush_strokes_change_the_inside_and_not_the_outline():
    art = made_up("noto", "dog")
    oil = brush_strokes(art, seed=1)
    assert (oil == brush_strokes(art, seed=1)).all()
    assert np.abs(oil[..., 3].astype(int) - art[..., 3]).mean() < 3
    inside = oil[20:90, 20:90, :3].astype(float)
    assert inside.std(axis=(0, 1)).max() > 3
    assert np.abs(inside.mean(axis=(0, 1)) - art[20, 20, :3]).max() < 12


# ---- scenes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("icons", [icons for name in MAIN_STYLES for icons in STYLES[name].sets])
@pytest.mark.parametrize("scene", SCENES[:6], ids=lambda scene: scene.called[0])
def test_the_courses_scenes_can_be_painted_in_every_set(scene, icons):
    image, full = scene.painted(made_up, icons, 0)
    again, _ = scene.painted(made_up, icons, 0)
    other, _ = scene.painted(made_up, icons, 1)
    assert image.shape == (SIZE, SIZE, 4) and (image == again).all()
    assert (image != other).any(), "two variants are the same"
    assert full == bool(image[-1, :, 3].any())


def test_a_set_that_lacks_something_does_not_paint_the_scene():
    assert "sketch" in STYLES and "streamline-lines" in CONCEPTS["top hat"].without
    with pytest.raises(SceneError, match="the set streamline-lines has no top hat"):
        SCENES[1].painted(made_up, "streamline-lines", 0)


def test_every_icon_set_has_a_palette_of_all_colours():
    for style in STYLES.values():
        for icons in style.sets:
            assert PALETTES[icons.removesuffix("-oil")].keys() == PALETTES["noto"].keys()


@pytest.mark.parametrize("scene", SCENES[2:5], ids=lambda scene: scene.called[0])
@pytest.mark.parametrize("icons", [icons for name in MAIN_STYLES for icons in STYLES[name].sets])
def test_landscapes_contain_photographs_in_photos_and_oil_only(scene, icons):
    sets = set()

    def art(icons: str, name: str) -> np.ndarray:
        sets.add(icons)
        return made_up(icons, name)

    scene.painted(art, icons, 0)
    photographic = icons in STYLES["photo"].sets + STYLES["oil painting"].sets
    assert ("photographs" in sets) == photographic
    assert sets <= {"photographs", icons.removesuffix("-oil")}


def test_a_shape_shows_its_part_of_the_photograph():
    ramp = (np.arange(512) // 2).astype(np.uint8)[None, :, None].repeat(256, 0).repeat(4, 2)  # (256, 512, 4)
    canvas = Canvas(lambda icons, name: ramp, "noto", seed=0)
    canvas.photographs = {"sea": ("a photograph", (0.25, 0, 0.75, 1))}
    canvas.shape([(0, 0.5), (1, 0.5), (1, 1), (0, 1)], "sea")
    image = np.array(canvas.image)
    assert not image[: SIZE // 2 - 1, :, 3].any() and (image[SIZE // 2 + 1 :, :, 3] == 255).all()
    assert np.abs(image[200, :, 0] - np.linspace(64, 192, SIZE)).max() < 3


def test_a_photograph_that_is_missing(tmp_path):
    def art(icons: str, name: str) -> np.ndarray:
        return drawing(icons, name, tmp_path) if icons == "photographs" else made_up(icons, name)

    with pytest.raises(ArtError, match=r"no photograph land-.*python -m making\.mini_if\.photographs"):
        SCENES[3].painted(art, "fluent-3d", 0)
    SCENES[3].painted(art, "noto", 0)  # needs none


def test_scenes_contain_no_photograph_that_is_held_out():
    trained = {photo.id for photo in read_photographs() if photo.split == "train" and photo.kind == "photo"}
    assert {name for parts in PHOTOGRAPHS.values() for name, _ in parts} <= trained


@pytest.mark.parametrize("icons", [icons for icons in SETS if icons in ICONS] + ["noto-font"])
def test_sets_that_lack_concepts_show_the_scenes_without_them(icons):
    def art(icons: str, concept: str) -> np.ndarray:
        assert icons not in CONCEPTS[concept].without
        return made_up(icons, concept)

    shown = []
    for scene in SCENES:
        with contextlib.suppress(SceneError):
            shown.append(scene.painted(art, icons, 0))
    assert len(shown) >= (9 if icons == "streamline-lines" else 30)  # the line drawings have no trees and no hat


def test_line_art_gets_paper_inside_only():
    ring = np.zeros((60, 60, 4), np.uint8)
    ring[10:50, 10:50, 3] = 255
    ring[20:40, 20:40, 3] = 0
    white = np.array(paper(Image.fromarray(ring)))
    assert (white[30, 30] == 255).all()
    assert white[5, 5, 3] == 0


def test_put_places_art_by_its_lower_edge():
    canvas = Canvas(made_up, "noto", seed=0)
    canvas.put("dog", x=0.5, bottom=0.8, size=0.5, jitter=0)
    left, _, right, bottom = canvas.image.getbbox()
    assert (left + right) / 2 == pytest.approx(0.5 * SIZE, abs=1)
    assert bottom == pytest.approx(0.8 * SIZE, abs=1)
    assert right - left == pytest.approx(0.5 * SIZE, abs=1)


# ---- examples -----------------------------------------------------------------------------------------------------


def test_examples_repeat_with_the_generator_and_only_then(small):
    one, same, other = (small.examples(8, seeded(seed)) for seed in (1, 1, 2))
    for a, b in zip(one, same):
        assert torch.equal(a, b)
    assert not torch.equal(one.images, other.images)
    assert one.images.shape == (8, 3, 64, 64) and one.images.dtype == torch.float32
    assert -1 <= one.images.min() < -0.2 and 0.2 < one.images.max() <= 1


def test_examples_for_stage_2(folder):
    assert Dataset(folder, size=256).examples(3, seeded()).images.shape == (3, 3, 256, 256)


def test_both_sizes_show_the_same(small, folder):
    large = Dataset(folder, size=256).examples(4, seeded(5))
    shrunk = torch.nn.functional.avg_pool2d(large.images, 4)
    assert (shrunk - small.examples(4, seeded(5)).images).abs().mean() < 0.03


def test_every_caption_says_what_is_shown(small):
    generator = seeded()
    rows = small.draw(2000, generator)
    for row, caption in zip(rows.tolist(), small.draw_captions(rows, generator).tolist()):
        entry, said = small.entries[row], small.texts[caption]
        assert said in captions(entry.called, entry.style, entry.source) or (
            said == GENERIC and entry.kind in ("photograph", "render") and entry.style == "photo"
        )


def test_an_examples_caption_label_and_style_belong_together(small):
    examples = small.examples(16, seeded())
    known = {}
    for entry in small.entries:
        said = captions(entry.called, entry.style, entry.source)
        known.setdefault((entry.label, entry.style), {GENERIC}).update(said)
    for caption, label, style in zip(*(x.tolist() for x in examples[1:])):
        assert small.texts[caption] in known[small.labels[label], small.styles[style]]


def test_text_states_are_those_of_the_captions(small):
    caption = int(small.examples(1, seeded()).captions)
    assert torch.equal(small.states[caption], encoded([small.texts[caption]], 384)[0])
    assert small.texts[0] == ""  # the empty caption, for classifier-free guidance


def test_held_out_pairs_are_shown_only_when_asked_for(small):
    def pairs(rows) -> set:
        return {(small.entries[row].label, small.entries[row].style) for row in rows.tolist()}

    trained = pairs(small.draw(2000, seeded()))
    assert not trained & read_held_out()
    assert {label for label, _ in trained} == set(small.labels) - {
        "a canyon"
    }  # held-out concepts too, in their other styles
    held_out = {pair for pair in read_held_out() if pair[0] in small.labels}
    assert pairs(small.draw(100, seeded(), which=small.held_out)) == held_out
    examples = small.examples(4, seeded(), which=small.held_out)
    assert {(small.labels[i], small.styles[j]) for i, j in zip(examples.labels, examples.styles)} <= held_out


def test_pairs_are_drawn_by_course_and_style_however_many_drawings_they_have(small):
    rows = [row for row in small.draw(400_000, seeded()).tolist() if small.entries[row].kind == "drawing"]
    times = Counter((small.entries[row].label, small.entries[row].style) for row in rows)
    course = {entry.label for entry in small.entries if entry.course}
    once = [n / (1 + (label in course)) / (1 + (style in MAIN_STYLES)) for (label, style), n in times.items()]
    assert max(once) < 1.2 * min(once)


def test_every_kind_of_image_has_its_share(small):
    kinds = small.kind[small.draw(20_000, seeded())].bincount(minlength=len(KINDS)) / 20_000
    assert dict(zip(KINDS, kinds.tolist())) == pytest.approx(SHARES, abs=0.02)


def test_originals_are_never_trained_on(small):
    rows = small.draw(20_000, seeded())
    assert not small.unseen[rows].any()
    assert {small.entries[row].label for row in small.draw(50, seeded(), which=small.unseen).tolist()} == {"a canyon"}


def test_half_of_the_captions_are_the_usual_one_and_photographs_are_generic_too(small):
    generator = seeded()
    rows = small.draw(40_000, generator)
    drawn = small.draw_captions(rows, generator)
    said = [small.texts[i] for i in drawn.tolist()]
    for kind, wanted in P_GENERIC.items():
        of_kind = (small.kind[rows] == KINDS.index(kind)) & (small.style[rows] == small.styles.index("photo"))
        assert (drawn[of_kind] == small.generic).float().mean() == pytest.approx(wanted, abs=0.03)
    dog, puppy = (said.count(f"an oil painting of a {word}") for word in ("dog", "puppy"))
    assert dog > 2 * puppy > 0


def test_half_of_the_images_without_a_caption_could_be_generic(small):
    examples = small.examples(4000, seeded(), p_empty=0.5)
    empty = examples.captions == EMPTY
    assert empty.float().mean() == pytest.approx(0.5, abs=0.03)
    generic = torch.isin(examples.labels, small.label[small.generic_chance > 0])
    share = (
        SHARES["photograph"] * 3 / 4 + SHARES["render"]
    )  # of all images; a fourth of the "photographs" is a painting
    assert generic[empty].float().mean() == pytest.approx(0.5 + share / 2, abs=0.06)
    assert generic[~empty].float().mean() == pytest.approx(share, abs=0.06)


def test_no_art_is_cut_off_and_no_edge_of_a_scene_shows():
    icon = torch.zeros(64, 4, 128, 128)
    icon[:, 3, 5:-5, 5:-5] = 1
    zoom = torch.full((64,), 1.12)
    alpha = place(icon, 64, torch.zeros(64, dtype=torch.bool), zoom, seeded())[:, 3]
    assert alpha.sum(dim=(1, 2)).std() > 20, "all are of the same size"
    rows, columns = alpha.mean(dim=2), alpha.mean(dim=1)
    middles = [(along * torch.arange(64)).sum(dim=1) / along.sum(dim=1) - 31.5 for along in (rows, columns)]
    assert max(middle.abs().max() for middle in middles) < 1.1  # pixels: a network copies details from a draft
    border = torch.cat([alpha[:, 0], alpha[:, -1], alpha[:, :, 0], alpha[:, :, -1]], dim=1)
    assert border.max() < 0.6  # it may touch the edge, not leave through it
    alpha = place(torch.ones(64, 4, 128, 128), 64, torch.ones(64, dtype=torch.bool), zoom, seeded())[:, 3, 1:-1, 1:-1]
    torch.testing.assert_close(alpha, torch.ones_like(alpha))


def test_only_images_that_may_be_mirrored_are():
    left = torch.zeros(400, 4, 16, 16)
    left[:, 3, :, :8] = 1
    may_be = torch.arange(400) < 200
    mirrored = mirror(left, may_be, seeded())[:, 3, 0, 0] == 0
    assert not mirrored[200:].any() and 70 < mirrored[:200].sum() < 130


def test_placing_mirrors_nothing():
    icon = torch.zeros(200, 4, 128, 128)
    icon[:, 3, 30:-30, 20:50] = 1  # left of the middle
    alpha = place(icon, 64, torch.ones(200, dtype=torch.bool), torch.full((200,), 1.12), seeded())[:, 3]
    assert (alpha[..., :32].sum(dim=(1, 2)) > alpha[..., 32:].sum(dim=(1, 2))).all()


def test_colours_vary_but_stay_themselves():
    red = torch.tensor([0.8, 0.1, 0.1, 1]).view(1, 4, 1, 1).expand(50, 4, 2, 2)
    varied = tint(red, torch.zeros(50, dtype=torch.bool), seeded())[:, :3, 0, 0]
    assert varied.std(dim=0).max() > 0.02
    assert (varied[:, 0] > 2 * varied[:, 1:].amax(dim=1)).all()
    assert torch.equal(tint(red / 2, torch.zeros(50, dtype=torch.bool), seeded())[:, 3], red[:, 3] / 2)


def test_ink_darkens_no_paper():
    black_and_white = torch.stack([torch.tensor([0.0, 0, 0, 1]), torch.ones(4)], dim=1).view(1, 4, 1, 2)
    inked = tint(black_and_white.expand(50, -1, -1, -1), torch.ones(50, dtype=torch.bool), seeded())
    torch.testing.assert_close(inked[..., 1], torch.ones(50, 4, 1))
    assert 0.05 < inked[:, :3, 0, 0].max() <= 0.15


def test_backgrounds_are_those_of_the_style():
    index = {style: i for i, style in enumerate(STYLES)}
    made = {style: backgrounds(torch.full((200,), i), 16, seeded(i)) for style, i in index.items()}
    assert all(x.min() >= 0 and x.max() <= 1 for x in made.values())
    assert all(made[style].min() > 0.5 for style, about in STYLES.items() if about.ink)  # paper
    assert made["lithograph"].min() > 0.65
    white = {style: (x.flatten(1).amin(dim=1) == 1).float().mean().item() for style, x in made.items()}
    assert white["drawing"] == pytest.approx(0.5, abs=0.12)
    plain = {style: (x.flatten(2).std(dim=2).amax(dim=1) < 1e-6).float().mean().item() for style, x in made.items()}
    assert plain["flat illustration"] == 1
    assert plain["oil painting"] < 0.35


@pytest.mark.parametrize("size", [32, 128])
def test_sizes_that_are_not_made(folder, size):
    with pytest.raises(ValueError, match=rf"size is {size}; wanted one of 64, 256"):
        Dataset(folder, size)


def test_a_training_set_that_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match=r"make it with python -m making\.mini_if\.dataset"):
        Dataset(tmp_path)


def test_a_training_set_that_is_damaged(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = tmp_path / "pictures-128.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with pytest.raises(DatasetError, match="no complete training set"):
        Dataset(tmp_path)


def test_contact_sheets_show_every_label(small):
    pages = concept_sheets(small)
    assert len(pages) == 2  # concepts, and scenes
    assert all(np.array(page).std() > 10 for page in pages)
    assert example_sheet(small, n=8).size == (8 * 132, 156)
