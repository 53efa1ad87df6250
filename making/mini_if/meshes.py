"""3-D models in Wavefront's OBJ format, and the catalogues of the package that has them."""

import io
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from .packages import members
from .views import Model, RenderError


@dataclass
class Material:
    """A surface's colour (RGB in [0, 1]), opacity, strength of highlights in [0, 1], and the file of its texture."""

    colour: tuple[float, ...] = (0.8, 0.8, 0.8)
    opacity: float = 1.0
    highlights: float = 0.0
    texture: str = ""


@dataclass
class Mesh:
    """Triangles.

    points (P, 3), uv (U, 2) texture coordinates; triangles and corners: material -> (T, 3) indices into the two, an
    index of -1 for corners without texture coordinates; materials: name of the file that describes them.
    """

    points: np.ndarray
    uv: np.ndarray
    triangles: dict[str, np.ndarray] = field(default_factory=dict)
    corners: dict[str, np.ndarray] = field(default_factory=dict)
    materials: str = ""


def read_obj(text: str) -> Mesh:
    """A mesh in Wavefront's OBJ format. Polygons are split into fans of triangles; lines and normals are left out.

    Source: the format's appendix B1, https://www.martinreddy.net/gfx/3d/OBJ.spec
    """
    points, uv, materials, material = [], [], "", ""
    fans: dict[str, list] = defaultdict(list)  # material -> triangles, three (point, uv) each

    def index(number: str, count: int) -> int:
        return int(number) - 1 if int(number) > 0 else count + int(number)

    for line in text.splitlines():
        kind, _, rest = line.strip().partition(" ")
        if kind == "v":
            points.append([float(x) for x in rest.split()[:3]])
        elif kind == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif kind == "usemtl":
            material = rest.strip()
        elif kind == "mtllib":
            materials = rest.strip()
        elif kind == "f":
            corners = []
            for corner in rest.split():
                point, *others = corner.split("/")
                corners.append((index(point, len(points)), index(others[0], len(uv)) if others and others[0] else -1))
            fans[material] += [[corners[0], *corners[i : i + 2]] for i in range(1, len(corners) - 1)]
    if not fans:
        raise RenderError("a model has no faces; wanted some.")
    mesh = Mesh(np.array(points), np.array(uv).reshape(-1, 2), materials=materials)
    for material, triangles in fans.items():
        indices = np.array(triangles)  # (T, 3, 2)
        mesh.triangles[material], mesh.corners[material] = indices[..., 0], indices[..., 1]
    return mesh


def read_mtl(text: str) -> dict[str, Material]:
    """The materials of a mesh, by name, in the format that belongs to OBJ."""
    materials = {}
    material = Material()
    for line in text.splitlines():
        kind, *rest = line.split(maxsplit=1)[:2] or [""]
        rest = rest[0].strip() if rest else ""
        if kind == "newmtl":
            material = materials[rest] = Material()
        elif kind == "Kd":
            material.colour = tuple(float(x) for x in rest.split()[:3])
        elif kind == "Ks":
            material.highlights = min(1.0, max(float(x) for x in rest.split()[:3]))
        elif kind == "d":
            material.opacity = float(rest.split()[-1])
        elif kind == "map_Kd":
            material.texture = PurePosixPath(rest.replace("\\", "/")).name
    return materials


class Catalogues:
    """The package's catalogues: zip archives (.sh3f) with models and their textures."""

    def __init__(self, package: Path):
        self.archives = {
            PurePosixPath(name).stem: zipfile.ZipFile(io.BytesIO(data))
            for name, data in members(package)
            if name.endswith(".sh3f")
        }

    def read(self, model: Model) -> tuple[Mesh, dict[str, Material], dict[str, Image.Image]]:
        """Mesh, materials and textures of a model, the last two by name."""
        archive = self.archives.get(model.catalogue)
        if archive is None:
            raise RenderError(f"{model.id}: the package has no catalogue {model.catalogue}; it has {[*self.archives]}.")
        folder = str(PurePosixPath(model.path).parent)
        # a texture's name and its file may differ in upper and lower case
        files = {name.lower(): name for name in archive.namelist() if str(PurePosixPath(name).parent) == folder}

        def content(name: str) -> bytes:
            if f"{folder}/{name}".lower() not in files:
                raise RenderError(f"{model.id}: the catalogue {model.catalogue} has no {folder}/{name}.")
            return archive.read(files[f"{folder}/{name}".lower()])

        mesh = read_obj(content(PurePosixPath(model.path).name).decode(errors="replace"))
        materials = read_mtl(content(mesh.materials).decode(errors="replace")) if mesh.materials else {}
        textures = {
            material.texture: Image.open(io.BytesIO(content(material.texture)))
            for name, material in materials.items()
            # some are missing in the package; those models look right in their materials' plain colours
            if name in mesh.triangles and f"{folder}/{material.texture}".lower() in files
        }
        return mesh, materials, textures
