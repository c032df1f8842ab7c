"""Gradual unfreezing with discriminative learning rates: ULMFiT (Howard and Ruder 2018, sections 3.2 and 3.3)."""

import math

from torch import nn
from transformers import Trainer, TrainerCallback

from .encoders import layer_groups

RATE_RATIO = 2.6


def discriminative_groups(model: nn.Module, learning_rate: float, weight_decay: float) -> list[dict]:
    """The optimiser's groups: the head has the whole rate, each layer below it 1 / 2.6 of the one above.

    Biases and normalisations do not decay, as in the Trainer.
    """
    decaying = set(Trainer.get_decay_parameter_names(None, model))
    weights = dict(model.named_parameters())
    groups = []
    for depth, names in enumerate(layer_groups(model)):
        for decays in (True, False):
            chosen = [weights[name] for name in names if (name in decaying) is decays]
            rate = {"lr": learning_rate / RATE_RATIO**depth, "weight_decay": weight_decay if decays else 0.0}
            groups += [{"params": chosen, **rate}] if chosen else []
    return groups


class GradualUnfreezing(TrainerCallback):
    """Trains the head in the first epoch, and one layer more from the top in each that follows.

    How far it has come is read from the epoch that the Trainer counts, so that a resumed run goes on where it was.
    """

    def __init__(self, model: nn.Module):
        weights = dict(model.named_parameters())
        groups = [[weights[name] for name in names] for names in layer_groups(model)]
        # A pooler that is not to be trained stays as it is.
        self.groups = [[weight for weight in group if weight.requires_grad] for group in groups]

    def on_train_begin(self, args, state, control, **kwargs):
        epochs, groups = state.num_train_epochs, len(self.groups)
        if epochs < groups and state.is_world_process_zero:
            print(f"gradual: in {epochs} epochs the head and {epochs - 1} layers are trained; all would be in {groups}")

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.unfreeze(state.epoch)

    def unfreeze(self, epoch: float | None) -> None:
        """Lets the gradients of the top 1 + `epoch` groups through, and no others."""
        # A whole epoch may be counted as 1.9999….
        open_groups = 1 + math.floor((epoch or 0.0) + 1e-6)
        for place, group in enumerate(self.groups):
            for weight in group:
                weight.requires_grad_(place < open_groups)
                weight.grad = weight.grad if place < open_groups else None


class FindsUnused:
    """Mixin before a Trainer: among several processes, weights may go without a gradient."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.args.ddp_find_unused_parameters = True
