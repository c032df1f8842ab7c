"""How much does each layer's adapter matter? The validation score with the adapters of every span of layers removed.

    python scripts/ablate_adapters.py runs/cola
    python scripts/ablate_adapters.py runs/cola --naive

RUN is the folder of a train_classifier.py run with bottleneck adapters. Nothing is trained again. Draws the heatmap of
Houlsby et al. 2019, figure 6 (first removed layer by last removed layer) to RUN/ablation.png with ablation.json beside
it, and prints what single layers and all together are worth. The second also does it by a whole pass per cell, to
show that the result is the same and what the sharing of states saves.
"""

import time
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.values import BATCH, COUNT


@dataclass
class AblationArguments:
    """The run, and how much of it is measured."""

    run: str = option("", "folder of a train_classifier.py run with bottleneck adapters", positional=True)
    batch_size: int = option(64, "examples per batch", **BATCH)
    max_examples: int | None = option(None, "only so many examples of the validation split", **COUNT)
    naive: bool = option(False, "also take a whole pass per cell, compare the results, and print both times")
    trust_remote_code: bool = option(False, "run the code that the run's encoder brings, if it is not igpay's")


def main() -> None:
    arguments = parse_arguments(AblationArguments, __doc__)

    from tqdm import tqdm

    from workbench.classification.arguments import ClassifierArguments
    from workbench.classification.batches import TextCollator, encode_examples
    from workbench.classification.loading import load_classifier
    from workbench.data.arguments import TaskArguments
    from workbench.data.tasks import load_task
    from workbench.runs.claims import claim
    from workbench.runs.figures import plot_ablation
    from workbench.runs.folder import check_is_one_run, read_run_config, read_run_options
    from workbench.runs.inputs import find_changed_input
    from workbench.runs.metrics import metric_name
    from workbench.strategies import ablation

    # ---- The run, and the split that its epochs were chosen on
    check_is_one_run(arguments.run)
    config = read_run_config(arguments.run)
    task_options = [item.name for item in fields(TaskArguments)]
    options = read_run_options(arguments.run, ClassifierArguments, [*task_options, "max_length", "strategy"])
    claim(Path(arguments.run))
    changed = find_changed_input(Path(arguments.run), config)
    if changed is not None:
        raise UserError(f"{arguments.run}: {changed} is not what this run was trained with: it has changed since")
    model, tokenizer = load_classifier(arguments.run, arguments.trust_remote_code)
    layers = ablation.adapted_layers(model)
    data = load_task(TaskArguments(**{name: options[name] for name in task_options}))
    examples = list(encode_examples(data.splits["validation"], tokenizer, options["max_length"]))
    if arguments.max_examples is not None:
        examples = Random(0).sample(examples, min(arguments.max_examples, len(examples)))
    # Like lengths together: the order does not matter to the score.
    examples = sorted(examples, key=lambda example: len(example["input_ids"]))
    collate = TextCollator(tokenizer, data.task.is_regression)
    starts = range(0, len(examples), arguments.batch_size)
    batches = [collate(examples[start : start + arguments.batch_size]) for start in starts]
    labels = [label for batch in batches for label in batch.pop("labels").tolist()]

    # ---- Score every span
    def score_spans(span_logits, title: str) -> tuple[dict, float]:
        started = time.perf_counter()
        parts = [span_logits(model, layers, batch) for batch in tqdm(batches, desc=title, unit="batch", disable=None)]
        scores = {span: score(ablation.join(parts, span), data.task, labels) for span in parts[0]}
        return scores, time.perf_counter() - started

    scores, seconds = score_spans(ablation.span_logits, "shared states")
    changes = ablation.relative_changes(scores)

    # ---- Draw and tell
    folder, name = Path(arguments.run), metric_name(data.task.metrics[0])
    title = f"{data.task.name}, {options['strategy']}: {name} without the adapters of a span of layers"
    plot_ablation(changes, len(layers), folder / "ablation.png", title, scores, data.task.metrics[0])
    print(f"{len(examples):,} validation examples: {name} {scores[None]:.4f} with all adapters")
    for layer in range(len(layers)):
        print(f"  without those of layer {layer + 1}: {scores[layer, layer]:.4f} ({changes[layer, layer]:+.1%})")
    print(f"  without any: {scores[0, len(layers) - 1]:.4f} ({changes[0, len(layers) - 1]:+.1%})")
    print(f"{len(changes)} spans in {seconds:.1f} s")
    if arguments.naive:
        naive, naive_seconds = score_spans(ablation.span_logits_naively, "a pass per span")
        same = sum(scores[span] == naive[span] for span in scores)
        ratio = seconds / naive_seconds
        print(f"a whole pass each: {naive_seconds:.1f} s (ratio {ratio:.2f}); {same} of {len(naive)} scores are equal")
    print(f"The heatmap and its numbers are in\n{folder / 'ablation.png'}")


def score(logits, task, labels: list) -> float:
    """The task's first metric."""
    from workbench.classification.scoring import answers
    from workbench.runs.metrics import label_scores

    return label_scores(task.metrics[:1], answers(logits, task.is_regression), labels)[task.metrics[0]]


if __name__ == "__main__":
    run_main(main)
