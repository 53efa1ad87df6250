"""How the bundled model, Mini-IF, was made. Every step is a command, from the pictures to the weights:

    python -m making.mini_if.packages    fetch everything that the training images come from
    python -m making.mini_if.art         turn the open icon art into pictures
    python -m making.mini_if.photographs unpack photographs and paintings
    python -m making.mini_if.renders     render 3-D models from several sides
    python -m making.mini_if.dataset     from these, the cached training set
    python -m making.mini_if.sheets      contact sheets of both, to be looked at
    python -m making.mini_if.drafts      teach its drafter: roughly what a caption asks for
    python -m making.mini_if.training    train stage I
    python -m making.mini_if.upscaling   train stage II
    python -m making.mini_if.sharpness   how much better it is than Lanczos
    python -m making.mini_if.evaluation  measure how good it is

Its floors, ground floor first:

    concepts    what the model knows: concepts, styles, and the pairs of them that are held out
    packages    where the images come from: packages of npm and Debian
    art         icon sets, as images
    photographs photographs and paintings, what they show, and which are held out
    views       which 3-D models are rendered, and from where
    meshes      3-D models, read
    renders     3-D models, as images
    captions    what an image is called
    canvas      what scenes are painted on
    scenes      images composed of several drawings
    composing   images placed, tinted and put on a background
    dataset     training examples
    sheets      contact sheets
    recipe      how long and how fast the stages learn
    training    stage I, learning
    drafts      its drafter, which learns first
    upscaling   stage II, learning
    sharpness   stage II beside Lanczos
    reader      a network that learned to read real images
    asked       what an evaluation asks for
    painting    samples that answer it, and real images
    judge       what the reader says of both
    pixels      what can be measured without it: weave, mean colour, seams
    editing     held-out photographs, denoised and inpainted
    embeddings  the course's prompts, encoded
    evaluation  the figures, as a table
"""
