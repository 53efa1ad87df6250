"""HTML from the templates in templates/. Jinja escapes the values, unless they are marked safe."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).resolve().parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


def render(template: str, **values) -> str:
    """A template, such as "gallery.html", filled with values."""
    return TEMPLATES.get_template(template).render(values)
