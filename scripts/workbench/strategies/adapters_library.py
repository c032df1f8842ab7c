"""The strategy `adapters:<config>`: the `adapters` library's methods, saved without their encoder.

A folder holds `config.json` (of the classifier, with the encoder's name and the adapters' configuration) and
`adapters.safetensors` (what was added, and the head): the library's own format loses what its modules share when it is
written without pickle.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

import copy
import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from workbench.errors import UserError, nearest

from .encoders import encoder_of, freeze_encoder, head_names

ADAPTERS_PREFIX = "adapters:"
WEIGHTS_FILE = "adapters.safetensors"
ADAPTER_NAME = "task"
BASE_FIELD, ADAPTERS_FIELD = "base_model_name_or_path", "adapters_config"


def has_adapters_library() -> bool:
    """Whether `adapters` is installed (once imported, it hides from importlib.util.find_spec)."""
    try:
        return bool(version("adapters"))
    except PackageNotFoundError:
        return False


def check_adapters_library(configuration: str) -> None:
    """UserError unless the `adapters` library is there, and `configuration` names one of its configurations."""
    name = f"{ADAPTERS_PREFIX}{configuration}"
    if "<" in configuration or not configuration:
        raise UserError(f"strategy: '{name}': give a configuration of the adapters library, such as adapters:seq_bn")
    if not has_adapters_library():
        raise UserError(
            f"strategy: '{name}' needs the adapters library, which exists for transformers 4.57 only: install "
            "requirements.txt (make test does), or take houlsby, pfeiffer, parallel or lora, which need no such library"
        )


def add_library_adapters(model, arguments):
    """Whatever the configuration string means to the `adapters` library."""
    return add_adapters(model, arguments.strategy.removeprefix(ADAPTERS_PREFIX))


def add_adapters(model, configuration: str):
    """`model` with adapters in it, which are trained along with the head.

    Args:
        configuration: a name of the library's, such as `seq_bn`, `par_bn[reduction_factor=8]` or `prefix_tuning|lora`.

    Raises:
        UserError: no such configuration, or the library does not know the encoder.
    """
    import adapters

    host, parsed = _host(model), _parse(configuration)
    before = set(model.state_dict())
    if host is not model and getattr(parsed, "architecture", None) == "prompt_tuning":
        raise UserError("strategy: prompt tuning puts tokens before the text's; our pooling cannot, give --pooling cls")
    # It tries the encoder before it activates the adapters, and warns of that.
    logging.getLogger("adapters").setLevel(logging.ERROR)
    try:
        adapters.init(host)
        host.add_adapter(ADAPTER_NAME, config=parsed)
        host.train_adapter(ADAPTER_NAME)
    except (ValueError, TypeError, AttributeError, KeyError, AssertionError) as error:
        raise UserError(
            f"strategy: the adapters library refuses '{configuration}' for this encoder: {error}"
        ) from error
    trained = {name for name, weight in encoder_of(model).named_parameters() if weight.requires_grad}
    freeze_encoder(model)
    for name, weight in encoder_of(model).named_parameters():
        weight.requires_grad_(weight.requires_grad or name in trained)
    heads = tuple(f"{name}." for name in head_names(model))
    # Parameters by their first name alone: prefix tuning shows the same ones again in every layer.
    unique = {name for name, _ in [*model.named_parameters(), *model.named_buffers()]}
    model.saved_names = [
        name for name in model.state_dict() if name in unique and (name not in before or name.startswith(heads))
    ]
    model.adapters_configuration = configuration
    return model


def _parse(configuration: str):
    """The library's configuration of that name; UserError names those that it knows."""
    import adapters

    try:
        return adapters.AdapterConfig.load(configuration)
    except (ValueError, TypeError, OSError) as error:
        known = [name for name in adapters.ADAPTER_CONFIG_MAP if name]
        raise UserError(
            f"strategy: 'adapters:{configuration}': {str(error).rstrip('.')}{nearest(configuration, known)}; choose "
            f"one of {', '.join(known)}, perhaps with [option=value]"
        ) from error


def _host(model):
    """The model that the library takes: a classifier of transformers, or the encoder inside ours."""
    return encoder_of(model) if model.config.model_type == "sentence_encoder" else model


def save_adapters(model, folder: str | Path) -> None:
    """Writes what was added to the encoder, and the head; see the top of this module."""
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.deepcopy(model.config)
    for part in (config, getattr(config, "encoder_config", config)):
        # The library's own record, from which it would build the adapters a second time.
        if hasattr(part, "adapters"):
            del part.adapters
    setattr(config, BASE_FIELD, model.name_or_path)
    setattr(config, ADAPTERS_FIELD, model.adapters_configuration)
    config.save_pretrained(folder)
    weights = model.state_dict()
    save_file({name: weights[name].contiguous() for name in model.saved_names}, folder / WEIGHTS_FILE)


def read_adapters(model, folder: str | Path) -> None:
    """Puts the weights of `folder` into a model that `add_adapters` made; UserError if they do not fit."""
    from safetensors.torch import load_file

    path = Path(folder) / WEIGHTS_FILE
    weights = load_file(path)
    if set(weights) != set(model.saved_names):
        raise UserError(f"{path}: these weights belong to another encoder or configuration")
    model.load_state_dict(weights, strict=False)


class SavesAdapters:
    """Mixin before a Trainer: its checkpoints are `save_adapters`'s folders."""

    def _save(self, output_dir: str | None = None, state_dict=None) -> None:
        output_dir = self.args.output_dir if output_dir is None else output_dir
        save_adapters(self.accelerator.unwrap_model(self.model), output_dir)
        if self.processing_class is not None:
            self.processing_class.save_pretrained(output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model=None) -> None:
        read_adapters(self.model, resume_from_checkpoint)

    def _load_best_model(self) -> None:
        read_adapters(self.model, self.state.best_model_checkpoint)
