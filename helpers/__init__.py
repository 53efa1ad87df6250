"""The library behind the notebooks: samplers, guidance, editing and illusions with diffusion models.

From the ground floor up; a module imports only from those above it in this list:

    validate      what was given, what was wanted: the checks behind every clear error
    devices       which processor computes, and at which precision
    hub           models from the Hugging Face hub, and what to do when it refuses
    memory        where networks wait that are too large for the GPU
    schedule      the noise schedule, and the timesteps that a sampler visits
    patch_unet    Mini-IF's network, stage I
    upscale_unet  the network of its stage II, which enlarges
    unet          Part B's networks
    denoisers     the seam between the maths and a network, and guidance
    sampling      the forward process, one step, and the loop
    editing       SDEdit and inpainting
    illusions     anagrams and hybrids
    prompts       text as states: encoders, and files that remember what they said
    models        text-to-image models
    data          test images, masks, MNIST
    training      Part B's training loop
    metrics       how good drawn digits are
    show          grids, curves, animations
    drawing       a sketch pad, and a mask painter
    widgets       controls to play with
    checks        what students write, checked
"""

# diffusers loads the class that a model folder names only from modules that are already imported
from . import patch_unet, upscale_unet  # noqa: F401
