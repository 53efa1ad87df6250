"""Renders of 3-D models: furniture, vehicles, animals, people, plants and food from several sides, as RGBA images.

    python -m making.mini_if.renders

leaves runs/art/renders/<model>-<azimuth>-<elevation>.png, 256×256 with a transparent background, and contact sheets in
runs/art/renders/sheets/. Images that exist already are not rendered again. It needs VTK: pip install -e ".[art]".
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from helpers.command import errors_end
from helpers.files import replacing

from .art import ART, SIZE, fitted
from .concepts import read_held_out
from .meshes import Catalogues, Material, Mesh
from .packages import FOLDER as PACKAGES
from .packages import SWEETHOME3D, PackageError, fetch
from .views import Model, RenderError, Side, read_models

PIXELS = 384  # side of a rendering, before it is cropped and shrunk
ANGLE = 28  # field of view of the camera, in degrees
CREASE = 40  # edges between faces that meet at more degrees than this stay sharp
GAMMA = 1.3  # brightens mid-tones
# position relative to the camera (right, up, towards the viewer), and brightness
LIGHTS = (((-1.0, 1.2, 1.0), 0.8), ((1.2, 0.2, 0.8), 0.25), ((0.0, 0.0, 1.0), 0.2))
AMBIENT = 0.15
PIECE = 12 * 64, 64  # a model's part of a contact sheet: twelve views, as large as the model is trained on
ROWS = 24  # of a contact sheet


class Renderer:
    """VTK without a display: load a model, then render views of it."""

    def __init__(self):
        try:
            import vtk  # imported here, because nothing else in the kit needs it
            from vtk.util import numpy_support
        except ImportError as error:
            raise RenderError('there is no VTK to render with: run pip install -e ".[art]".') from error
        self.vtk, self.convert = vtk, numpy_support
        vtk.vtkObject.GlobalWarningDisplayOff()  # it would warn that there is no display
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.SetAlphaBitPlanes(True)
        self.window.SetMultiSamples(0)
        self.window.SetSize(PIXELS, PIXELS)
        self.scene = vtk.vtkRenderer()
        self.scene.SetBackgroundAlpha(0)
        self.scene.AutomaticLightCreationOff()
        for position, brightness in LIGHTS:
            light = vtk.vtkLight()
            light.SetLightTypeToCameraLight()
            light.SetPosition(*position)
            light.SetIntensity(brightness)
            self.scene.AddLight(light)
        self.window.AddRenderer(self.scene)

    def load(
        self, mesh: Mesh, materials: dict[str, Material], textures: dict[str, Image.Image], rotation: np.ndarray
    ) -> None:
        """Replace the scene by a mesh, rotated (3, 3): upright along y, its front towards z."""
        self.scene.RemoveAllViewProps()
        points = mesh.points @ rotation.T
        names = list(mesh.triangles)
        triangles = np.concatenate([mesh.triangles[name] for name in names])  # (T, 3)
        corners = np.concatenate([mesh.corners[name] for name in names])
        material = np.repeat(np.arange(len(names)), [len(mesh.triangles[name]) for name in names])
        a, b, c = points[triangles].transpose(1, 0, 2)
        solid = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 0  # a triangle without area has no normal
        triangles, corners, material = triangles[solid], corners[solid], material[solid]
        normals = self.normals(points, triangles)
        for number, name in enumerate(names):
            of = material == number
            if of.any():
                uv = mesh.uv[corners[of]] if len(mesh.uv) and (corners[of] >= 0).all() else None
                self.add(points[triangles[of]], normals[of], uv, materials.get(name, Material()), textures)
        low, high = points[triangles].min(axis=(0, 1)), points[triangles].max(axis=(0, 1))
        self.middle, self.radius = (low + high) / 2, np.linalg.norm(high - low) / 2

    def normals(self, points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """Directions of the surface at every corner, (T, 3, 3): smooth, apart from edges sharper than CREASE."""
        merged, where = np.unique(points.round(6), axis=0, return_inverse=True)
        filtered = self.vtk.vtkPolyDataNormals()
        filtered.SetInputData(self.surface(merged, where.reshape(-1)[triangles]))
        filtered.SetFeatureAngle(CREASE)
        filtered.ConsistencyOff()  # keeps the order of the triangles
        filtered.Update()
        out = filtered.GetOutput()
        indices = self.convert.vtk_to_numpy(out.GetPolys().GetConnectivityArray()).reshape(-1, 3)
        return self.convert.vtk_to_numpy(out.GetPointData().GetNormals())[indices]

    def surface(self, points: np.ndarray, triangles: np.ndarray):
        """VTK's object for points (P, 3) and triangles (T, 3)."""
        cells = self.vtk.vtkCellArray()
        offsets = np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int64)
        arrays = offsets, np.ascontiguousarray(triangles, dtype=np.int64).reshape(-1)
        cells.SetData(*(self.convert.numpy_to_vtkIdTypeArray(array, deep=True) for array in arrays))
        surface = self.vtk.vtkPolyData()
        places = self.vtk.vtkPoints()
        places.SetData(self.convert.numpy_to_vtk(np.ascontiguousarray(points), deep=True))
        surface.SetPoints(places)
        surface.SetPolys(cells)
        return surface

    def add(self, points: np.ndarray, normals: np.ndarray, uv: np.ndarray | None, material: Material, textures) -> None:
        """Put triangles of one material into the scene: corners (T, 3, 3), their normals, and uv (T, 3, 2)."""
        surface = self.surface(points.reshape(-1, 3), np.arange(3 * len(points)).reshape(-1, 3))
        surface.GetPointData().SetNormals(self.convert.numpy_to_vtk(normals.reshape(-1, 3), deep=True))
        actor = self.vtk.vtkActor()
        look = actor.GetProperty()
        colour = np.array(material.colour)
        if material.texture in textures and uv is not None:
            surface.GetPointData().SetTCoords(self.convert.numpy_to_vtk(uv.reshape(-1, 2), deep=True))
            actor.SetTexture(self.texture(textures[material.texture]))
            actor.ForceOpaqueOn()  # transparent parts become holes and are not blended
            colour = colour / max(0.3, colour.max())  # a tint for the texture; exporters write a grey with it
        elif material.opacity < 1:
            look.SetOpacity(max(material.opacity, 0.15))
        look.SetColor(*colour)
        look.SetAmbient(AMBIENT)
        look.SetSpecular(0.35 * material.highlights)
        look.SetSpecularColor(1, 1, 1)
        look.SetSpecularPower(30)
        look.SetInterpolationToPhong()
        mapper = self.vtk.vtkPolyDataMapper()
        mapper.SetInputData(surface)
        actor.SetMapper(mapper)
        self.scene.AddActor(actor)

    def texture(self, image: Image.Image):
        """VTK's object for an image. Transparency becomes holes."""
        image = image.convert("RGBA")
        image.thumbnail((1024, 1024))
        pixels = np.array(image)[::-1].copy()  # VTK counts rows from below
        pixels[..., 3] = np.where(pixels[..., 3] < 128, 0, 255)
        if (pixels[..., 3] == 255).all():
            pixels = pixels[..., :3].copy()
        data = self.vtk.vtkImageData()
        data.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
        scalars = self.convert.numpy_to_vtk(pixels.reshape(-1, pixels.shape[-1]), deep=True)
        data.GetPointData().SetScalars(scalars)
        texture = self.vtk.vtkTexture()
        texture.SetInputData(data)
        texture.InterpolateOn()
        texture.MipmapOn()
        return texture

    def render(self, view: Side) -> Image.Image:
        """The scene from a view, RGBA."""
        azimuth, elevation = math.radians(view.azimuth), math.radians(view.elevation)
        ground = math.cos(elevation)
        towards = np.array([math.sin(azimuth) * ground, math.sin(elevation), math.cos(azimuth) * ground])
        camera = self.scene.GetActiveCamera()
        camera.SetViewAngle(ANGLE)
        camera.SetFocalPoint(*self.middle)
        camera.SetPosition(*(self.middle + towards * self.radius / math.sin(math.radians(ANGLE / 2))))
        camera.SetViewUp(0, 1, 0)
        self.scene.ResetCameraClippingRange()
        self.window.Render()
        out = self.vtk.vtkUnsignedCharArray()
        self.window.GetRGBACharPixelData(0, 0, PIXELS - 1, PIXELS - 1, 0, out)
        pixels = self.convert.vtk_to_numpy(out).reshape(PIXELS, PIXELS, 4)[::-1]
        if not pixels[..., 3].any():
            raise RenderError("VTK rendered nothing; without a display it needs libegl1 (or libosmesa6) and Mesa.")
        image = Image.frombytes("RGBa", (PIXELS, PIXELS), pixels.tobytes()).convert("RGBA")  # colours times alpha
        brighter = [round(255 * (value / 255) ** (1 / GAMMA)) for value in range(256)]
        return image.point(3 * brighter + list(range(256)))


def rotation(model: Model) -> np.ndarray:
    """The matrix (3, 3) that sets a model upright and makes it face the front."""
    turn = math.radians(model.turn)
    about = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
    return about @ np.array(model.rotation or np.eye(3)).reshape(3, 3)


def missing(models: tuple[Model, ...], folder: Path) -> Iterator[tuple[Model, list[Side]]]:
    """The models with images still to render, and the missing views."""
    for model in models:
        views = [view for view in model.views if not (folder / model.file(view)).is_file()]
        if views:
            yield model, views


def render_all(models: tuple[Model, ...], catalogues: Catalogues, folder: Path) -> None:
    """Render the images that are not in the folder yet."""
    folder.mkdir(parents=True, exist_ok=True)
    renderer = Renderer()
    for model, views in tqdm(list(missing(models, folder)), desc="models rendered", unit="model"):
        renderer.load(*catalogues.read(model), rotation(model))
        for view in views:
            with replacing(folder / model.file(view)) as partial:
                fitted(renderer.render(view)).save(partial, format="PNG", compress_level=1)


def contact_sheets(models: tuple[Model, ...], folder: Path) -> list[Image.Image]:
    """Pages with a row per model, its views as small as Mini-IF sees them; held-out models on red."""
    pages = []
    width, height = PIECE
    for first in range(0, len(models), 2 * ROWS):
        page = Image.new("RGB", (2 * width, ROWS * (height + 12)), "white")
        draw = ImageDraw.Draw(page)
        for k, model in enumerate(models[first : first + 2 * ROWS]):
            x, y = k // ROWS * width, k % ROWS * (height + 12)
            draw.text((x, y), f"{model.id}: {model.called[0]} [{model.concept}] {model.shown}", fill="black")
            for j, view in enumerate(model.views):
                image = Image.open(folder / model.file(view)).convert("RGBa").resize((height, height)).convert("RGBA")
                colour = "#e8eef4" if model.split == "train" else "#ffd6d6"
                page.paste(colour, (x + j * height, y + 12, x + (j + 1) * height - 1, y + 12 + height))
                page.paste(image, (x + j * height, y + 12), image)
        pages.append(page)
    return pages


# ---- the command --------------------------------------------------------------------------------------------------


def check(models: tuple[Model, ...]) -> None:
    """Raise a RenderError if a training model shows a concept whose photographs are held out."""
    held_out = {concept for concept, style in read_held_out() if style == "photo"}
    wrong = [model.id for model in models if model.concept in held_out and model.split == "train"]
    if wrong:
        raise RenderError(f"renders.json trains {wrong}, whose concepts are held out as photos; wanted none.")


def main(arguments: list[str] | None = None) -> None:
    """Render the 3-D models that Mini-IF learns from, and contact sheets of them."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.renders", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=ART, help="folder for the folder renders")
    parser.add_argument("--packages", type=Path, default=PACKAGES, help="folder with the package file")
    args = parser.parse_args(arguments)
    models, folder = read_models(), args.out / "renders"
    with errors_end(parser, RenderError, PackageError, OSError):
        check(models)
        if any(missing(models, folder)):
            package = fetch(SWEETHOME3D, args.packages)
            render_all(models, Catalogues(package), folder)
        (folder / "sheets").mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(contact_sheets(models, folder), 1):
            page.save(folder / "sheets" / f"renders-{number}.png")
    print(f"{sum(len(model.views) for model in models)} images of {len(models)} models, {SIZE}×{SIZE}, in {folder}")


if __name__ == "__main__":
    main()
