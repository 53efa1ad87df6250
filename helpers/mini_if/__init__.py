"""How the bundled model, Mini-IF, was made. Every step is a command, from the pictures to the weights:

    python -m helpers.mini_if.art         fetch the open icon art, and turn it into pictures
    python -m helpers.mini_if.dataset     from these, the cached training set
    python -m helpers.mini_if.sheets      contact sheets of both, to be looked at
    python -m helpers.mini_if.drafts      teach its drafter: roughly what a caption asks for
    python -m helpers.mini_if.training    train stage I
    python -m helpers.mini_if.upscaling   train stage II
    python -m helpers.mini_if.sharpness   how much better it is than Lanczos
    python -m helpers.mini_if.evaluation  measure how good it is

Its own floors, ground floor first:

    concepts    what the model knows: concepts, styles, and the pairs of them that are held out
    art         icon sets, as pictures
    captions    what a picture is called
    scenes      pictures composed of several
    dataset     training examples
    sheets      contact sheets
    training    stage I, learning
    drafts      its drafter, which learns first
    upscaling   stage II, learning
    sharpness   stage II beside Lanczos
    reader      a judge, that learned from the real art
    evaluation  what it says of samples
"""
