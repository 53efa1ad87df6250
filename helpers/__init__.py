"""The library behind the notebooks: samplers, guidance, editing and illusions with diffusion models.

From the ground floor up; a module imports only from those above it in this list:

    validate       checks of arguments, with clear error messages
    command        error messages of the commands
    files          files that are complete at every moment
    checksums      checksums of files
    devices        the device, its precision, and the number of threads
    hub            downloads from the Hugging Face hub
    checkpoints    files of tensors, and locks on folders
    memory         plans for networks that do not fit into the GPU's memory
    schedule       the noise schedule, and the timesteps that a sampler visits
    patch_unet     Mini-IF's network, stage I
    upscale_unet   Mini-IF's network, stage II, which enlarges
    unet           Part B's networks
    denoisers      the seam between the maths and a network, and guidance
    if_denoisers   the adapter for networks that read text, such as Mini-IF's and DeepFloyd IF's
    sampling       the forward process, one step, and the loop
    flow           flow matching: coordinates, velocities, and solvers
    editing        SDEdit and inpainting
    illusions      anagrams and hybrids
    digits         the adapter for Part B's networks, and sampling digits
    text_encoders  the text encoders of Mini-IF and DeepFloyd IF
    prompts        files with the text states of prompts
    stages         a model's folders and files
    models         text-to-image models
    data           test images, masks, MNIST
    results        the trained digit networks that ship with the kit
    tasks          what Part B's networks learn
    recipes        the hyperparameters of their training
    processes      several processes that train one network
    training       Part B's training loop
    metrics        the quality of sampled digits
    show           grids, curves, animations
    plots          a pixel's posterior, strides and paths, spectra
    diagrams       Part A's ideas as drawings, Part B's networks
    drawing        a sketch pad, and a mask painter
    controls       an explorer's controls as a drawing
    widgets        explorers with controls, and a live loss curve
    checks         checks of what students write
"""

import os

# idle threads sleep instead of spinning, so that other programs can run; OpenMP reads this when torch is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# diffusers loads the class that a model folder names only from modules that are already imported
from . import patch_unet, upscale_unet  # noqa: F401
from .devices import limit_threads

limit_threads()
