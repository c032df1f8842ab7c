"""Finished runs for the tests that publish: tiny, with random weights, and whole."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from custom_models import ARCHITECTURES, PigLatinConfig, build_tokenizer
from workbench.runs.figures import plot_curves
from workbench.runs.results import RunResults, count_parameters
from workbench.translation.model import load_translator

TEXTS = ["street", "eetstray", "apple", "appleway", "b|<i>`x`"]
METRICS = {
    "validation": {"loss": 0.25, "word_accuracy": 0.5},
    "test": {"loss": 0.5, "word_accuracy": 0.75, "cer": 0.125},
}
FACTS = {
    "date": "2030-01-02",
    "dataset": {"name": "some_pairs.tsv", "columns": ["source", "target"]},
    "hyperparameters": {"learning_rate": 0.0123, "seed": 0},
    "steps": 1234,
    "epochs": 5.5,
    "best_step": 1000,
    "processes": 1,
    "curve": [{"step": 1000, "validation_loss": 0.25, "validation_word_accuracy": 0.5}],
    "hardware": {"processor": "Tiny CPU", "cores": 3},
    "examples": [["street", "eetstray", "eetstrey"], ["apple", "appleway", "appleway"]],
    "wrong": [["street", "eetstray", "eetstrey"]],
}


def tiny_model(architecture: str = "encoder-decoder"):
    """A model of a few thousand parameters with random weights, and its tokenizer."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer(TEXTS, architecture)
    sizes = {"hidden_size": 16, "encoder_layers": 1, "decoder_layers": 1, "num_attention_heads": 2}
    config = PigLatinConfig(vocab_size=len(tokenizer), intermediate_size=16, max_position_embeddings=64, **sizes)
    model = ARCHITECTURES[architecture](config).eval()
    model.generation_config.max_new_tokens = 8
    return model, tokenizer


def write_run(folder: Path, architecture: str = "encoder-decoder", **changes) -> Path:
    """A run's folder as training leaves it, with a checkpoint and other things that must stay at home."""
    model, tokenizer = tiny_model(architecture)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    history = [{"step": 1, "loss": 2.0}, {"step": 1000, "eval_loss": 0.25, "eval_word_accuracy": 0.5}]
    plot_curves(history, folder / "curves.png", "tiny")
    values = {"metrics": METRICS, "splits": {"train": 24, "validation": 3, "test": 4}, "seconds": {"train": 7.5}}
    values |= {"parameters": count_parameters(model), "seed": 0, "facts": FACTS}
    RunResults(**{**values, **changes}).write(folder)
    (folder / "checkpoint-7").mkdir()
    for name in ("checkpoint-7/model.safetensors", "checkpoint-7/optimizer.pt", "training_args.bin", ".env"):
        (folder / name).write_text("stays")
    (folder / "config.yaml").write_text(f"output_dir: {folder}\n")
    return folder


def write_adapter(base: Path, folder: Path) -> None:
    """A LoRA adapter with random weights for the translator in `base`, as PEFT saves it."""
    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["query", "value"], task_type="SEQ_2_SEQ_LM", init_lora_weights=False)
    model = get_peft_model(load_translator(str(base))[0], config)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(folder)
