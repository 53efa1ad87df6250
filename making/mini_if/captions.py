"""What a picture is called: its style and its content, in more than one way."""

from .concepts import STYLES

WEAK = "a high quality photo"  # the course's prompt that names nothing: some of the 3-D pictures' caption


def captions(called: tuple[str, ...], style: str) -> list[str]:
    """Every caption of a picture of something, by all of its names and in all of its style's words; the usual first.

    >>> captions(("a rocket", "a spaceship"), "drawing")[:3]
    ['a drawing of a rocket', 'a drawing of a spaceship', 'a cartoon of a rocket']
    """
    return [template.format(name) for template in STYLES[style].templates for name in called]
