"""Tiny pretrained encoders in folders, and classifiers on them, which several test files share."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import (
    AlbertConfig,
    AutoConfig,
    AutoModel,
    CamembertConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
)

from support.bottleneck_models import CONFIGS, DROPOUT, SIZES, batch
from workbench.classification.model import build_classifier
from workbench.strategies.arguments import StrategyArguments

LABELS = ["no", "maybe", "yes"]
FAMILIES = CONFIGS | {
    "mpnet": MPNetConfig(**SIZES, **DROPOUT),
    "modernbert": ModernBertConfig(**SIZES, pad_token_id=0),
    "albert": AlbertConfig(**SIZES, **DROPOUT, embedding_size=16),
    "xlm-roberta": XLMRobertaConfig(**SIZES, **DROPOUT, pad_token_id=0),
    "camembert": CamembertConfig(**SIZES, **DROPOUT, pad_token_id=0),
}


def write_encoder(folder: Path, family: str = "bert", **overrides) -> str:
    """Saves a random encoder of that family, with weights large enough for a difference to show."""
    torch.manual_seed(0)
    fields = {**FAMILIES[family].to_dict(), **overrides}
    encoder = AutoModel.from_config(AutoConfig.for_model(fields.pop("model_type"), **fields))
    for parameter in encoder.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.2)
    encoder.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return str(folder)


def word_tokenizer() -> PreTrainedTokenizerFast:
    """Of the words w2 to w59."""
    vocabulary = {"[PAD]": 0, "[UNK]": 1} | {f"w{index}": index for index in range(2, 60)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_input_names=names
    )


def build(folder: str, strategy: str = "full", labels=LABELS, seed=0, is_regression=False, **options):
    """A classifier; `options` are fields of `StrategyArguments`."""
    arguments = StrategyArguments(model_name_or_path=folder, strategy=strategy, **options)
    return build_classifier(arguments, labels, is_regression, seed)


def train(model, steps: int = 8, inputs=None) -> list[float]:
    """Losses of a few steps on one batch."""
    inputs, losses = inputs or batch(), []
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=5e-3)
    model.train()
    for _ in range(steps):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses
