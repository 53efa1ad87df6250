"""The page "Try it" before a browser sees it: its text, its stored runs, and what its scripts will ask for."""

import json
import re

import pytest
import torch
from PIL import Image

from ci.site import try_it
from ci.site.try_it import EXAMPLES, IMAGES, PAGE, PLACE, ROOT, RUNS, fill, steps_of, suggested
from helpers.data import course_image
from helpers.models import load_model

TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
TEMPLATE = (ROOT / "ci" / "site" / "templates" / "try-it.html").read_text(encoding="utf-8")
SCRIPT = (ROOT / "web" / "try-it.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def model():
    model = load_model("mini-if", "cpu")
    model.stage_1.unet.float()
    return model


def test_without_the_model_the_page_shows_a_stored_run_of_every_mode(tmp_path, capsys):
    page = fill(TEXT, tmp_path, live=False)
    assert page.startswith("---\nhide-toc: true\n---\n\n# Try it\n") and not any(mark in page for mark in try_it.MARKS)
    for run in RUNS:
        (strip,) = re.findall(
            rf'<div data-stored="{run.mode}"><figure class="exhibit strip">.*?</figure>', page, re.DOTALL
        )
        labels = json.loads(re.search(r'data-labels="([^"]*)"', strip)[1].replace("&#34;", '"'))
        image = Image.open(tmp_path / PLACE / f"{run.mode}.webp")
        assert image.size == (2 * 64 + try_it.GAP, 64 * len(labels)) and labels[-1] == "t = 0"
    assert "make site" in page and "<script" not in page
    assert not list((tmp_path / PLACE).glob("*.onnx"))


def test_what_is_missing_for_the_model_is_said_and_the_page_is_built_all_the_same(monkeypatch, capsys):
    monkeypatch.setattr(try_it.importlib.util, "find_spec", lambda name: None)
    assert not try_it.can_be_live()
    assert "onnx and onnxscript cannot be imported" in capsys.readouterr().out
    monkeypatch.setattr(try_it.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(try_it, "CACHE", ROOT / "no-such-folder")
    monkeypatch.setattr(try_it.shutil, "which", lambda name: None)
    assert not try_it.can_be_live()
    assert "there is no npm" in capsys.readouterr().out


def test_the_text_on_github_and_the_page_name_the_modes_alike():
    headings = re.findall(r"^## (\w+)$", TEXT, flags=re.MULTILINE)
    assert [heading.lower() for heading in headings] == [run.mode for run in RUNS]
    assert re.findall(r'\("(\w+)", "\w+"\)', TEMPLATE) == [run.mode for run in RUNS] == list(EXAMPLES)


def test_everything_that_is_suggested_needs_no_text_encoder():
    stored = set(suggested())
    assert len(stored) == len(suggested()) and "" not in stored
    for mode, examples in EXAMPLES.items():
        (run,) = [run for run in RUNS if run.mode == mode]
        for prompts in [run.prompts, *examples]:
            assert len(prompts) == len(run.prompts) and set(prompts) <= stored
    assert {run.image for run in RUNS} <= set(IMAGES)


def test_the_runtime_that_npm_fetches_is_the_tested_one():
    assert set(try_it.RUNTIME_SHA256) == {try_it.version()}


def test_each_mode_runs_as_its_controls_say(model):
    for run in RUNS:
        quick = run._replace(steps=4, i_start=1)
        *_, last = steps_of(model, quick)
        again = [step.t for step in steps_of(model, quick)]
        assert again == ([666, 333, 0] if run.mode == "sketch" else [999, 666, 333, 0])
        changed = [quick._replace(seed=quick.seed + 1), quick._replace(gamma=1.0), quick._replace(steps=5)]
        for other in changed:
            *_, there = steps_of(model, other)
            assert not torch.allclose(last.x_s, there.x_s), (run.mode, other)
        if run.mode == "repaint":
            top, left, bottom, right = run.mask
            kept = torch.ones(64, 64, dtype=torch.bool)
            kept[top:bottom, left:right] = False
            assert torch.equal(last.x_s[..., kept], course_image(run.image)[..., kept])


def test_the_script_finds_every_control_in_the_page():
    names = set(re.findall(r'name="(\w+)"', TEMPLATE))
    used = set(re.findall(r"controls\.(\w+)", SCRIPT)) | {"gamma", "steps", "seed", "view", "i_start"}
    assert used <= names
    ids = set(re.findall(r'id="([\w-]+?)"', TEMPLATE))
    assert set(re.findall(r'getElementById\("([\w-]+)"\)', SCRIPT)) <= ids
    classes = set(re.findall(r"[\w-]+", " ".join(re.findall(r'class="([^"]+)"', TEMPLATE))))
    assert set(re.findall(r'find\("\.([\w-]+)', SCRIPT)) <= classes
