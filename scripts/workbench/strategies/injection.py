"""Strategies that put trained modules into a frozen encoder by PEFT: LoRA, and our bottleneck adapters."""

from collections.abc import Callable

from workbench.errors import UserError

from .encoders import encoder_of, trained_heads


def inject(model, config):
    """`model` with a PEFT method in it, whose saved folder carries the whole head."""
    from peft import get_peft_model

    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise UserError(f"strategy: {error}") from error


def add_lora(model, arguments):
    """Low-rank updates of the query and value projections (Hu et al. 2022)."""
    from peft import LoraConfig
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as TARGETS

    kind = encoder_of(model).config.model_type
    if arguments.lora_rank < 1 or arguments.lora_alpha <= 0:
        raise UserError(
            f"lora_rank and lora_alpha are {arguments.lora_rank} and {arguments.lora_alpha}: give 1 or more"
        )
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=arguments.lora_rank,
        lora_alpha=arguments.lora_alpha,
        target_modules={**TARGETS, **LORA_TARGETS}.get(kind, "all-linear"),
        modules_to_save=trained_heads(model, arguments),
    )
    return inject(model, config)


# Families whose projections PEFT does not know by name; in others, every Linear of the encoder gets an update.
LORA_TARGETS = {
    "albert": ["query", "value"],
    "camembert": ["query", "value"],
    "distilbert": ["q_lin", "v_lin"],
    "modernbert": ["Wqkv"],
    "mpnet": ["attn.q", "attn.v"],
}


def add_bottlenecks(**options) -> Callable:
    """A `prepare` that puts our bottleneck adapters in; `options` are fields of `BottleneckConfig`."""

    def prepare(model, arguments):
        from custom_models.bottleneck import BottleneckConfig

        try:
            config = BottleneckConfig(
                task_type="SEQ_CLS",
                bottleneck_size=arguments.bottleneck_size,
                modules_to_save=trained_heads(model, arguments),
                **options,
            )
        except ValueError as error:
            raise UserError(str(error)) from error
        return inject(model, config)

    return prepare
