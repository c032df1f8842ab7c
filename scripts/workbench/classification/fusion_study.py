"""What a study of AdapterFusion says: its table, what each layer listens to, and the page that shows them."""

import re
from pathlib import Path

import numpy
import torch

from workbench.studies.comparison import Comparison
from workbench.studies.page import write_study

from .strategies_study import describe_sizes


@torch.inference_mode()
def mean_attention(run: Path, trust_remote_code: bool = False) -> tuple[list[str], list[str], numpy.ndarray, int]:
    """The mean attention of a fused run's layers on its validation split.

    Returns:
        The layers' labels from the bottom, the adapters' names, the mean weights (layers, adapters) over all tokens
        that are not padding, and how many tokens these are.
    """
    from dataclasses import fields

    from custom_models.bottleneck import record_attention
    from workbench.data.arguments import TaskArguments
    from workbench.data.tasks import load_task
    from workbench.runs.folder import read_run_options

    from .arguments import ClassifierArguments
    from .batches import TextCollator, encode_examples
    from .loading import load_classifier

    task_options = [item.name for item in fields(TaskArguments)]
    options = read_run_options(run, ClassifierArguments, [*task_options, "max_length", "eval_batch_size"])
    model, tokenizer = load_classifier(str(run), trust_remote_code)
    data = load_task(TaskArguments(**{name: options[name] for name in task_options}))
    examples = list(encode_examples(data.splits["validation"], tokenizer, options["max_length"]))
    examples = sorted(examples, key=lambda example: len(example["input_ids"]))
    examples = [{name: value for name, value in example.items() if name != "labels"} for example in examples]
    collate, size, total, tokens = TextCollator(tokenizer), options["eval_batch_size"], 0.0, 0
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    with record_attention(model) as fusions:
        for start in range(0, len(examples), size):
            inputs = collate(examples[start : start + size])
            batch = {name: values.to(model.device) for name, values in inputs.items()}
            model(**batch)
            real = batch["attention_mask"].bool()
            total = total + torch.stack([fusion.attention[real].double().sum(0) for fusion in fusions.values()])
            tokens += int(real.sum())
        members = next(iter(fusions.values())).members
    return layer_labels(list(fusions)), members, (total / tokens).cpu().numpy(), tokens


def layer_labels(modules: list[str]) -> list[str]:
    """The number of the layer that each module is in, from 1; with the module's name where a layer has several."""
    numbers = [re.search(r"\.(\d+)\.", f".{name}.") for name in modules]
    layers = [str(int(number[1]) + 1) if number else name for number, name in zip(numbers, modules, strict=True)]
    if len(set(layers)) == len(layers):
        return layers
    ends = [name[number.end() - 1 :] if number else "" for number, name in zip(numbers, modules, strict=True)]
    return [f"{layer} {end}".strip() for layer, end in zip(layers, ends, strict=True)]


def draw_attention(attention: dict[int, tuple], path: Path, title: str) -> None:
    """The heatmap layer × adapter of the mean over the seeds, with each seed's weights in the JSON beside.

    Args:
        attention: seed -> what `mean_attention` returned.
    """
    from workbench.runs.figures import plain, plt, save_figure

    layers, adapters, _, tokens = next(iter(attention.values()))
    mean = numpy.mean([found[2] for found in attention.values()], axis=0)
    figure, axis = plt.subplots(figsize=(3 + 1.1 * len(adapters), 2 + 0.35 * len(layers)), layout="constrained")
    image = axis.imshow(mean, cmap="viridis", vmin=0, vmax=max(mean.max(), 1e-9), aspect="auto")
    for row, column in numpy.ndindex(*mean.shape):
        colour = "white" if mean[row, column] < mean.max() / 2 else "black"
        axis.text(column, row, f"{mean[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=8)
    axis.set(xlabel="adapter", ylabel="layer")
    axis.set_title(plain(title), wrap=True, fontsize=10)
    axis.set_xticks(range(len(adapters)), list(map(plain, adapters)), rotation=30, ha="right")
    axis.set_yticks(range(len(layers)), layers)
    axis.invert_yaxis()
    figure.colorbar(image, ax=axis, label="mean attention weight")
    seeds = {str(seed): found[2].tolist() for seed, found in attention.items()}
    data = {"layers": layers, "adapters": adapters, "tokens": tokens, "mean": mean.tolist(), "seeds": seeds}
    save_figure(figure, path, data)


def write_page(folder: Path, part: Comparison, adapters: list[str], model: str, tokens: int) -> str:
    """The study's page, table and figure (`tokens` of 0: there is none of the attention); returns the table."""
    name = Path(model).name if Path(model).is_dir() else model
    figure = (
        f"What each layer of the learned fusion attends to: mean weights over the {tokens:,} tokens of the validation "
        f"split that are not padding, and over the seeds; {1 / len(adapters):.2f} would be even.",
        "![Attention of each layer over the adapters](attention.png)",
    )
    intro = f"{describe_sizes(part)}\n- encoder: {name}; fused are the frozen adapters {', '.join(adapters)}"
    title = f"{part.name}: an adapter of its own, or a fusion of {len(adapters)}?"
    return write_study(folder, title, [part], "strategy", intro, figure if tokens else ())
