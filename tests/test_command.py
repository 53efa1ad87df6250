"""How a command ends: with a sentence and a status, not with a traceback."""

from argparse import ArgumentParser

import pytest

from helpers.command import errors_end


@pytest.mark.parametrize(
    "error, stopped, code, sentence",
    [
        (ValueError("x is 3; wanted 2."), None, 1, "x is 3; wanted 2.\n"),
        (KeyboardInterrupt(), "stopped; start it again", 130, "stopped; start it again\n"),
    ],
)
def test_an_expected_error_ends_the_command_with_its_sentence(error, stopped, code, sentence, capsys):
    with pytest.raises(SystemExit) as end, errors_end(ArgumentParser(), ValueError, stopped=stopped):
        raise error
    assert end.value.code == code
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()])
def test_other_errors_pass(error):
    with pytest.raises(type(error)), errors_end(ArgumentParser(), ValueError):
        raise error
