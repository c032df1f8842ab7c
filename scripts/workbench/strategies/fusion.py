"""AdapterFusion for classifiers: adapters of several tasks, frozen in one encoder, and attention over their outputs.

A run's folder is complete: the fusion and its head are in it, and each adapter is in a folder below, by its name.
"""

import filecmp
import re
from pathlib import Path

from peft import PeftModel
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME, set_peft_model_state_dict
from torch import nn

from custom_models.bottleneck import BottleneckConfig, BottleneckModel, FusionConfig, fusion_penalty
from custom_models.bottleneck.adapterhub import read_adapterhub, read_json, read_weights
from custom_models.bottleneck.config import MethodConfig
from custom_models.bottleneck.fusion import check_alike, check_same_base
from custom_models.bottleneck.hub_format import Checkpoint
from custom_models.bottleneck.model import MARK
from workbench.errors import UserError
from workbench.hub.fetch import WEIGHTS, fetch_adapter
from workbench.runs.folder import CONFIG_FILE, read_run_config

from .arguments import StrategyArguments
from .encoders import trained_heads

# The fusion's name in the model: PEFT saves an adapter of this name into the folder itself, others below it.
FUSION_NAME = "default"
# Parts of every wrapped model, which cannot name an adapter (see `check_adapter_name`).
RESERVED = {FUSION_NAME, "base_model", "model", "bottleneck_adapters", "bottleneck_norms"}


def read_members(arguments: StrategyArguments) -> list[Checkpoint]:
    """The adapters to combine, without their heads, each under a name of its own.

    Raises:
        UserError: a source is no bottleneck adapter or is damaged, or the adapters are not alike, or not of this base.
    """
    members: list[Checkpoint] = []
    try:
        for source in arguments.adapters:
            member = read_member(source)
            member.name = _free_name(name_of(source), {found.name for found in members} | RESERVED)
            check_encoder(member, arguments.model_name_or_path)
            members.append(member)
        configs = {member.name: member.config for member in members}
        check_alike(list(configs), configs, (members[0].config.trained_on or {}).get("hidden_size"))
    except ValueError as error:
        raise UserError(f"adapters: {error}") from error
    return members


def read_member(source: str) -> Checkpoint:
    """A bottleneck adapter without its head, from a run's or another PEFT folder, or in AdapterHub's format.

    Args:
        source: a folder, or a repository on the Hub.

    Raises:
        UserError: there is no adapter, or one of another kind.
        ValueError: it is damaged, or has a setting that we do not support.
    """
    folder = Path(fetch_adapter(source))
    if not (folder / CONFIG_NAME).is_file():
        raise UserError(f"adapters: {source} holds no adapter ({CONFIG_NAME}): give runs with --strategy pfeiffer, say")
    kind = read_json(folder / CONFIG_NAME).get("peft_type")
    if kind is None:
        found = read_adapterhub(str(folder), with_head=False)
    elif kind == "BOTTLENECK":
        weights = read_weights(folder, SAFETENSORS_WEIGHTS_NAME, None)
        found = Checkpoint("", MethodConfig.from_pretrained(str(folder)), weights)
    else:
        raise UserError(f"adapters: {source} is {kind}: only bottleneck adapters (pfeiffer, houlsby, …) can be fused")
    if not isinstance(found.config, BottleneckConfig):
        raise UserError(f"adapters: {source} is itself a fusion: give the adapters that it was made of")
    if found.config.train_layer_norm:
        raise UserError(f"adapters: {source} trained LayerNorms of its own (train_layer_norm): it cannot be fused")
    # The head belongs to the adapter's own task, and the task type would have PEFT add one.
    found.config.modules_to_save = found.config.task_type = None
    found.weights = {key: weight for key, weight in found.weights.items() if MARK in key}
    return found


def name_of(source: str) -> str:
    """The task that a run was trained on (or its file's name), else the last part of the folder's or repository's."""
    path = Path(source)
    config = read_run_config(path) if (path / CONFIG_FILE).is_file() else {}
    task, train_file = (str(config.get(name) or "") for name in ("task", "train_file"))
    return re.sub(r"[^\w-]", "_", task or Path(train_file).stem.partition(":")[0] or path.resolve().name)[:100]


def _free_name(name: str, taken: set[str]) -> str:
    """`name`, or with the first number from 2 on that nobody has; PEFT mistakes a part of its prefix for the prefix."""
    names = [name, *(f"{name}_{number}" for number in range(2, len(taken) + 4))]
    return next(free for free in names if free not in taken and free not in BottleneckModel.prefix)


def check_encoder(member: Checkpoint, encoder: str) -> None:
    """Raises UserError or ValueError if the adapter was trained on another encoder than the folder or Hub model named.

    A folder's name says little: where both are at hand, their weights are compared.
    """
    trained_on = member.config.base_model_name_or_path or ""
    check_same_base(member.name, trained_on, "the fusion", str(Path(encoder).resolve()))
    files = [Path(folder) / WEIGHTS[0] for folder in (trained_on, encoder)]
    if all(file.is_file() for file in files) and not filecmp.cmp(*files, shallow=False):
        raise UserError(
            f"adapters: '{member.name}' was trained on {trained_on}, whose weights are not those of {encoder}"
        )


def add_fusion(model: nn.Module, arguments: StrategyArguments, method: str) -> PeftModel:
    """The classifier with the frozen adapters and a fusion of them, which is trained together with the head.

    Args:
        method: of `FusionConfig`: attention or average.

    Raises:
        UserError: as `read_members`, or the adapters do not fit the encoder.
    """
    members, heads = read_members(arguments), trained_heads(model, arguments)
    _rename_like_modules(members, model)
    try:
        for member in members:
            if isinstance(model, PeftModel):
                model.add_adapter(member.name, member.config)
            else:
                model = PeftModel(model, member.config, adapter_name=member.name)
            set_peft_model_state_dict(model, member.weights, adapter_name=member.name)
        names = [member.name for member in members]
        config = FusionConfig(task_type="SEQ_CLS", adapters=names, method=method, modules_to_save=heads)
        model.add_adapter(FUSION_NAME, config)
    except ValueError as error:
        raise UserError(f"adapters: {error}") from error
    model.set_adapter(FUSION_NAME)
    return model


def _rename_like_modules(members: list[Checkpoint], model: nn.Module) -> None:
    """An adapter must not be called like a module of the model: such a one, by its folder say, is renamed."""
    modules = {part for name, _ in model.named_modules() for part in name.split(".")}
    for member in members:
        others = {other.name for other in members if other is not member}
        member.name = _free_name(member.name, modules | others | RESERVED)


def load_fusion(model: nn.Module, folder: str, names: list[str]) -> PeftModel:
    """The classifier with the adapters `names` and their fusion from a run's folder.

    Raises:
        UserError: an adapter is missing in the folder.
        ValueError: what is there does not fit the model.
    """
    for name in names:
        if not (Path(folder) / name / CONFIG_NAME).is_file():
            raise UserError(f"{folder}: the adapter '{name}' that was fused is missing: it should be in a folder there")
        if isinstance(model, PeftModel):
            model.load_adapter(str(Path(folder) / name), name)
        else:
            model = PeftModel.from_pretrained(model, str(Path(folder) / name), adapter_name=name)
    model.load_adapter(folder, FUSION_NAME)
    model.set_adapter(FUSION_NAME, inference_mode=True)
    return model


class TrainsFusion:
    """Mixin before a Trainer: checkpoints hold the fusion and the head alone, the rest never changes.

    With the adapters in them, transformers 4.57 would resume from the adapters and forget the fusion.
    """

    def _save(self, output_dir: str | None = None, state_dict=None) -> None:
        if not self.args.should_save:
            return
        output_dir = self.args.output_dir if output_dir is None else output_dir
        self.accelerator.unwrap_model(self.model).save_pretrained(output_dir, selected_adapters=[FUSION_NAME])
        if self.processing_class is not None:
            self.processing_class.save_pretrained(output_dir)

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        """The penalty on the value matrices is in the model's own loss; a loss from outside lacks it."""
        found = super().compute_loss(model, inputs, return_outputs=return_outputs, **kwargs)
        if self.compute_loss_func is None or not model.training:
            return found
        penalty = fusion_penalty(model)
        return (found[0] + penalty, found[1]) if return_outputs else found + penalty
