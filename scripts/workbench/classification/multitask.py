"""Several tasks on one encoder, with a head for each: the model, its batches, its scores, its checkpoints.

Shapes use B (batch), T (tokens) and C (the most outputs of any task).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count, cycle, islice
from pathlib import Path

import torch
from safetensors.torch import load_model
from safetensors.torch import save_model as save_tensors
from torch import nn
from torch.utils.data import Sampler

from workbench.data.tasks import TaskData
from workbench.hub.fetch import WEIGHTS
from workbench.runs.metrics import label_scores
from workbench.runs.predictions import Predictions
from workbench.runs.sampling import LengthGroupedSampler
from workbench.runs.trainer import WorkbenchTrainer, column
from workbench.strategies.encoders import encoder_of

from .batches import TextCollator
from .predict import collect_answers
from .scoring import answers, mean_loss

MEAN = "mean"


class MultiTaskClassifier(nn.Module):
    """Classifiers of transformers, or ours, that have one encoder in common; a pooler belongs to each head.

    Args:
        classifiers: task -> a classifier; all of one architecture, on the same pretrained weights.
    """

    # The Trainer would otherwise take the model's loss for one that is divided by the number of labels already.
    accepts_loss_kwargs = False

    def __init__(self, classifiers: dict[str, nn.Module]):
        super().__init__()
        self.names = list(classifiers)
        self.classifiers = nn.ModuleList(classifiers.values())
        # The Trainer reads it: how the encoder is called, which symbol pads.
        self.config = self.classifiers[0].config
        self.widest = max(classifier.config.num_labels for classifier in self.classifiers)
        shared = encoder_of(self.classifiers[0])
        for classifier in self.classifiers[1:]:
            for name, child in shared.named_children():
                if "pooler" not in name:
                    setattr(encoder_of(classifier), name, child)

    def forward(self, task: torch.Tensor, labels: torch.Tensor | None = None, **inputs) -> dict[str, torch.Tensor]:
        """`logits` (B, C), zeros behind a task's own outputs, and with `labels` the mean `loss` of the rows.

        Args:
            task: place in `names`, (B,); rows of several tasks may be mixed.
            labels: class ids, or numbers for regression, as floats (B,).
            inputs: `input_ids` (B, T), `attention_mask` (B, T), …
        """
        logits = torch.zeros(len(task), self.widest, device=task.device)
        total = torch.zeros((), device=task.device)
        for place in task.unique().tolist():
            rows = task == place
            found = self.classifiers[place](**{name: values[rows] for name, values in inputs.items()}).logits.float()
            logits[rows, : found.shape[1]] = found
            if labels is not None:
                total = total + rows.sum() * mean_loss(found, labels[rows])
        return {"logits": logits} if labels is None else {"loss": total / len(task), "logits": logits}

    def gradient_checkpointing_enable(self, *args, **kwargs) -> None:
        """As in transformers, for each classifier."""
        for classifier in self.classifiers:
            classifier.gradient_checkpointing_enable(*args, **kwargs)


@dataclass
class TaskCollator:
    """`TextCollator` for examples that also tell their `task`; `labels` (B,) are float32, `task` (B,) int64."""

    tokenizer: object

    def __call__(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        texts = [{name: value for name, value in example.items() if name != "task"} for example in examples]
        batch = TextCollator(self.tokenizer, is_regression=True)(texts)
        return batch | {"task": torch.tensor([example["task"] for example in examples])}


def shares(sizes: list[int], temperature: float) -> list[float]:
    """How often each task is drawn: p_i ∝ n_i^(1/T); 1 is by size, infinity is evenly."""
    # Relative to the largest, so that no power overflows.
    weights = [(size / max(sizes)) ** (1 / temperature) for size in sizes]
    return [weight / sum(weights) for weight in weights]


class TaskSampler(Sampler):
    """Batches of one task each, drawn by `shares`, of examples of like length; as many as go through all data once.

    The order depends on seed and epoch alone. A task begins anew when it has been gone through, so a small one comes
    several times in an epoch, a large one perhaps not whole.

    Args:
        tasks: of each example, its task's place; the examples of a task are next to each other.
        lengths: of each example, in symbols.
    """

    def __init__(self, tasks: Sequence[int], lengths: Sequence[int], batch_size: int, seed: int, temperature: float):
        _, sizes = torch.as_tensor(tasks).unique_consecutive(return_counts=True)
        self.lengths = torch.as_tensor(lengths).split(sizes.tolist())
        self.starts = [0, *accumulate(map(len, self.lengths[:-1]))]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.shares = shares([len(part) for part in self.lengths], temperature)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def batches(self) -> int:
        return -(-sum(map(len, self.lengths)) // self.batch_size)

    def __len__(self) -> int:
        return self.batches * self.batch_size

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        drawn = torch.multinomial(torch.tensor(self.shares), self.batches, replacement=True, generator=generator)
        streams = [self._batches_of(place) for place in range(len(self.starts))]
        for place in drawn.tolist():
            yield from next(streams[place])

    def _batches_of(self, place: int):
        """Whole batches of a task without end; the last of each round is filled up from its beginning."""
        for rounds in count():
            sampler = LengthGroupedSampler(self.lengths[place], self.batch_size, self.seed + place)
            sampler.set_epoch(self.epoch * 1_009 + rounds)
            order = [self.starts[place] + index for index in sampler]
            for start in range(0, len(order), self.batch_size):
                yield list(islice(cycle(order), start, start + self.batch_size))


class MultiTaskTrainer(WorkbenchTrainer):
    """WorkbenchTrainer with a `TaskSampler`, and checkpoints in which the common encoder is stored once."""

    def __init__(self, *args, temperature: float, **kwargs):
        self.temperature = temperature
        super().__init__(*args, **kwargs)

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        examples = self.train_dataset if train_dataset is None else train_dataset
        tasks, lengths = column(examples, "task"), column(examples, "length")
        return TaskSampler(tasks, lengths, self.args.train_batch_size, self.args.seed, self.temperature)

    def _save(self, output_dir: str | None = None, state_dict=None) -> None:
        if self.args.should_save:
            folder = Path(self.args.output_dir if output_dir is None else output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            save_tensors(self.accelerator.unwrap_model(self.model), str(folder / WEIGHTS[0]))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model=None) -> None:
        load_model(self.model, Path(resume_from_checkpoint) / WEIGHTS[0])

    def _load_best_model(self) -> None:
        load_model(self.model, Path(self.state.best_model_checkpoint) / WEIGHTS[0])


def join_examples(tasks: dict[str, TaskData], encoded: dict[str, dict]) -> dict:
    """Split -> the examples of all tasks that have it, one task after the other, each with its `task`.

    Args:
        encoded: task -> split -> what `encode_examples` made.
    """
    from datasets import Value, concatenate_datasets

    joined: dict[str, list] = {}
    for place, name in enumerate(tasks):
        for split, examples in encoded[name].items():
            # Class ids and numbers get one type.
            part = examples.cast_column("labels", Value("float64")).add_column("task", [place] * len(examples))
            joined.setdefault(split, []).append(part)
    return {split: concatenate_datasets(parts) for split, parts in joined.items()}


def score_tasks(tasks: dict[str, TaskData]):
    """Trainer's `compute_metrics`: `TASK_METRIC` for each task, the `mean` of the tasks' first metrics, and `loss`."""

    def scores(prediction) -> dict[str, float]:
        labels, places = prediction.label_ids
        found, firsts, total = {}, [], 0.0
        for place, (name, data) in enumerate(tasks.items()):
            rows = places == place
            if not rows.any():
                continue
            width = max(1, len(data.label_names))
            logits = torch.from_numpy(prediction.predictions[rows, :width])
            total += rows.sum() * mean_loss(logits, torch.from_numpy(labels[rows])).item()
            right = labels[rows] if data.task.is_regression else labels[rows].astype(int)
            given = answers(prediction.predictions[rows, :width], data.task.is_regression)
            own = label_scores(data.task.metrics, given, right.tolist())
            found |= {f"{name}_{metric}": value for metric, value in own.items()}
            firsts.append(own[data.task.metrics[0]])
        return {MEAN: sum(firsts) / len(firsts), "loss": total / len(places), **found}

    return scores


def collect_task_answers(tasks: dict[str, TaskData], outcomes: dict) -> dict[str, dict[str, Predictions]]:
    """Task -> split -> the answers, of what `Trainer.predict` returned for each split."""
    collected: dict[str, dict[str, Predictions]] = {name: {} for name in tasks}
    for split, outcome in outcomes.items():
        for place, (name, data) in enumerate(tasks.items()):
            if split in data.splits:
                logits = outcome.predictions[outcome.label_ids[1] == place, : max(1, len(data.label_names))]
                collected[name][split] = collect_answers(data.splits[split], logits, data)
    return collected


def own_scores(split: str, scores: dict[str, float]) -> dict[str, float]:
    """The loss and the scores of what `Trainer.predict` measured on a split, without its speed."""
    speed = ("_runtime", "_per_second", "_preparation_time")
    return {name.removeprefix(f"{split}_"): float(scores[name]) for name in scores if not name.endswith(speed)}
