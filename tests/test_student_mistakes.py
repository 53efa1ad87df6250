"""What students get wrong is answered by a sentence: the whole list of student_mistakes.py."""

import re

import pytest
from student_mistakes import MISTAKES, kit, outcome

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("call, wanted", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_by_a_sentence(call, wanted):
    what, words = outcome(lambda: call(kit()))
    assert what == "sentence", words
    assert re.search(wanted, words)
