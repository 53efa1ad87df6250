"""Write the prompt embeddings that ship with Mini-IF: `make embeddings`, after a change to data/prompts.json.

With them the notebooks run without the 90 MB text encoder. Each prompt is a key, its text states (77, 384) in fp16
the value.
"""

from safetensors.torch import save_file

from helpers.models import BUNDLED
from helpers.prompts import EMBEDDINGS, ENCODER_WIDTH, course_prompts, encode

folder = BUNDLED["mini-if"]
prompts = course_prompts()
states = encode(prompts, ENCODER_WIDTH)
save_file(dict(zip(prompts, states.unbind())), folder / EMBEDDINGS)
print(f"{len(prompts)} prompts, {(folder / EMBEDDINGS).stat().st_size / 1e6:.1f} MB: {folder / EMBEDDINGS}")
