"""Planted mistakes by people who have not read helpers/checks: written from the course and the kit's functions alone.

Like tests/mutants.py, but without the name that a check should give, since they cannot know it:
(exercise, a piece of the kit's own source, what stands there instead, what is wrong in their words). A check has to
catch each, and to recognise it. Nobody has written any yet; issue 7 asks for ten.
"""

MUTANTS: list[tuple[str, str, str, str]] = []
