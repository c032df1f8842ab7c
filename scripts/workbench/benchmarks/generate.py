"""Suite `generate`: greedy decoding in words per second, ours against BART's and against a course notebook's loop."""

import inspect
import statistics
from collections.abc import Callable
from dataclasses import replace

import torch

from workbench.data.pig_latin import pig_latin_pairs
from workbench.runs.results import count_parameters
from workbench.translation.decoding import beam_decode, decode_words, longest_word, pad_prompts

from .notebook import NotebookTransformer, greedy_word, train_notebook
from .timing import Bar, Comparison, measure, per_second
from .train import (
    NOTEBOOKS,
    UNINTERRUPTED,
    Material,
    StepClock,
    TrainerOptions,
    few_pairs,
    new_bart,
    new_model,
    run_trainer,
)

# Enough training for each model to end its words; how many of them are right is told beside the speeds.
TRAINER_STEPS = 1500
NOTEBOOK_EPOCHS = 20
# A loop over single words takes as long for these as a batch for all.
NOTEBOOK_WORDS = 200


def run(options) -> list[Comparison]:
    """All comparisons of the suite; see the module's first line."""
    steps, epochs, count = (5, 1, 10) if options.quick else (TRAINER_STEPS, NOTEBOOK_EPOCHS, NOTEBOOK_WORDS)
    data = few_pairs() if options.quick else pig_latin_pairs("large")
    ours = Material.of(data)
    theirs = Material.of(few_pairs() if options.quick else pig_latin_pairs("small"), options.notebook_architecture)
    print("fitting the models that are to write …", flush=True)
    trainer_options = TrainerOptions(seed=options.seed, max_steps=steps, extra=UNINTERRUPTED)
    models = {"ours": new_model(ours, options.seed), "BART": new_bart(ours, options.seed)}
    for model in models.values():
        run_trainer(ours, model, trainer_options, StepClock())
    settings = replace(theirs.notebook(*NOTEBOOKS[0]), epochs=epochs)
    models["notebook"] = train_notebook(settings, theirs.splits, options.seed).model
    sources, targets = (list(data["test"][name]) for name in data["test"].column_names)
    fewer = slice(None, None, max(1, len(sources) // count))
    return compare_decoding(models, ours, theirs, (sources, targets), fewer, options.rounds)


def compare_decoding(models: dict, ours: Material, theirs: Material, words, fewer: slice, rounds: int):
    """Words per second of each way.

    Args:
        models: `ours`, `BART` and `notebook`.
        ours, theirs: what the first two and the notebook's model were trained on; both must know the words' letters.
        words: sources and targets, in the same order.
        fewer: those of them that the notebook's loop gets.
        rounds: how often each way is measured.
    """
    sources, targets = words
    writers = {
        "ours": lambda: decode_words(models["ours"], ours.tokenizer, sources),
        "ours by generate": lambda: generate_words(models["ours"], ours.tokenizer, sources),
        "BART by generate": lambda: generate_words(models["BART"], ours.tokenizer, sources),
        "notebook": lambda: notebook_words(models["notebook"], theirs, sources[fewer]),
    }
    print(
        f"decoding: {rounds} rounds of {len(sources):,} words, {len(sources[fewer])} of them by the notebook",
        flush=True,
    )
    rights = {name: targets[fewer] if name == "notebook" else targets for name in writers}
    figures = measure({name: per_second(write, len(rights[name])) for name, write in writers.items()}, rounds)
    facts = {name: describe(write, rights[name]) for name, write in writers.items()}
    for name in facts:
        facts[name]["parameters"] = count_parameters(models[name.removesuffix(" by generate")])["total"]
    compared = (
        ("words_per_second", "ours", "notebook", Bar(25, at_least=True)),
        ("words_per_second_of_bart", "ours", "BART by generate", Bar(1, at_least=True)),
        ("words_per_second_of_generate", "ours", "ours by generate", None),
        ("generate_of_bart", "ours by generate", "BART by generate", None),
    )
    return [
        Comparison.of(figures, name, "words/s", way, against, bar, **{way: facts[way], against: facts[against]})
        for name, way, against, bar in compared
    ]


def describe(write: Callable[[], list[str]], targets: list[str]) -> dict[str, float | int]:
    """How long the written words are, and how many of them are right: speed without it says little."""
    written = write()
    right = statistics.fmean(word == target for word, target in zip(written, targets, strict=True))
    return {"words": len(written), "symbols_per_word": statistics.fmean(map(len, written)), "share_right": right}


@torch.inference_mode()
def generate_words(model, tokenizer, words: list[str]) -> list[str]:
    """`decode_words`, with the same batches, through the model's own `generate`."""
    model.eval()
    batch_size = inspect.signature(decode_words).parameters["batch_size"].default
    encoded = tokenizer(words)["input_ids"]
    order = sorted(range(len(words)), key=lambda index: len(encoded[index]))
    translations = [""] * len(words)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        inputs = pad_prompts(tokenizer, [encoded[index] for index in batch], model.device)
        symbols = beam_decode(model, inputs, longest_word(model), num_beams=1)
        for index, text in zip(batch, tokenizer.batch_decode(symbols, skip_special_tokens=True), strict=True):
            translations[index] = text
    return translations


def notebook_words(model: NotebookTransformer, material: Material, words: list[str]) -> list[str]:
    """The words one by one, as the notebook translates them."""
    model.eval()
    prompts = material.tokenizer(words)["input_ids"]
    symbols = [greedy_word(model, prompt, material.longest) for prompt in prompts]
    return material.tokenizer.batch_decode(symbols, skip_special_tokens=True)
