"""The library behind the notebooks: samplers, guidance, editing and illusions with diffusion models."""

# diffusers loads the class that a model folder names only from modules that are already imported
from . import patch_unet  # noqa: F401
