"""Strategies that add nothing: which of the encoder's own weights are trained.

The head is everything behind the encoder, a pooler included. An encoder that is frozen whole runs in evaluation mode,
so that its features are the same in every epoch; where any weight inside is trained, its dropout stays on.
"""

from workbench.errors import UserError

from .encoders import encoder_layers, encoder_of, freeze_encoder


def train_all(model, arguments):
    """Every weight is trained."""
    return model


def extract_features(model, arguments):
    """Only the head is trained, on an encoder that stays in evaluation mode: no dropout on its features."""
    encoder_of(model).register_forward_pre_hook(_evaluate)
    return freeze_encoder(model)


def _evaluate(encoder, inputs) -> None:
    encoder.eval()


def train_top_layers(model, arguments):
    """The top k layers and the head; UserError unless there are so many layers."""
    layers = encoder_layers(model)
    if not 1 <= arguments.top_k <= len(layers):
        raise UserError(f"top_k: {arguments.top_k}; this encoder has {len(layers)} layers, give 1 to {len(layers)}")
    freeze_encoder(model)
    for layer in layers[-arguments.top_k :]:
        layer.requires_grad_(True)
    return model


def train_gradually(model, arguments):
    """Every weight is trained if there are epochs enough; a callback holds back the lower layers."""
    encoder_layers(model)
    return model


def train_layer_norms(model, arguments):
    """The encoder's normalisations (scale and shift) and the head."""
    freeze_encoder(model)
    norms = [module for module in encoder_of(model).modules() if type(module).__name__.endswith("Norm")]
    if not norms:
        raise UserError("strategy: layer_norm: this encoder has no LayerNorm")
    for norm in norms:
        norm.requires_grad_(True)
    return model


def train_biases(model, arguments):
    """The encoder's bias vectors and the head (Ben Zaken et al. 2022); UserError if it has none."""
    freeze_encoder(model)
    biases = [weight for name, weight in encoder_of(model).named_parameters() if name.endswith("bias")]
    if not biases:
        raise UserError("strategy: bitfit: this encoder has no biases")
    for bias in biases:
        bias.requires_grad_(True)
    return model
