"""Mini-IF's evaluation: figures against hand-computed cases, and the whole of it on made-up art."""

import itertools
import json
import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small_training_set import others
from test_mini_if_data import encoded, made_up
from toys import Toy, seeded

from helpers.checkpoints import TrainingError, write_tensors
from helpers.illusions import views
from helpers.models import load_model
from making.mini_if import dataset as dataset_module
from making.mini_if import evaluation as module
from making.mini_if import judge as judge_module
from making.mini_if import painting as painting_module
from making.mini_if import pairs as pairs_module
from making.mini_if import reader as reader_module
from making.mini_if.art import SIZE
from making.mini_if.asked import ILLUSIONS, Illusion, asked, chance, row_of, usual_captions
from making.mini_if.captions import captions
from making.mini_if.concepts import CONCEPTS, MAIN_STYLES, STYLES, read_held_out
from making.mini_if.dataset import Dataset
from making.mini_if.evaluation import REAL, keep, number, table
from making.mini_if.evaluation import WANTED as WANTED_FIGURES
from making.mini_if.judge import Judge, diversity, in_top, nearest
from making.mini_if.painting import Sampler, batches, real_images, sheet_prompts
from making.mini_if.reader import ArtReader, load_reader, look, soften, train_reader
from making.mini_if.scenes import SCENES
from making.mini_if.training import StageRecipe

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ("apple", "dog", "house", "bear", "kite", "lemon", "taxi")  # the last two are held out in a style


def drawn(icons: str, concept: str) -> np.ndarray:
    """A concept is a shape, which stays when it is flipped; a set is a colour."""
    i = NAMES.index(concept) if concept in NAMES else 0
    image = made_up(icons, "any")
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    kept = (abs(y), abs(x), -abs(y), -abs(x), abs(x) + abs(y), -abs(x) - abs(y), abs(abs(x) - abs(y)))[i]
    image[kept > np.median(kept)] = 0
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini-if-data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_module, "CONCEPTS", {name: CONCEPTS[name] for name in NAMES})
        patch.setattr(dataset_module, "SCENES", (SCENES[1],))
        patch.setattr(dataset_module, "SCENE_VARIANTS", 1)
        few = (shown for shown in dataset_module.drawings(drawn) if shown[0].style in MAIN_STYLES)
        dataset_module.build(itertools.chain(few, others()), folder, encoded)
    return folder


@pytest.fixture(scope="module")
def small(folder):
    return Dataset(folder)


@pytest.fixture(scope="module")
def reader(small):
    return train_reader(small, steps=400, batch_size=32, hidden=8, lr=1e-2)


@pytest.fixture(scope="module")
def judge(small, reader):
    return Judge(small, reader)


@pytest.fixture(autouse=True)
def less(monkeypatch):
    monkeypatch.setattr(judge_module, "REFERENCE", 200)
    for place in (judge_module, module):
        monkeypatch.setattr(place, "GENERIC_COUNT", 40)
    monkeypatch.setattr(module, "EDITED", 2)


# ---- the reader ---------------------------------------------------------------------------------------------------


def test_the_reader_learns(small, judge):
    rows = small.draw(200, seeded(5))
    recognition = judge.recognition(real_images(small, rows, seed=6), rows)
    assert recognition["top 1"] > 0.7 and recognition["style"] > 0.7
    others = rows.roll(1)
    assert judge.recognition(real_images(small, rows, seed=6), others)["top 1"] < 0.4


def test_the_reader_is_never_shown_what_is_held_out(small, monkeypatch):
    shown = []
    compose = small.compose
    monkeypatch.setattr(small, "compose", lambda rows, g: shown.append(rows) or compose(rows, g))
    train_reader(small, steps=20, batch_size=32, hidden=1)
    shown = torch.cat(shown)
    assert len(shown) == 640 and not small.held_out[shown].any()


def test_the_same_seed_gives_the_same_reader(small):
    one, same, other = (train_reader(small, steps=2, batch_size=4, hidden=1, seed=seed) for seed in (1, 1, 2))
    weights = [next(reader.parameters()) for reader in (one, same, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_softened_images_are_blurred_or_sharp_and_noisy(small):
    images = small.examples(8, seeded()).images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    soft = soften(images, seeded(1))
    assert torch.equal(soft, soften(images, seeded(1)))

    def detail(x) -> torch.Tensor:
        """Large steps between neighbours: edges, not noise."""
        return (x.diff(dim=-1).abs() > 0.6).float().sum()

    assert detail(soft[4:]) < 0.7 * detail(images[4:]) and detail(soft[:4]) > 0.8 * detail(images[:4])
    assert 0 < (soft - images)[:4].std() < 0.1


def test_some_softened_images_are_grey():
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(300, 3, 16, 16)
    means = soften(red, seeded()).mean(dim=(2, 3))  # (300, 3)
    grey = (means + 1 / 3).abs().amax(dim=1) < 0.1
    assert 80 <= grey.sum() <= 120
    assert ((means - red[:, :, 0, 0]).abs().amax(dim=1) < 0.1)[~grey].all()


def test_images_are_read_as_they_are_shown(reader, small):
    images = small.examples(4, seeded()).images
    loud = 5 * images
    assert torch.equal(look(reader, loud).labels, look(reader, loud.clamp(-1, 1)).labels)
    with pytest.raises(ValueError, match=r"wanted \(N, 3, 64, 64\)"):
        look(reader, torch.zeros(2, 3, 32, 32))


def test_a_reader_is_made_once(small, tmp_path, monkeypatch):
    made = []

    def train(dataset) -> ArtReader:
        made.append(dataset)
        return ArtReader(len(small.labels), len(small.styles))

    monkeypatch.setattr(reader_module, "train_reader", train)
    one, again = (load_reader(small, tmp_path / "reader.safetensors") for _ in range(2))
    assert made == [small] and not again.training
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), again.state_dict().values()))


def test_another_data_sets_reader_is_refused(small, tmp_path):
    file = tmp_path / "reader.safetensors"
    write_tensors({"w": torch.zeros(1)}, file, {"data": "something else"})
    with pytest.raises(TrainingError, match=r"was trained on something else; wanted .* Delete it"):
        load_reader(small, file)


# ---- what is asked for --------------------------------------------------------------------------------------------


def test_pairs_of_concepts_are_asked_for_each_once(small):
    trained, held_out = asked(small, held_out=False), asked(small, held_out=True)
    pairs = {(small.entries[row].label, small.entries[row].style) for row in held_out.tolist()}
    assert pairs == {("taxi", "lithograph"), ("lemon", "drawing")} <= read_held_out()
    concepts = [entry for entry in small.entries if entry.label in CONCEPTS and entry.split == "train"]
    shown = {(entry.label, entry.style) for entry in concepts}
    assert len(trained) == len(shown)
    assert {small.entries[row].label for row in trained.tolist()} == {*NAMES, "chair"}  # and no scene
    assert not small.held_out[trained].any()
    some = asked(small, held_out=False, n=9)
    assert len(set(some.tolist())) == 9 and torch.equal(some, asked(small, held_out=False, n=9))


def test_a_prompt_finds_its_image(small):
    entry = small.entries[row_of(small, "an icon of a red apple")]
    assert (entry.label, entry.style) == ("apple", "flat illustration")
    with pytest.raises(ValueError, match="no image of the training set is called 'a photo of a xylophone'"):
        row_of(small, "a photo of a xylophone")


def test_the_usual_caption_is_asked(small):
    row = row_of(small, "a 3d render of a red apple")
    assert small.texts[usual_captions(small, torch.tensor([row]))] == "a photo of an apple"


def test_illusions_are_twelve_of_known_things():
    things = [*CONCEPTS.values(), *SCENES]
    known = {text for thing in things for style in STYLES for text in captions(thing.called, style)}
    held_out = {text for name, style in read_held_out() for text in captions(CONCEPTS[name].called, style)}
    prompts = {prompt for illusion in ILLUSIONS for prompt in illusion.prompts}
    assert prompts <= known and not prompts & held_out
    assert [illusion.kind == "hybrid" for illusion in ILLUSIONS] == [False] * 6 + [True] * 6


def test_the_sheet_shows_every_prompt_of_the_course():
    prompts = sheet_prompts()
    assert len(prompts) == 64 and "" not in prompts
    assert {"a pencil", "a man wearing a hat", "a photo of the amalfi cost"} <= set(prompts)


# ---- images -----------------------------------------------------------------------------------------------------


def test_real_images_show_their_pairs_from_any_of_its_sets(small, monkeypatch):
    rows = torch.tensor([row_of(small, "a flat illustration of a dog"), row_of(small, "a photo of an apple")] * 40)
    drawn = []
    compose = small.compose
    monkeypatch.setattr(small, "compose", lambda rows, g: drawn.extend(rows.tolist()) or compose(rows, g))
    images = real_images(small, rows, seed=0)
    assert images.shape == (80, 3, 64, 64)
    assert {(small.entries[row].label, small.entries[row].source) for row in drawn[0::2]} == {
        ("dog", "fluent-flat"),
        ("dog", "twemoji"),
    }
    assert {(small.entries[row].label, small.entries[row].source) for row in drawn[1::2]} == {("apple", "fluent-3d")}
    assert torch.equal(images, real_images(small, rows, seed=0))
    assert not torch.equal(images, real_images(small, rows, seed=1))


def test_samples_depend_on_the_seed_only(monkeypatch):
    monkeypatch.setattr(painting_module, "BATCH", 2)
    sampler, cond = Sampler(steps=3), torch.randn(5, 3, generator=seeded())
    one, same, other = (sampler.paint(Toy(), cond, seed=seed) for seed in (1, 1, 2))
    assert one.shape == (5, 3, 16, 16) and one.abs().max() <= 1
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert not torch.equal(one[0], one[2])  # another batch, other noise


def test_conditions_go_to_their_images_part_by_part(monkeypatch):
    monkeypatch.setattr(painting_module, "BATCH", 2)
    x = torch.arange(5.0)[:, None]
    assert [(part.flatten().tolist(), n) for part, n in batches(x)] == [([0, 1], 2), ([2, 3], 2), ([4], 1)]
    assert [tuple(leaf.flatten().tolist() for leaf in part) for part, _ in batches((x, -x))] == [
        ([0, 1], [0, -1]),
        ([2, 3], [-2, -3]),
        ([4], [-4]),
    ]


def test_illusions_are_seen_in_two_ways():
    x = torch.rand(2, 3, 64, 64, generator=seeded()) * 2 - 1
    upright, flipped = Illusion("flip", ("a", "b")).seen(x)
    assert torch.equal(upright, x) and torch.equal(flipped, x.flip(-2))
    far, near = Illusion("hybrid", ("far", "near")).seen(x)
    assert torch.equal(near, x) and far.std() < 0.3 * x.std()


def test_illusions_are_painted_from_both_prompts():
    cond = (torch.ones(1, 3), -torch.ones(1, 3))
    for kind in ("flip", "hybrid"):
        denoiser = Illusion(kind, ("a", "b")).denoiser(Toy(image_shape=(3, 64, 64)))
        one, other = (Sampler(steps=2).paint(denoiser, c) for c in (cond, cond[::-1]))
        assert not torch.equal(one, other)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"gamma": math.nan}])
def test_samplers_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampler(**wrong)


# ---- figures ------------------------------------------------------------------------------------------------------


def test_in_top():
    scores = torch.tensor([[0.1, 0.5, 0.4], [0.9, 0.05, 0.05], [0.2, 0.3, 0.5]])
    wanted = torch.tensor([2, 0, 0])
    assert in_top(1, scores, wanted).tolist() == [False, True, False]
    assert in_top(2, scores, wanted).tolist() == [True, True, False]


def test_diversity_is_the_mean_difference_of_two_seeds():
    images = torch.zeros(3, 2, 3, 4, 4)  # seeds, pairs
    images[1, 0], images[2, 0] = 0.3, 0.6  # differences 0.3, 0.6 and 0.3; none for the other pair
    assert diversity(images) == pytest.approx((0.3 + 0.6 + 0.3) / 6)
    with pytest.raises(ValueError, match="wanted at least two seeds"):
        diversity(images[:1])


def test_nearest_by_direction():
    others = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    distance, which = nearest(torch.tensor([[10.0, 0.0], [3.0, 4.0]]), others)
    assert which.tolist() == [0, 1]
    torch.testing.assert_close(distance, torch.tensor([0.0, 0.2]))


def test_chance(small):
    labels, styles = len(small.labels), len(STYLES)
    assert chance(small) == {"top 1": 1 / labels, "top 5": 5 / labels, "style": 1 / styles, "both": (5 / labels) ** 2}


def test_figures_tell_real_images_from_noise_and_from_all_alike(judge, small):
    rows, seeds = asked(small, held_out=False), 3
    real = real_images(small, rows.repeat(seeds), seed=5).unflatten(0, (seeds, -1))
    noise = torch.rand(real.shape, generator=seeded()) * 2 - 1
    alike = real[:1].expand_as(real)
    good, bad, dull = (judge.figures(images, rows) for images in (real, noise, alike))
    assert good["top 1"] > 0.7 > 0.4 > bad["top 1"]
    assert bad["distance"] > 5 * good["distance"]
    assert good["diversity"] > 0.1 and dull["diversity"] == 0
    assert bad["nearest"] > 1.3 * good["nearest"]


def test_the_nearest_training_image_is_a_trained_one_of_the_same_thing(judge, small):
    rows = asked(small, held_out=False)
    _, which = judge.nearest(real_images(small, rows, seed=9))
    assert (small.label[which] == small.label[rows]).float().mean() > 0.7
    _, held_out = judge.nearest(real_images(small, asked(small, held_out=True).repeat(20), seed=9))
    assert not small.held_out[held_out].any()


@pytest.fixture
def two_illusions(monkeypatch):
    illusions = (
        Illusion("flip", ("a photo of an apple", "a photo of a dog")),
        Illusion("hybrid", ("a photo of a bear", "a photo of a house")),
    )
    for place in (judge_module, painting_module, module):
        monkeypatch.setattr(place, "ILLUSIONS", illusions)
    return illusions


def test_views_are_recognised_one_by_one(judge, small, two_illusions, monkeypatch):
    apple, dog, bear, house = (
        small.labels.index(small.entries[row_of(small, f"a photo of {name}")].label)
        for name in ("an apple", "a dog", "a bear", "a house")
    )

    def told(reader, images):  # images that say themselves which label is seen, and which second
        best, second = images[:, 0, 0, 0].long(), images[:, 1, 0, 0].long()
        scores = -torch.arange(100.0).expand(len(images), 100).clone()
        scores[:, :90] -= 100
        scores[torch.arange(len(images)), second] = 1
        scores[torch.arange(len(images)), best] = 2
        return SimpleNamespace(labels=scores)

    def saying(*pairs):
        images = torch.zeros(len(pairs), 3, 64, 64)
        images[:, :2] = torch.tensor(pairs).view(-1, 2, 1, 1)
        return images

    monkeypatch.setattr(judge_module, "look", told)
    figures = judge.illusions(
        [
            (saying((apple, dog), (dog, apple)), saying((dog, apple), (bear, house))),
            (saying((bear, dog), (bear, dog)), saying((house, dog), (dog, house))),
        ]
    )
    assert figures["anagrams"] == {"top 1": 0.5, "top 5": 0.75, "both": 0.5}
    assert figures["hybrids"] == {"top 1": 0.75, "top 5": 1.0, "both": 1.0}


# ---- the table ----------------------------------------------------------------------------------------------------

EVALUATIONS = {
    "first": {"figures": {"trained": {"top 1": 0.123, "distance": 1.234, "ratio": 12.34}}, "note": "34 steps."},
    REAL: {"figures": {"trained": {"top 1": 1.0, "distance": 0.1}}, "note": "The art."},
}
GUESSING = {"top 1": 1 / 310}
WANTED = """\
| | real images | first | chance | wanted |
|---|---|---|---|---|
| trained: concept recognised | 100 % | 12 % | 0.3 % | ≥ 95 % |
| trained: Fréchet distance | 0.10 | 1.23 |  |  |
| trained: Fréchet distance over the floor |  | 12.34 |  | ≤ 2 |

real images: The art.

first: 34 steps."""


def test_the_table_has_real_images_first_and_what_is_wanted_last():
    assert table(EVALUATIONS, GUESSING) == WANTED


def test_shares_and_distances_are_numbers():
    assert [number("both", 0.00026), number("top 5", 0.9), number("nearest", 0.9)] == ["0.03 %", "90 %", "0.90"]


def test_what_is_kept_goes_into_the_card(small, tmp_path):
    card = tmp_path / "README.md"
    card.write_text("before\n<!-- evaluation -->\nold \\1\n<!-- until here -->\nafter\n", encoding="utf-8")
    keep(EVALUATIONS, small, tmp_path)
    keep(EVALUATIONS, small, tmp_path)
    assert json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8")) == EVALUATIONS
    written = table(EVALUATIONS, chance(small))
    assert card.read_text(encoding="utf-8") == (
        f"before\n<!-- evaluation -->\n\n{written}\n\n<!-- until here -->\nafter\n"
    )


def test_a_card_without_a_place_for_the_table(small, tmp_path):
    (tmp_path / "README.md").write_text("a card\n")
    with pytest.raises(ValueError, match="wanted a place for the table"):
        keep(EVALUATIONS, small, tmp_path)
    assert not (tmp_path / "evaluation.json").exists()


# ---- the command --------------------------------------------------------------------------------------------------


class Painter(Sampler):
    """Paints nothing but noise, at once."""

    def paint(self, denoiser, cond, *, seed=0, what=""):
        n = len(cond[0]) if isinstance(cond, tuple) else len(cond)
        return torch.rand(n, 3, 64, 64, generator=seeded(seed)) * 2 - 1


def test_the_command_measures_each_model_and_paints_sheets(
    folder, reader, two_illusions, tmp_path, monkeypatch, capsys
):
    (tmp_path / "README.md").write_text("<!-- evaluation -->\n<!-- until here -->\n", encoding="utf-8")
    bundled = module.KEPT
    monkeypatch.setattr(module, "KEPT", tmp_path)
    monkeypatch.setattr(module, "Sampler", Painter)
    monkeypatch.setattr(module, "SEEDS", {"trained": 2, "held out": 40})  # few images have no covariance
    monkeypatch.setattr(module, "sheet_prompts", lambda: ["a pencil", "a rocket ship"])
    monkeypatch.setattr(module, "load_reader", lambda dataset, file: reader)
    monkeypatch.setattr(module, "weave", lambda images: images.std().item())  # noise has no flat area
    for name in ("denoised", "inpainted"):
        monkeypatch.setattr(module, name, lambda model, images, name=name: (images,) * 2 if name[0] == "d" else images)
    models = [f"third={bundled}", f"fourth={bundled}"]
    module.main([*models, "--keep", "--data", str(folder), "--out", str(tmp_path / "sheets"), "--steps", "7"])
    assert "| | real images | third | fourth | chance | wanted |" in capsys.readouterr().out
    for name in ("third", "fourth"):
        assert sorted(file.name for file in (tmp_path / "sheets" / name).iterdir()) == [
            "edits.png",
            "generic-1.png",
            "generic-5.png",
            "illusions.png",
            "nearest.png",
            "samples-256.png",
            "samples-64.png",
        ]
    kept = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert list(kept) == [REAL, "third", "fourth"]
    figures = kept["third"]["figures"]
    assert {(group, key) for group in figures for key in figures[group]} >= WANTED_FIGURES.keys()
    assert figures["held-out photographs"] == {"iterative": 0.0, "seam": 1.0}  # nothing is nearer than the original
    assert figures["cost"]["megabytes"] == pytest.approx(29.8, abs=0.5)


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--data", "nowhere"], 1, r"python -m making.mini_if.dataset"),
        (["third=nowhere"], 2, "'third=nowhere' names no folder; wanted NAME=FOLDER"),
        (["nowhere"], 2, "'nowhere' names no folder; wanted NAME=FOLDER"),
        (["--steps", "0"], 1, "steps is 0"),
    ],
)
def test_the_command_says_what_is_missing(folder, reader, arguments, code, said, monkeypatch, capsys):
    monkeypatch.setattr(module, "load_reader", lambda dataset, file: reader)
    monkeypatch.setattr(module, "evaluate_real", lambda judge: {})
    with pytest.raises(SystemExit) as stopped:
        module.main([*(["--data", str(folder)] if "--data" not in arguments else []), *arguments])
    assert stopped.value.code == code
    assert said in capsys.readouterr().err


def test_the_bundled_card_has_a_place_for_the_table(small, tmp_path):
    (tmp_path / "README.md").write_text((module.KEPT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    keep(EVALUATIONS, small, tmp_path)
    assert WANTED.splitlines()[0] in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_model_is_judged_by_its_own_text_states(small, monkeypatch):
    model, given = load_model(device="cpu"), []
    monkeypatch.setattr(Sampler, "paint", lambda self, denoiser, cond, **options: given.append(cond))
    row = row_of(small, "a photo of an apple")
    Sampler().samples(model, small, torch.tensor([row]))
    assert torch.equal(given[0], encoded(["a photo of an apple"], 384).float())


# ---- the search for pairs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["flip", "rotate_90"])
def test_drafts_agree_that_have_one_outline_in_two_views(kind):
    drafts = torch.randn(6, 3, 8, 8, generator=seeded())
    drafts[4] = views[kind].view(drafts[1:2])[0]
    (score, *two), _ = pairs_module.agreeing(drafts, kind, n=2)
    assert set(two) == {1, 4} and score > 0.7
    assert kind == "flip" or two == [1, 4]  # a quarter turn back is another turn


def test_the_shortlist_repeats_no_pair_and_no_concept_too_often(small):
    drafter = StageRecipe(channels=(8, 8, 48)).new_network().drafter
    for kind, wanted in (("flip", frozenset), ("hybrid", tuple)):
        pairs = pairs_module.shortlist(small, drafter, kind, n=50)
        labels = [wanted(pair.labels) for pair in pairs]
        assert len(labels) == len(set(labels)) > 3
        assert max(Counter(label for pair in pairs for label in pair.labels).values()) == pairs_module.PER_CONCEPT
        held_out = {text for name, style in read_held_out() for text in captions(CONCEPTS[name].called, style)}
        assert not held_out & {prompt for pair in pairs for prompt in pair.illusion.prompts}


def test_a_pair_is_as_good_as_its_worse_view(monkeypatch):
    def told(reader, images):  # bright images show concept 0, dark ones concept 1
        shown = 10 * images.mean(dim=(1, 2, 3))
        return SimpleNamespace(labels=torch.stack([shown, -shown], dim=1))

    monkeypatch.setattr(pairs_module, "look", told)
    bright, dark = torch.ones(1, 3, 64, 64), -torch.ones(1, 3, 64, 64)
    negative = pairs_module.Pair(Illusion("negate", ("day", "night")), (None, None), (0, 1))
    same = pairs_module.Pair(Illusion("flip", ("day", "night")), (None, None), (0, 1))
    images = torch.cat([bright, dark])
    torch.testing.assert_close(pairs_module.scores(None, negative, images).round(), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(pairs_module.scores(None, same, images).round(), torch.tensor([0.0, 0.0]))


@pytest.mark.parametrize("kind", ["flip", "hybrid"])
def test_the_search_prints_pairs_that_can_be_painted_again(kind, folder, reader, tmp_path, monkeypatch, capsys):
    model = load_model("mini-if")
    monkeypatch.setattr(pairs_module, "load_reader", lambda dataset, file: reader)
    monkeypatch.setattr(pairs_module, "load_model", lambda folder: model)
    for name, few in {"SHORTLIST": 4, "FEW_SEEDS": 2, "FEW_STEPS": 2, "FINALISTS": 2, "SEEDS": 2, "STEPS": 2}.items():
        monkeypatch.setattr(pairs_module, name, few)
    pairs_module.main([kind, "--data", str(folder), "--out", str(tmp_path)])
    *printed, look_at = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 and str(tmp_path / f"pairs-{kind}.png") in look_at
    assert printed == sorted(printed, reverse=True)
    with Image.open(tmp_path / f"pairs-{kind}.png") as sheet:
        assert sheet.width > 4 * 192 > sheet.height


def test_a_kind_of_illusion_that_does_not_exist(capsys):
    with pytest.raises(SystemExit):
        pairs_module.main(["mirror"])
    assert "invalid choice: 'mirror'" in capsys.readouterr().err
