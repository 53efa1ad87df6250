"""Write the text states that ship with Mini-IF: `make embeddings`, after a change to data/prompts.json or its concepts.

With the prompts' embeddings, the notebooks run without the 90 MB text encoder. Each prompt is a key, its text states
(77, 384) in fp16 the value. The list of concepts lets the explorers warn of prompts that are far from all of them.
"""

import json

from safetensors.torch import save_file

from helpers.checksums import renew
from helpers.prompts import KNOWN, course_prompts
from helpers.stages import BUNDLED
from helpers.text_encoders import EMBEDDINGS, ENCODER_WIDTH, encode
from making.mini_if.scenes import known

folder = BUNDLED["mini-if"]
prompts = course_prompts()
states = encode(prompts, ENCODER_WIDTH)
save_file(dict(zip(prompts, states.unbind())), folder / EMBEDDINGS)
renew(folder / EMBEDDINGS)
print(f"{len(prompts)} prompts, {(folder / EMBEDDINGS).stat().st_size / 1e6:.1f} MB: {folder / EMBEDDINGS}")
things = known()
(folder / KNOWN).write_text(json.dumps(things, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
renew(folder / KNOWN)
print(f"{len(things)} things that the model was shown: {folder / KNOWN}")
