"""What a classifier is made of: its encoder, the layers in it, and the head behind it."""

from workbench.errors import UserError


def encoder_of(model):
    """The encoder inside a classifier (of transformers, or ours; not yet wrapped by PEFT)."""
    return getattr(model, model.base_model_prefix)


def head_names(model) -> list[str]:
    """Names of the modules behind the encoder; a pooler counts, wherever the family keeps it."""
    encoder = encoder_of(model)
    behind = [(name, child) for name, child in model.named_children() if child is not encoder]
    poolers = [
        (f"{model.base_model_prefix}.{name}", child) for name, child in encoder.named_children() if "pooler" in name
    ]
    return [name for name, child in poolers + behind if any(True for _ in child.parameters())]


def pooler_name(model) -> str | None:
    """Name of the Linear and tanh that were pretrained with the encoder and now begin the head; None if none were."""
    if getattr(model, "has_new_pooler", False):
        return None
    if model.config.model_type == "sentence_encoder":
        is_first_token = model.config.pooling == "cls"
        names = {"two_layer": "pooler", "pooler": "classifier.dense"} if is_first_token else {}
        return names.get(model.config.head)
    inside = [name for name in head_names(model) if name.startswith(f"{model.base_model_prefix}.")]
    return inside[0] if inside else None


def trained_heads(model, arguments) -> list[str]:
    """`head_names` but for a pooler that `arguments.train_pooler` freezes."""
    frozen = pooler_name(model) if arguments.train_pooler is False else None
    return [name for name in head_names(model) if name != frozen]


def encoder_layers(model) -> list:
    """The encoder's layers, from the bottom.

    Raises:
        UserError: it keeps them where we do not find them, or shares one among all.
    """
    count = encoder_of(model).config.num_hidden_layers
    found = [module for module in encoder_of(model).modules() if _is_stack(module, count)]
    if len(found) != 1:
        kind = encoder_of(model).config.model_type
        raise UserError(f"strategy: the {count} layers of a '{kind}' model cannot be told apart; choose another one")
    return list(found[0])


def _is_stack(module, count: int) -> bool:
    return type(module).__name__ == "ModuleList" and len(module) == count


def layer_groups(model) -> list[list[str]]:
    """All parameters by name, in groups from the top: the head, each layer, and last what is below (embeddings).

    ModernBERT's last norm, between the layers and the head, belongs to the head.
    """
    heads = tuple(f"{name}." for name in (*head_names(model), f"{model.base_model_prefix}.final_norm"))
    layer_of = {
        id(parameter): index for index, layer in enumerate(encoder_layers(model)) for parameter in layer.parameters()
    }
    count = len(encoder_layers(model))
    groups: list[list[str]] = [[] for _ in range(count + 2)]
    for name, parameter in model.named_parameters():
        place = 0 if name.startswith(heads) else count - layer_of.get(id(parameter), -1)
        groups[place].append(name)
    return groups


def freeze_encoder(model):
    """Only the head is trained."""
    model.requires_grad_(False)
    for name in head_names(model):
        model.get_submodule(name).requires_grad_(True)
    return model
