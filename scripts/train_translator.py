"""Train a character transformer that turns words into words: English into Pig Latin, or any pairs of yours.

    python scripts/train_translator.py --output_dir runs/translator
    python scripts/train_translator.py --train_file pairs.tsv --output_dir runs/mine

The first makes its own pairs and ends, after ten to fifteen minutes on one core, with the test split's loss, word
accuracy and character error rate; the second holds 10 % of the file out for each of validation and test.
`accelerate launch` runs the same script on many processes with the same result.
"""

from dataclasses import dataclass

from workbench.arguments import OptimisationArguments, RunArguments, option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.hub.push import PushArguments, check_before_training, publish_run
from workbench.runs.trainer_options import TRAINER_OPTIONS
from workbench.values import DROPOUT, HEADS, LAYERS, WIDTH

SENTENCE = "the air conditioning is working"
BLOCKS = {"minimum": 0, "maximum": 256}  # a decoder-only model has none in the encoder
POSITIONS = {"minimum": 8, "maximum": 65_536}  # half of them are the longest word's


@dataclass
class TranslatorArguments(RunArguments, OptimisationArguments, PushArguments):
    """The translator and its word pairs."""

    output_dir: str = option("runs/translator", "folder of this run: model, results.json, config.yaml, figures")
    architecture: str = option(
        "encoder-decoder", "which of the two models", choices=("encoder-decoder", "decoder-only")
    )
    preset: str = option("default", "sizes and choices to start from", choices=("default", "notebook"))
    hidden_size: int | None = option(None, "width of the hidden states, instead of the preset's", **WIDTH)
    encoder_layers: int | None = option(None, "blocks in the encoder, instead of the preset's", **BLOCKS)
    decoder_layers: int | None = option(None, "blocks in the decoder, instead of the preset's", **LAYERS)
    num_attention_heads: int | None = option(None, "attention heads, instead of the preset's", advanced=True, **HEADS)
    intermediate_size: int | None = option(
        None, "width inside the feed-forward layers, instead of the preset's", advanced=True, **WIDTH
    )
    position_type: str | None = option(
        None, "positions, instead of the preset's", choices=("sinusoidal", "rotary"), advanced=True
    )
    layer_norm: str | None = option(None, "LayerNorm, instead of the preset's", choices=("pre", "none"), advanced=True)
    dropout: float | None = option(None, "dropout on embeddings and sub-layers, instead of the preset's", **DROPOUT)
    attention_dropout: float | None = option(
        None, "dropout on attention weights, instead of the preset's", advanced=True, **DROPOUT
    )
    max_position_embeddings: int = option(
        512, "longest sequence, in symbols; longer words are refused", advanced=True, **POSITIONS
    )
    dataset_size: str = option("large", "which generated pairs, without --train_file", choices=("large", "small"))
    train_file: str | None = option(
        None, "word pairs: a TSV, CSV, JSON-lines or `word translation` file, or a Hub data set"
    )
    validation_file: str | None = option(None, "validation pairs; without it, a tenth of the training words")
    test_file: str | None = option(None, "test pairs; without it, a tenth of the training words")
    source_column: str | None = option(None, "column to read: its name, or its number from 1 if there is no header")
    target_column: str | None = option(None, "column to write: likewise")


MODEL_FIELDS = (
    "hidden_size encoder_layers decoder_layers num_attention_heads intermediate_size position_type layer_norm "
    "dropout attention_dropout max_position_embeddings"
).split()


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(TranslatorArguments, __doc__, TRAINER_OPTIONS)

    # ---- Seed and run folder (heavy imports come after parsing, so that --help is quick)
    import torch
    from transformers import set_seed

    from custom_models import ARCHITECTURES, PigLatinConfig, build_tokenizer
    from workbench.data.pairs import describe_unseen
    from workbench.files import write_table
    from workbench.hub import packages
    from workbench.processes import is_main_process, process_count
    from workbench.runs import facts, hardware, results
    from workbench.runs.figures import plot_curves
    from workbench.runs.folder import open_run
    from workbench.runs.metrics import word_scores
    from workbench.runs.predictions import Predictions, example_ids, write_predictions
    from workbench.runs.trainer import make_trainer, make_training_arguments, save_model
    from workbench.translation.decoding import answer_words, text_translator
    from workbench.translation.examples import (
        PairCollator,
        encode_pairs,
        score_continuations,
        score_words,
        summarise_scores,
    )
    from workbench.translation.model import load_translator
    from workbench.translation.report import describe_pairs, example_word, print_scores

    check_before_training(arguments)
    data = load_data(arguments)
    set_seed(arguments.seed)
    say = print if is_main_process() else lambda *_: None

    # ---- Tokenizer
    texts = [text for name in data["train"].column_names for text in data["train"][name]]
    tokenizer = build_tokenizer(texts, arguments.architecture)
    unseen = describe_unseen(tokenizer, data)
    if unseen:
        say(unseen)
    splits = {name: encode_pairs(data[name], tokenizer, arguments.architecture) for name in data}

    # ---- Model
    overrides = {name: getattr(arguments, name) for name in MODEL_FIELDS if getattr(arguments, name) is not None}
    try:
        config = PigLatinConfig.from_preset(
            arguments.preset, arguments.architecture, vocab_size=len(tokenizer), **overrides
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    with torch.device("meta"):
        hardware.check_memory(results.count_parameters(ARCHITECTURES[arguments.architecture](config))["total"])
    model = ARCHITECTURES[arguments.architecture](config)
    longest = max(map(len, splits["train"]["labels"][:]))
    model.generation_config.max_new_tokens = min(2 * longest, config.max_position_embeddings // 2)
    parameters = results.count_parameters(model)
    sizes = ", ".join(f"{len(examples):,} {name}" for name, examples in splits.items())
    say(f"{arguments.architecture}, {parameters['total']:,} parameters; {sizes} pairs; {len(tokenizer)} symbols")
    if process_count() > 1:
        say(f"{process_count()} processes share each batch")

    # ---- Trainer
    score = score_words if config.is_encoder_decoder else score_continuations
    training_arguments = make_training_arguments(arguments, len(splits["train"]))
    folder = open_run(arguments)
    collector = facts.FactsCollector(describe_pairs(arguments, data["train"].column_names))
    trainer = make_trainer(
        arguments,
        training_arguments,
        model,
        tokenizer,
        PairCollator(tokenizer.pad_token_id),
        splits,
        compute_metrics=summarise_scores,
        preprocess_logits_for_metrics=score,
        callbacks=[collector],
    )

    # ---- Train
    trainer.fit()
    seconds = trainer.seconds

    # ---- Evaluate: the test split is read once, with the weights that validation chose
    scores = {name: trainer.evaluate(splits[name], metric_key_prefix=name) for name in ("validation", "test")}

    # ---- Save
    save_model(trainer)
    if not is_main_process():
        return
    model, tokenizer = load_translator(str(folder))
    answers = {name: answer_words(model, tokenizer, data[name]) for name in ("validation", "test")}
    sources, targets, written = answers["test"]
    metrics = {
        "validation": {name: scores["validation"][f"validation_{name}"] for name in ("loss", "word_accuracy")},
        "test": {"loss": scores["test"]["test_loss"], **word_scores(written, targets)},
    }
    outcome = list(zip(sources, targets, written, strict=True))
    write_table(folder / "test_translations.tsv", ("source", "target", "translation"), outcome)
    kept = {name: Predictions(example_ids(words), *rest) for name, (words, *rest) in answers.items()}
    write_predictions(folder, kept)
    plot_curves(trainer.state.log_history, folder / "curves.png", f"{arguments.architecture}, {sizes} pairs")
    split_sizes = {name: len(examples) for name, examples in splits.items()}
    told = collector.facts(outcome)
    results.RunResults(metrics, split_sizes, parameters, {"train": seconds}, arguments.seed, facts=told).write(folder)
    package = packages.write_card(folder, arguments.push_to_hub)

    # ---- Report
    print_scores(metrics["test"], outcome, seconds)
    if arguments.train_file is None:
        print(f"\n{SENTENCE} → {next(text_translator(model, tokenizer).lines([SENTENCE]))}")
    print(f"\nTalk to it:   python scripts/translate.py {folder}")
    print(f"Look inside:  python scripts/translate.py {folder} {example_word(sources)} --attention attention.png")
    if arguments.push_to_hub:
        print(f"Published:    {publish_run(package, arguments, folder)}")
    print(f"The model, its card, results.json, curves.png and test_translations.tsv are in {folder}")


def load_data(arguments):
    """The generated pairs, or the user's."""
    from workbench.data.pairs import PairFile, load_pairs
    from workbench.data.pig_latin import pig_latin_pairs

    if arguments.train_file is None:
        return pig_latin_pairs(arguments.dataset_size, seed=0)
    longest = arguments.max_position_embeddings // 2 - 2
    files = [
        path and PairFile(path, arguments.source_column, arguments.target_column, longest)
        for path in (arguments.train_file, arguments.validation_file, arguments.test_file)
    ]
    return load_pairs(*files, seed=0)


if __name__ == "__main__":
    run_main(main)
