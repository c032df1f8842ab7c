"""Losses, scores and answers from logits."""

import numpy
import torch
from torch.nn import functional as F

from workbench.data.known_tasks import Task
from workbench.runs.metrics import label_scores


def class_weights(labels: torch.Tensor, count: int) -> torch.Tensor:
    """(classes,) weights n / (classes · n_c): every class weighs the same in sum, and each 1 if they are even."""
    sizes = torch.bincount(labels, minlength=count).float()
    return len(labels) / (count * sizes.clamp(min=1))


def mean_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Cross-entropy in nats of (B, classes), the examples weighted by class, or squared error of (B, 1); over the rows.

    Divided by the number of examples, not by the sum of their weights, it is the same for any batch size and any number
    of processes; over the training split, the weights are 1 on average.
    """
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0].float(), labels.float())
    losses = F.cross_entropy(logits.float(), labels.long(), weight=weights, reduction="none")
    return losses.mean()


def weighted_loss(weights: torch.Tensor):
    """Trainer's `compute_loss_func`: `mean_loss` with each example weighted by its class."""

    def loss(outputs, labels, num_items_in_batch=None):
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
        loss = mean_loss(logits, labels, weights.to(logits.device))
        # Of accumulated batches, the Trainer adds up the losses.
        return loss if num_items_in_batch is None else loss * len(labels) / num_items_in_batch

    return loss


def score_predictions(task: Task, weights: torch.Tensor | None = None):
    """Trainer's `compute_metrics` for a task, with the `loss` of the whole split.

    Trainer's own loss is a mean of its batches' means, in which several processes count some examples twice.

    Args:
        weights: (classes,) of `class_weights`, if the loss is weighted.
    """

    def scores(prediction) -> dict[str, float]:
        logits = logits_of(prediction)
        loss = mean_loss(torch.from_numpy(logits), torch.from_numpy(prediction.label_ids), weights)
        found = label_scores(task.metrics, answers(logits, task.is_regression), prediction.label_ids.tolist())
        return found | {"loss": loss.item()}

    return scores


def logits_of(prediction) -> numpy.ndarray:
    """Of what a Trainer predicted; some models give more than logits."""
    return prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions


def answers(logits: numpy.ndarray, is_regression: bool) -> list:
    """(N, classes) logits to the N likeliest classes, or (N, 1) to N numbers."""
    return logits.reshape(-1).tolist() if is_regression else logits.argmax(axis=-1).tolist()


def probabilities(logits: numpy.ndarray) -> numpy.ndarray:
    """Softmax over the last axis."""
    return torch.from_numpy(numpy.asarray(logits, dtype=numpy.float32)).softmax(dim=-1).numpy()
