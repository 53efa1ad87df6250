"""The captions of an image: its style and its content, in several wordings."""

from .concepts import STYLES

GENERIC = "a high quality photo"  # the course's prompt without content; half of the photographs have it as caption

# templates for sources that need other words than their style; the first is the usual one
TEMPLATES = {
    "photographs": ("a photo of {}", "a photograph of {}", "{}"),
    "renders": ("a photo of {}", "a 3d model of {}", "{}"),
    "paintings": ("an oil painting of {}", "a painting of {}"),
}


def captions(called: tuple[str, ...], style: str, source: str = "") -> list[str]:
    """Every caption of an image, the usual one first: each of its names in each template of its source or style.

    >>> captions(("a rocket", "a spaceship"), "oil painting")[:3]
    ['an oil painting of a rocket', 'an oil painting of a spaceship', 'a painting of a rocket']
    """
    templates = TEMPLATES.get(source, STYLES[style].templates)
    return [template.format(name) for template in templates for name in called]
