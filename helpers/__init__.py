"""The library behind the notebooks: samplers, guidance, editing and illusions with diffusion models.

From the ground floor up; a module imports only from those above it in this list:

    validate       what was given and what is wanted: the checks behind every clear error
    command        an expected error ends a command with a sentence
    files          files that are complete at every moment
    checksums      whether a file still holds what was written into it
    devices        the device, its precision, and the number of threads
    hub            models from the Hugging Face hub, and what to do when it refuses
    checkpoints    files of tensors that are whole at every moment
    memory         where networks wait that are too large for the GPU
    schedule       the noise schedule, and the timesteps that a sampler visits
    patch_unet     Mini-IF's network, stage I
    upscale_unet   the network of its stage II, which enlarges
    unet           Part B's networks
    denoisers      the seam between the maths and a network, and guidance
    if_denoisers   the adapter for networks that read text, such as Mini-IF's and DeepFloyd IF's
    sampling       the forward process, one step, and the loop
    flow           flow matching: coordinates, velocities, and solvers
    editing        SDEdit and inpainting
    illusions      anagrams and hybrids
    digits         the adapter for Part B's networks, and sampling digits
    text_encoders  text as states: the encoders of Mini-IF and DeepFloyd IF
    prompts        the files that keep the text states of prompts
    stages         the folders and files of a model's stages
    models         text-to-image models
    data           test images, masks, MNIST
    results        the trained digit networks that ship with the kit
    tasks          what Part B's networks learn
    recipes        how long and how fast they learn it
    processes      several processes that train one network
    training       Part B's training loop
    metrics        how good sampled digits are
    show           grids, curves, animations
    diagrams       Part B's networks, drawn
    drawing        a sketch pad, and a mask painter
    widgets        controls to play with
    checks         what students write, checked
"""

import os

# idle threads sleep instead of spinning, which would take time from others; OpenMP reads this when torch is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# diffusers loads the class that a model folder names only from modules that are already imported
from . import patch_unet, upscale_unet  # noqa: F401
from .devices import limit_threads

limit_threads()
