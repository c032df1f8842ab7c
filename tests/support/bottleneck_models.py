"""Tiny models with bottleneck adapters, which several test files share."""

import hashlib
import tempfile

import torch
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    RobertaConfig,
)

from custom_models import PigLatinConfig, PigLatinForConditionalGeneration
from custom_models.bottleneck import BottleneckConfig, BottleneckLayer, FusionConfig

SIZES = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 40}
# Without the base model's own dropout, a training step can be compared exactly.
DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
CONFIGS = {
    "bert": BertConfig(**SIZES, **DROPOUT),
    "roberta": RobertaConfig(**SIZES, **DROPOUT, pad_token_id=0),
    "distilbert": DistilBertConfig(
        vocab_size=60, dim=32, n_layers=3, n_heads=2, hidden_dim=40, dropout=0.0, attention_dropout=0.0
    ),
    "electra": ElectraConfig(**SIZES, **DROPOUT, embedding_size=16),
    "deberta-v2": DebertaV2Config(**SIZES, **DROPOUT),
}
PLACEMENTS = ("houlsby", "pfeiffer", "parallel")


def build(family: str = "bert", seed: int = 0) -> nn.Module:
    """A tiny random classifier, for inference, with weights large enough for a difference to show."""
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_config(CONFIGS[family])
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.2)
    return model.eval()


def adapt(model: nn.Module, name: str = "default", **options) -> PeftModel:
    """`model` with a random adapter that matters."""
    torch.manual_seed(1)
    adapted = get_peft_model(model, BottleneckConfig(**{"bottleneck_size": 4, **options}), adapter_name=name)
    randomise(adapted, name)
    return adapted.eval()


def randomise(model: nn.Module, name: str) -> None:
    for key, parameter in model.named_parameters():
        if f".bottleneck_adapters.{name}." in key and not key.endswith("scaling"):
            nn.init.normal_(parameter, std=0.3)


def batch(rows: int = 3) -> dict[str, torch.Tensor]:
    """Sequences of different lengths with their labels."""
    torch.manual_seed(2)
    mask = (torch.arange(8)[None] < torch.arange(8, 8 - rows, -1)[:, None]).long()
    ids = torch.randint(5, 60, (rows, 8)) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.arange(rows) % 2}


def logits(model: nn.Module, **options) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch(), **options).logits


def base_hash(model: nn.Module) -> str:
    """Of all weights that are not the adapters'."""
    digest = hashlib.sha256()
    for key, weight in sorted(model.state_dict().items()):
        if ".bottleneck_" not in key and ".modules_to_save." not in key:
            digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def layers_of(model: nn.Module) -> dict[str, BottleneckLayer]:
    return {name: module for name, module in model.named_modules() if isinstance(module, BottleneckLayer)}


def pig_latin(architecture: type = PigLatinForConditionalGeneration, **options) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 64}
    layers = {"encoder_layers": 3, "decoder_layers": 3, "dropout": 0.0}
    return architecture(PigLatinConfig(**{**sizes, **layers, **options})).eval()


def model_of(kind: str) -> nn.Module:
    """A model with an adapter, shared if `kind` is 2; with a second one loaded to be trained; or with a fusion."""
    sharing = {"2": 2}.get(kind, "none")
    model = adapt(build(), "first", sharing=sharing, modules_to_save=["classifier"])
    if kind == "loaded":
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            model.load_adapter(f"{folder}/first", "second", is_trainable=True)
        model.add_adapter("third", BottleneckConfig(bottleneck_size=4, modules_to_save=["classifier"]))
        randomise(model, "third")
        model.set_adapter("third")
    elif kind == "fusion":
        model.add_adapter("second", BottleneckConfig(bottleneck_size=4))
        randomise(model, "second")
        torch.manual_seed(3)
        model.add_adapter("fusion", FusionConfig(adapters=["first", "second"], modules_to_save=["classifier"]))
        model.set_adapter("fusion")
        # Only then is the penalty on the value matrices in the loss.
        model.train()
    return model
