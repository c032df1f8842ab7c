"""Pretrain a small encoder on written sums, by filling in hidden words; no download, about a minute on two cores.

    python scripts/pretrain_encoder.py --output_dir runs/encoder
    python scripts/train_classifier.py --task verbal_arithmetic --model_name_or_path runs/encoder --max_length 16

The first makes 4,118 sums ("forty plus two is forty two"), hides a quarter of their words, and ends with the share of
hidden words that the encoder fills in right, in sums that it has not seen. It leaves an encoder and a tokenizer that
transformers loads by the folder's name. The second reuses it: whether "four minus ten" is negative was never told.
"""

from dataclasses import dataclass

from workbench.arguments import OptimisationArguments, RunArguments, option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.runs.trainer_options import TRAINER_OPTIONS
from workbench.values import HEADS, LAYERS, WIDTH

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
IGNORED = -100  # a label that counts in no loss


@dataclass
class PretrainingArguments(RunArguments, OptimisationArguments):
    """The encoder, and how much of a text is hidden from it."""

    output_dir: str = option(
        "runs/encoder", "folder of this run: encoder, tokenizer, results.json, config.yaml, curves"
    )
    hidden_size: int = option(64, "width of the hidden states", **WIDTH)
    num_hidden_layers: int = option(2, "layers", **LAYERS)
    num_attention_heads: int = option(4, "attention heads", **HEADS)
    mask_probability: float = option(0.25, "share of the words that is hidden", above=0, below=1)
    num_train_epochs: float = option(50.0, "passes over the training sums, hidden elsewhere each time")
    train_batch_size: int = option(128, "sums per optimiser step, over all processes together")
    weight_decay: float = option(0.01, "AdamW's decoupled weight decay")


def main() -> None:
    # ---- Arguments (heavy imports come after parsing, so that --help is quick)
    arguments = parse_arguments(PretrainingArguments, __doc__, TRAINER_OPTIONS)
    import torch
    from datasets import Dataset
    from transformers import BertConfig, BertForMaskedLM, set_seed

    from workbench.data.written_sums import written_sums
    from workbench.processes import is_main_process
    from workbench.runs import hardware, results
    from workbench.runs.figures import plot_curves
    from workbench.runs.folder import open_run
    from workbench.runs.trainer import make_trainer, make_training_arguments

    # ---- Texts, tokenizer, model
    set_seed(arguments.seed)
    texts = written_sums()
    tokenizer = word_tokenizer(texts)
    tenth = len(texts) // 10
    parts = {"train": texts[2 * tenth :], "validation": texts[:tenth], "test": texts[tenth : 2 * tenth]}
    splits = {name: [{"input_ids": ids} for ids in tokenizer(part)["input_ids"]] for name, part in parts.items()}
    for place, name in enumerate(("validation", "test")):
        splits[name] = hide(splits[name], tokenizer, arguments.mask_probability, seed=place)
    splits = {
        name: Dataset.from_list([row | {"length": len(row["input_ids"])} for row in rows])
        for name, rows in splits.items()
    }
    try:
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=arguments.hidden_size,
            num_hidden_layers=arguments.num_hidden_layers,
            num_attention_heads=arguments.num_attention_heads,
            intermediate_size=4 * arguments.hidden_size,
            max_position_embeddings=tokenizer.model_max_length,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        with torch.device("meta"):
            hardware.check_memory(results.count_parameters(BertForMaskedLM(config))["total"])
        model = BertForMaskedLM(config)
    except ValueError as error:
        raise UserError(str(error)) from error

    # ---- Train
    # The rate ends at zero: the last epoch's weights are the ones to keep.
    training_arguments = make_training_arguments(arguments, len(splits["train"]), load_best_model_at_end=False)
    folder = open_run(arguments)
    parameters, sizes = results.count_parameters(model), {name: len(part) for name, part in splits.items()}
    if is_main_process():
        print(f"{parameters['total']:,} parameters, {len(tokenizer)} words; {sizes['train']:,} training sums, such as")
        print(f"  {parts['train'][0]}")
    trainer = make_trainer(
        arguments,
        training_arguments,
        model,
        tokenizer,
        MaskingCollator(tokenizer, arguments.mask_probability),
        splits,
        compute_metrics=share_right,
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(dim=-1),
    )
    trainer.fit()
    metrics = {}
    for name in ("validation", "test"):
        scores = trainer.evaluate(splits[name], metric_key_prefix=name)
        metrics[name] = {score: scores[f"{name}_{score}"] for score in ("loss", "accuracy")}

    # ---- Save and report
    if not is_main_process():
        return
    model.bert.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    title = "hidden words of written sums"
    plot_curves(trainer.state.log_history, folder / "curves.png", title, "accuracy", "nats per hidden word")
    results.RunResults(metrics, sizes, parameters, {"train": trainer.seconds}, arguments.seed).write(folder)
    right = metrics["test"]["accuracy"]
    print(f"\n{right:.1%} of the hidden words of {sizes['test']:,} unseen sums are right ({trainer.seconds:.0f} s)")
    print(f"The encoder, its tokenizer, results.json and curves.png are in {folder}")


def word_tokenizer(texts: list[str], longest: int = 32):
    """A tokenizer with a symbol for each word of the texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *sorted({word for text in texts for word in text.split()})]
    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [(mark, numbers[mark]) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
    )
    names = {f"{mark.strip('[]').lower()}_token": mark for mark in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=longest, **names)


def hide(examples: list[dict], tokenizer, share: float, seed: int) -> list[dict]:
    """The examples with the same words hidden whenever they are asked for, one or more in each."""
    from random import Random

    generator, hidden = Random(seed), []
    for example in examples:
        ids = example["input_ids"]
        inner = range(1, len(ids) - 1)
        places = {place for place in inner if generator.random() < share} or {generator.choice(inner)}
        masked = [tokenizer.mask_token_id if place in places else symbol for place, symbol in enumerate(ids)]
        labels = [symbol if place in places else IGNORED for place, symbol in enumerate(ids)]
        hidden.append({"input_ids": masked, "labels": labels})
    return hidden


@dataclass
class MaskingCollator:
    """Batches of (B, longest) `input_ids`, `attention_mask` and `labels`; hides words where none are hidden yet."""

    tokenizer: object
    share: float

    def __call__(self, examples: list[dict]) -> dict:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        def padded(name: str, value: int) -> torch.Tensor:
            rows = [torch.tensor(example[name]) for example in examples]
            return pad_sequence(rows, batch_first=True, padding_value=value)

        ids = padded("input_ids", self.tokenizer.pad_token_id)
        mask = (ids != self.tokenizer.pad_token_id).long()
        if "labels" in examples[0]:
            return {"input_ids": ids, "attention_mask": mask, "labels": padded("labels", IGNORED)}
        hidden = (ids >= len(SPECIAL)) & (torch.rand(ids.shape) < self.share)
        labels = ids.masked_fill(~hidden, IGNORED)
        return {
            "input_ids": ids.masked_fill(hidden, self.tokenizer.mask_token_id),
            "attention_mask": mask,
            "labels": labels,
        }


def share_right(prediction) -> dict[str, float]:
    """The share of the hidden words that are filled in right."""
    counted = prediction.label_ids != IGNORED
    return {"accuracy": float((prediction.predictions == prediction.label_ids)[counted].mean())}


if __name__ == "__main__":
    run_main(main)
