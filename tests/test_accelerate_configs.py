"""Every launcher configuration says what its name promises, and names blocks that our models have."""

import subprocess
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env

from custom_models import PigLatinConfig, PigLatinForConditionalGeneration

FOLDER = Path(__file__).resolve().parents[1] / "accelerate_configs"


def launch(name: str):
    """What `accelerate launch --config_file NAME` resolves to, short of starting it."""
    arguments = launch_command_parser().parse_args(["--config_file", str(FOLDER / f"{name}.yaml"), "script.py"])
    return _validate_launch_command(arguments)[0]


@pytest.mark.parametrize(
    ("name", "kind", "processes", "machines", "cpu"),
    [
        ("cpu", "NO", 1, 1, True),
        ("multi_cpu", "MULTI_GPU", 2, 1, True),
        ("single_gpu", "NO", 1, 1, False),
        ("multi_gpu", "MULTI_GPU", 4, 1, False),
        ("fsdp", "FSDP", 4, 1, False),
        ("deepspeed_zero2", "DEEPSPEED", 4, 1, False),
        ("multi_node", "MULTI_GPU", 8, 2, False),
    ],
)
def test_a_configuration_is_what_its_name_says(name, kind, processes, machines, cpu):
    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert str(getattr(config.distributed_type, "value", config.distributed_type)) == kind
    assert (config.num_processes, config.num_machines, config.use_cpu) == (processes, machines, cpu)


def test_all_configurations_are_covered():
    named = {"cpu", "multi_cpu", "single_gpu", "multi_gpu", "fsdp", "deepspeed_zero2", "multi_node"}
    assert {path.stem for path in FOLDER.glob("*.yaml")} == named


@pytest.mark.parametrize("name", ["multi_cpu", "multi_gpu", "fsdp"])
def test_a_distributed_launch_resolves_to_its_processes(name):
    arguments = launch(name)
    environment = prepare_multi_gpu_env(arguments)
    assert arguments.num_processes > 1 and arguments.use_cpu == (name == "multi_cpu")
    assert environment["ACCELERATE_MIXED_PRECISION"] == ("no" if name == "multi_cpu" else "bf16")


def test_fsdp_wraps_the_blocks_that_our_models_are_made_of():
    environment = prepare_multi_gpu_env(launch("fsdp"))
    assert environment["ACCELERATE_USE_FSDP"] == "true"
    block = environment["FSDP_TRANSFORMER_CLS_TO_WRAP"]
    model = PigLatinForConditionalGeneration(PigLatinConfig())
    assert block in {type(module).__name__ for module in model.modules()}
    assert block in model._no_split_modules


def test_deepspeed_asks_for_zero_stage_2():
    arguments = launch("deepspeed_zero2")
    assert arguments.use_deepspeed and arguments.zero_stage == 2


def test_the_slurm_script_is_valid_shell_and_uses_the_multi_node_configuration():
    script = FOLDER / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text()
    assert "accelerate_configs/multi_node.yaml" in text and "--resume_from_checkpoint" in text
