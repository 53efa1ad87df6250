"""What `check_samples` says of right and of wrong samplers, with networks that have learned much or little.

    python -m ci.bench.sample_causes                 Part C's samplers: some minutes of one CPU core
    python -m ci.bench.sample_causes --diffusion     Part B's, with 300 steps each: an hour

The wrong samplers are the mistakes that the exercises' checks know. The bundled networks have learned digits; one that
is trained here for a few steps has not. The thresholds in helpers/checks/samples.py were chosen on the samplers without
classes; those with classes show how they do on others.
"""

import argparse
from collections import Counter
from itertools import islice

import torch
from torch.utils.data import TensorDataset

from helpers.checks import EXERCISES
from helpers.checks.exercise import Exercise
from helpers.checks.samples import judged, last_loss
from helpers.data import mnist
from helpers.recipes import quick_class_conditional, quick_flow_class, quick_flow_time, quick_time_conditional
from helpers.results import load_result
from helpers.training import train
from helpers.unet import one_hot

COUNT = 8  # samples in each case
LABELS = [*range(COUNT)]
EARLY = 100  # steps of a training that is too short
# exercise, bundled network, recipe, whether it has classes, and whether it is a flow
FLOWS = [
    ("sample_flow", "flow-time", quick_flow_time, False, True),
    ("sample_flow_classes", "flow-class", quick_flow_class, True, True),
]
DIFFUSIONS = [
    ("sample_digits", "time-conditional", quick_time_conditional, False, False),
    ("sample_classes", "class-conditional", quick_class_conditional, True, False),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--diffusion", action="store_true", help="Part B's samplers in place of Part C's")
    counts: Counter = Counter()
    for name, bundled, recipe, classes, flow in DIFFUSIONS if parser.parse_args().diffusion else FLOWS:
        result, early = load_result(bundled), recipe.new_network(1)
        data = TensorDataset(*mnist()[:6000])
        losses = [progress.loss for progress in islice(train(early, recipe, data, seed=1), EARLY)]
        trained = [("bundled", result.network, last_loss(result.losses)), ("early", early.cpu(), last_loss(losses))]
        for network_name, network, loss in trained:
            for mistake, sampler in samplers(EXERCISES[name], network_name == "bundled"):
                try:
                    x0 = draw(sampler, network, recipe, classes, flow, training="training mode" in mistake)
                except (ValueError, NameError) as error:  # the network refuses the time, or the mistake is in two lines
                    print(f"{name:20s} {network_name:8s} {mistake:40s} raises {type(error).__name__}: {error}")
                    continue
                labels = LABELS if classes else None
                cause, unaided = (judged(x0, known, labels, flow).cause for known in (loss, None))
                print(f"{name:20s} {network_name:8s} {mistake:40s} {cause:9s} without the loss: {unaided}", flush=True)
                counts[network_name, "right" if mistake == "right" else "wrong", cause] += 1
    for (network_name, sampler, cause), count in sorted(counts.items()):
        print(f"{network_name} network, {sampler} sampler: {count} × {cause}")


def samplers(exercise: Exercise, wrong_ones: bool):
    """The right sampler of an exercise, and the wrong ones, by name."""
    yield "right", exercise.right
    for mistake in exercise.mistakes if wrong_ones else ():
        yield mistake.name, exercise.wrong(mistake)


def draw(sampler, network, recipe, classes: bool, flow: bool, training: bool) -> torch.Tensor:
    """Samples (COUNT, 1, 28, 28); in training mode, of a network that a wrong sampler leaves in it."""
    network.train(training)
    what = [one_hot(LABELS), 5.0] if classes else [COUNT]
    arguments = [network, *what, 50] if flow else [network, recipe.task.schedule, *what]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        x0 = sampler(*arguments, generator=torch.Generator().manual_seed(0))
    network.load_state_dict(before)  # training mode has changed the running averages
    return x0


if __name__ == "__main__":
    main()
