"""What every training script puts around transformers' Trainer: data order, checkpoints that are whole, progress."""

import inspect
import math
import sys
import typing
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import Sampler
from tqdm import tqdm
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from workbench.errors import UserError
from workbench.processes import is_main_process, process_count

from .checkpoints import EarlyStopping, WholeCheckpoints, last_whole_checkpoint
from .facts import eval_scores
from .metrics import metric_name
from .sampling import LengthGroupedSampler


def training_argument_types() -> dict[str, type]:
    """The fields of TrainingArguments that a user may set beside ours, with the type a text value is read as."""
    names = inspect.signature(TrainingArguments).parameters
    hints = typing.get_type_hints(TrainingArguments)
    return {name: _simplest(hints[name]) for name in names}


def _simplest(hint) -> type:
    """The first of bool, int, float and str that a type hint allows; str for what is none of them."""
    allowed = typing.get_args(hint) or (hint,)
    return next((kind for kind in (bool, int, float, str) if kind in allowed), str)


def make_training_arguments(arguments, examples: int, **overrides) -> TrainingArguments:
    """TrainingArguments from a script's arguments (`RunArguments` and `OptimisationArguments`) for so many examples.

    `overrides` are fields of TrainingArguments that a script has its own values for. Batch sizes are of the whole step:
    accelerate splits each batch over the processes, so that the same options give the same training on any number.
    """
    processes = process_count()
    for name in ("train_batch_size", "eval_batch_size"):
        if getattr(arguments, name) < 1 or getattr(arguments, name) % processes:
            raise UserError(
                f"{name} is {getattr(arguments, name)}: give a positive multiple of {processes} process(es)"
            )
    steps_per_epoch = math.ceil(examples / arguments.train_batch_size)
    steps_per_epoch = math.ceil(steps_per_epoch / arguments.extra.get("gradient_accumulation_steps", 1))
    steps = arguments.max_steps if arguments.max_steps > 0 else math.ceil(arguments.num_train_epochs * steps_per_epoch)
    tenth = steps // 10
    most = tenth if arguments.warmup_steps is None else arguments.warmup_steps
    options = {
        "output_dir": arguments.output_dir,
        "seed": arguments.seed,
        "report_to": arguments.report_to,
        "num_train_epochs": arguments.num_train_epochs,
        "max_steps": arguments.max_steps,
        "per_device_train_batch_size": arguments.train_batch_size,
        "per_device_eval_batch_size": arguments.eval_batch_size,
        "accelerator_config": {"split_batches": True},
        "learning_rate": arguments.learning_rate,
        "lr_scheduler_type": arguments.lr_scheduler_type,
        "warmup_steps": 0 if arguments.extra.get("warmup_ratio") else min(most, tenth),
        "weight_decay": arguments.weight_decay,
        "adam_beta2": arguments.adam_beta2,
        "max_grad_norm": arguments.max_grad_norm,
        "bf16": arguments.bf16,
        "gradient_checkpointing": arguments.gradient_checkpointing,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
        "logging_strategy": "steps",
        "logging_steps": max(1, min(50, steps_per_epoch)),
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "disable_tqdm": not sys.stderr.isatty(),
        "ddp_find_unused_parameters": False,
    }
    try:
        return TrainingArguments(**{**options, **overrides, **arguments.extra})
    except (ValueError, TypeError) as error:
        raise UserError(f"transformers.TrainingArguments refuses these options: {error}") from error


class WorkbenchTrainer(Trainer):
    """Trainer with our length grouping and, if asked for, a learning rate multiplied after every epoch.

    `train_dataset` is a list of examples with `input_ids` and `labels`; `parameter_groups` are the optimiser's, where
    not all weights have the same rate.
    """

    lr_decay_per_epoch = 0.0
    parameter_groups: list[dict] | None = None

    def create_optimizer(self, *arguments):
        if self.parameter_groups is not None and self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = kind(self.parameter_groups, **options)
        return super().create_optimizer(*arguments)

    def create_scheduler(self, num_training_steps: int, optimizer=None):
        if not self.lr_decay_per_epoch or self.lr_scheduler is not None:
            return super().create_scheduler(num_training_steps, optimizer)
        steps_per_epoch = math.ceil(len(self.train_dataset) / self.args.train_batch_size)
        decay = partial(_decay_by_epoch, self.lr_decay_per_epoch, steps_per_epoch)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, decay)
        return self.lr_scheduler

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        examples = self.train_dataset if train_dataset is None else train_dataset
        lengths = [len(example["input_ids"]) for example in examples]
        return LengthGroupedSampler(lengths, self.args.train_batch_size, self.args.seed)


def _decay_by_epoch(decay: float, steps_per_epoch: int, step: int) -> float:
    return decay ** (step // steps_per_epoch)


class QuietBar(ProgressCallback):
    """The progress bar alone; `EpochLines` does the talking."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        return


class EpochLines(TrainerCallback):
    """One readable line per evaluation."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero or "eval_loss" not in (logs or {}):
            return
        train = [f"training loss {float(entry['loss']):.4f}" for entry in state.log_history if "loss" in entry][-1:]
        shown = [f"{metric_name(name)} {value:.4f}" for name, value in eval_scores(logs).items()]
        where = f"epoch {float(logs['epoch']):5.2f}  step {state.global_step:6d}"
        tqdm.write("  ".join([where, *train, *shown]))


def make_trainer(
    arguments, training_arguments, model, tokenizer, collator, splits, trainer_class=WorkbenchTrainer, **kwargs
):
    """A Trainer over `splits["train"]` and `splits["validation"]`, and the checkpoint to go on from.

    Returns:
        The trainer, its `WholeCheckpoints` callback, and the last whole checkpoint's path (None: start afresh).
    """
    checkpoint, seconds = (None, 0.0)
    if arguments.resume_from_checkpoint:
        checkpoint, seconds = last_whole_checkpoint(arguments.output_dir)
    clock = WholeCheckpoints(seconds)
    callbacks = [clock]
    if arguments.early_stopping_patience:
        callbacks.append(EarlyStopping(arguments.early_stopping_patience))
        callbacks[-1].no_more_steps(training_arguments, checkpoint)
    trainer = trainer_class(
        model=model,
        args=training_arguments,
        data_collator=collator,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=tokenizer,
        callbacks=callbacks,
        **kwargs,
    )
    trainer.lr_decay_per_epoch = arguments.lr_decay_per_epoch
    if "tensorboard" in training_arguments.report_to and is_main_process():
        print(f"Watch it:     tensorboard --logdir {arguments.output_dir}")
    for callback in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(EpochLines)
    if not training_arguments.disable_tqdm:
        trainer.add_callback(QuietBar)
    return trainer, clock, checkpoint


def save_model(trainer: Trainer) -> None:
    """Saves model and tokenizer into the run's folder, without the pickled arguments that Trainer adds.

    Every process calls it: with FSDP each holds a part of the weights.
    """
    trainer.save_model()
    if trainer.args.should_save:
        (Path(trainer.args.output_dir) / TRAINING_ARGS_NAME).unlink(missing_ok=True)
