"""Mini-IF's renders of 3-D models: what renders.json lists, how models are read, and how they are rendered."""

import io
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from helpers.data import DATA
from making.mini_if import meshes, renders
from making.mini_if.art import MARGIN, SIZE
from making.mini_if.concepts import CONCEPTS, read_held_out
from making.mini_if.meshes import Catalogues, Mesh, read_mtl, read_obj
from making.mini_if.packages import SWEETHOME3D, PackageError
from making.mini_if.renders import check, contact_sheets, main, missing, rotation
from making.mini_if.views import VIEWS, Model, RenderError, Side, read_models, words

MODELS = read_models()
LICENCES = {
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}
NO_ARTICLE = {"bread", "coffee", "darts in a dartboard", "firewood", "fruit in a bowl", "apples in a bowl"}
CUBE = """
mtllib cube.mtl
v -1 -1 -1
v 1 -1 -1
v 1 1 -1
v -1 1 -1
v -1 -1 1
v 1 -1 1
v 1 1 1
v -1 1 1
vt 0 0
vt 1 1
usemtl red
f 5 6 7 8
usemtl painted
f 1/1 4/1 3/2 2/2
f -8/1/1 -4/1/1 -1/2/1 -5/2/1
f 2 3 7 6
l 1 2
"""
MATERIALS = (
    "newmtl red\nKd 1 0 0\nKs 2 0.5 0\n\tnewmtl painted\n\tKd 0.5 0.5 0.5\n\td 0.5\n\tmap_Kd C:\\art\\My wood.jpg\n"
)


def model(**changes) -> Model:
    given = {"id": "cube", "catalogue": "Toys", "name": "Cube", "path": "toys/cube/cube.obj", "creator": "us"}
    given |= {"licence": "CC0-1.0", "concept": "box", "called": ("a box",), "shown": "front", "split": "train"}
    return Model(**given | changes)


def archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        for name, content in files.items():
            written.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def catalogues(monkeypatch, tmp_path):
    """A package with one catalogue, Toys, with one model."""
    wood = io.BytesIO()
    Image.new("RGB", (4, 4), (120, 80, 40)).save(wood, "JPEG")
    files = {"cube.obj": CUBE.encode(), "cube.mtl": MATERIALS.encode(), "my WOOD.jpg": wood.getvalue()}
    toys = archive({f"toys/cube/{name}": content for name, content in files.items()})
    found = [("usr/share/doc/copyright", b"..."), ("usr/share/furniture/Toys.sh3f", toys)]
    monkeypatch.setattr(meshes, "members", lambda file: iter(found))
    return Catalogues(tmp_path / "package.deb")


# ---- what is listed -----------------------------------------------------------------------------------------------


def test_models_have_licences_that_allow_training_and_names_for_attribution():
    assert {model.catalogue for model in MODELS} == set(LICENCES)
    for model in MODELS:
        assert model.licence == LICENCES[model.catalogue], model.id
        assert model.creator and model.name and model.path.endswith(".obj"), model.id


def test_sources_name_every_creator_and_count_the_models():
    rows = [line.split(" | ") for line in (DATA / "SOURCES.md").read_text(encoding="utf-8").splitlines()]
    rows = {row[0].removeprefix("| "): row for row in rows if row[0].removeprefix("| ") in LICENCES}
    for catalogue in LICENCES:
        models = [model for model in MODELS if model.catalogue == catalogue]
        assert int(rows[catalogue][1]) == len(models)
        if catalogue.startswith("BlendSwap"):
            assert rows[catalogue][2] == ", ".join(sorted({model.creator for model in models}, key=str.lower))


def test_ids_and_paths_are_unique():
    assert len({model.id for model in MODELS}) == len({(m.catalogue, m.path) for m in MODELS}) == len(MODELS)


def test_captions_have_articles_or_plurals():
    articles = ("a ", "an ", "the ")
    others = {called for model in MODELS for called in model.called if not called.startswith(articles)}
    assert {called for called in others if not called.endswith("s")} <= NO_ARTICLE
    assert all(1 <= len(model.called) <= 4 for model in MODELS)


def test_models_of_one_concept_agree_on_no_held_out_photo():
    held_out = {concept for concept, style in read_held_out() if style == "photo"}
    assert not [model.id for model in MODELS if model.concept in held_out and model.split == "train"]
    assert any(model.concept in held_out for model in MODELS)  # such models are measured with, so they are rendered


def test_a_trained_model_of_a_held_out_photo_is_refused():
    check((model(),))
    with pytest.raises(RenderError, match=r"trains \['cube'\]"):
        check((model(concept="truck"),))


def test_whole_models_are_held_out_and_two_of_each_concept_stay():
    held_out = {concept for concept, style in read_held_out() if style == "photo"}
    splits = {split: Counter(m.concept for m in MODELS if m.split == split) for split in ("train", "held out")}
    assert splits["train"].total() + splits["held out"].total() == len(MODELS)
    assert 0.12 < splits["held out"].total() / len(MODELS) < 0.25
    assert all(splits["train"][concept] >= 2 for concept in splits["held out"] if concept not in held_out)


def test_many_models_show_concepts_that_the_model_knows():
    assert len({model.concept for model in MODELS} & set(CONCEPTS)) >= 75


def test_views_are_named_by_angles_and_left_out_by_name():
    given = model(without=("320-22",))
    assert Side(-40, 22).name == "320-22" and "320-22" in {view.name for view in VIEWS["front"]}
    assert len(given.views) == len(VIEWS["front"]) - 1
    assert given.file(given.views[0]) == "cube-295-15.png"
    for model_ in MODELS:
        assert set(model_.without) <= {view.name for view in VIEWS[model_.shown]}, model_.id
        assert len(model_.views) >= 3, model_.id
    assert all(len({view.name for view in views}) == len(views) for views in VIEWS.values())


@pytest.mark.parametrize(
    "angles, said",
    [
        ((0, 12), "from the front"),
        ((350, 12), "from the front"),
        ((-90, 10), "from the side"),
        ((180, 10), "from behind"),
        ((90, 60), "from above"),
        ((30, 20), ""),
    ],
)
def test_captions_may_name_the_view(angles, said):
    assert words(*angles) == said


# ---- reading ------------------------------------------------------------------------------------------------------


def test_a_mesh_is_read_in_triangles_by_material():
    mesh = read_obj(CUBE)
    assert mesh.materials == "cube.mtl" and mesh.points.shape == (8, 3) and mesh.uv.tolist() == [[0, 0], [1, 1]]
    assert mesh.triangles["red"].tolist() == [[4, 5, 6], [4, 6, 7]]
    assert (mesh.corners["red"] == -1).all()
    assert mesh.triangles["painted"][2:4].tolist() == [[0, 4, 7], [0, 7, 3]]  # negative indices count from the end
    assert mesh.corners["painted"][:2].tolist() == [[0, 0, 1], [0, 1, 1]]


def test_a_model_without_faces_is_refused():
    with pytest.raises(RenderError, match="no faces"):
        read_obj("v 0 0 0\nl 1 1\n")


def test_materials_are_read():
    materials = read_mtl(MATERIALS)
    assert materials["red"].colour == (1, 0, 0) and materials["red"].highlights == 1 and not materials["red"].texture
    assert materials["painted"].opacity == 0.5 and materials["painted"].texture == "My wood.jpg"


def test_a_model_is_read_from_its_catalogue(catalogues):
    mesh, materials, textures = catalogues.read(model())
    assert isinstance(mesh, Mesh) and set(materials) == {"red", "painted"}
    assert textures["My wood.jpg"].size == (4, 4)  # its name is written in another case than the file's


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"catalogue": "Cars"}, r"no catalogue Cars; it has \['Toys'\]"),
        ({"path": "toys/ball/ball.obj"}, "has no toys/ball/ball.obj"),
    ],
)
def test_a_model_that_is_not_there_is_named(catalogues, changes, said):
    with pytest.raises(RenderError, match=said):
        catalogues.read(model(**changes))


def test_a_model_is_set_upright_and_then_turned():
    upright = rotation(model(rotation=(1, 0, 0, 0, 0, 1, 0, -1, 0)))
    assert upright @ [0, 0, 1] == pytest.approx([0, 1, 0])
    turned = rotation(model(rotation=(1, 0, 0, 0, 0, 1, 0, -1, 0), turn=90))
    assert turned @ [0, 0, 1] == pytest.approx([0, 1, 0])
    assert rotation(model(turn=90)) @ [1, 0, 0] == pytest.approx([0, 0, -1])


# ---- the command --------------------------------------------------------------------------------------------------


def test_what_is_rendered_already_is_not_rendered_again(tmp_path):
    given = model()
    for view in given.views[2:]:
        (tmp_path / given.file(view)).touch()
    assert list(missing((given,), tmp_path)) == [(given, list(given.views[:2]))]
    for view in given.views:
        Image.new("RGBA", (SIZE, SIZE), "red").save(tmp_path / given.file(view))
    assert not list(missing((given,), tmp_path))
    (page,) = contact_sheets((given, model(split="held out")), tmp_path)
    assert page.getpixel((32, 40)) == (255, 0, 0)


def test_a_missing_package_is_told(monkeypatch, tmp_path, capsys):
    def fetch(package, folder):
        assert package is SWEETHOME3D and folder == tmp_path
        raise PackageError("there is no apt-get to fetch sweethome3d-furniture with.")

    monkeypatch.setattr(renders, "fetch", fetch)
    with pytest.raises(SystemExit) as exited:
        main(["--out", str(tmp_path), "--packages", str(tmp_path)])
    assert exited.value.code == 1 and "no apt-get" in capsys.readouterr().err


def test_a_missing_renderer_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vtk", None)
    with pytest.raises(RenderError, match=r"pip install -e"):
        renders.Renderer()


def test_a_cube_is_rendered(catalogues, tmp_path):
    pytest.importorskip("vtk", reason="VTK is not installed")
    given = model(shown="around")
    renders.render_all((given,), catalogues, tmp_path)
    images = {view.azimuth: np.array(Image.open(tmp_path / given.file(view))) for view in given.views}
    assert not list(tmp_path.glob("*.partial"))
    front = images[0]
    assert front.shape == (SIZE, SIZE, 4) and front[..., 3].max() == 255
    rows, columns = np.nonzero(front[..., 3] > 16)
    assert min(rows.min(), columns.min()) == MARGIN and max(rows.max(), columns.max()) == SIZE - MARGIN - 1
    red, green, blue, alpha = front[140, 128]
    assert alpha == 255 and red > 200 and max(green, blue) < 80  # the red side is in front, its highlight aside
    assert images[60][..., 3].any() and images[180][128, 128, 0] < 200  # and not behind
