"""For pytest and nbval alike: nobody is there to move a slider or to watch a progress bar, and nothing is fetched."""

import os

os.environ.update(COURSE_HEADLESS="1", TQDM_DISABLE="1", HF_HUB_OFFLINE="1")
