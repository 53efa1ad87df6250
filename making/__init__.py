"""How the models that ship with the kit were made. Run these modules from the repository's root.

    sampling  sampling from noise
    digits    Part B's networks, and the classifier of their digits
    mini_if   the text-to-image model

Nothing in helpers imports them.
"""
