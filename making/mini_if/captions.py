"""The captions of an image: its style and its content, in several wordings."""

from .concepts import CONCEPTS, STYLES
from .scenes import SCENES

GENERIC = "a high quality photo"  # the course's prompt without content; half of the photographs have it as caption

# How an image is called that has a drawing's name, but looks different. Otherwise the drafter would learn the average
# of a photograph of a dog, a model of one and an emoji, which is a blur.
APART = {
    "photographs": "a photograph of {}",
    "renders": "a 3d model of {}",
    "paintings": "an old painting of {}",
    "twemoji": "an icon of {}",
}
DRAWN = frozenset(name for shown in (*CONCEPTS.values(), *SCENES) for name in shown.called)


def captions(called: tuple[str, ...], style: str, source: str = "") -> list[str]:
    """Every caption of an image, the usual one first: each of its names in each template of its source or style.

    >>> captions(("a rocket", "a spaceship"), "oil painting")[:3]
    ['an oil painting of a rocket', 'an oil painting of a spaceship', 'a painting of a rocket']
    >>> captions(("a dog", "a dog in the grass"), "photo", "photographs")[:2]
    ['a photo of a dog in the grass', 'a photograph of a dog']
    """
    templates = STYLES[style].templates
    if source not in APART:
        return [template.format(name) for template in templates if template not in APART.values() for name in called]
    own = [name for name in called if name not in DRAWN]
    return [templates[0].format(name) for name in own] + [APART[source].format(name) for name in called]
