"""How the bundled model, Mini-IF, was made. Each step is a command:

    python -m making.mini_if.packages    fetch everything that the training images come from
    python -m making.mini_if.art         draw the open icon art
    python -m making.mini_if.photographs unpack photographs and paintings
    python -m making.mini_if.renders     render 3-D models from several sides
    python -m making.mini_if.dataset     make the cached training set from these
    python -m making.mini_if.sheets      make contact sheets of it
    python -m making.mini_if.drafts      train its drafter, which makes rough images from captions
    python -m making.mini_if.training    train stage I
    python -m making.mini_if.upscaling   train stage II
    python -m making.mini_if.sharpness   compare stage II with Lanczos
    python -m making.mini_if.evaluation  evaluate it
    python -m making.mini_if.pairs flip  search for pairs of concepts that one image can show

Its floors, ground floor first:

    concepts    concepts, styles, and the pairs of them that are held out
    packages    where the images come from: packages of npm and Debian
    art         icon sets, as images
    photographs photographs and paintings
    views       the 3-D models, and the camera positions
    meshes      reading 3-D models
    renders     rendering 3-D models
    canvas      drawing icons and shapes
    scenes      images composed of several drawings
    captions    the captions of an image
    composing   random placement, tint and background
    dataset     training examples
    sheets      contact sheets
    recipe      the hyperparameters of training
    training    training of stage I
    drafts      training of its drafter, which comes first
    upscaling   training of stage II
    sharpness   stage II compared with Lanczos
    reader      a classifier of real images
    asked       the prompts of an evaluation
    painting    their samples, and real images
    judge       measures computed with the reader
    pairs       a search for pairs of concepts that one image can show
    pixels      measures without it: weave, mean colour, seams
    editing     held-out photographs, denoised and inpainted
    embeddings  encoding the course's prompts
    evaluation  all measures in a table
"""
