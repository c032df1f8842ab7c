"""Every launcher configuration says what its name promises; FSDP leaves the rest to the model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env

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


def test_fsdp_leaves_the_units_to_the_model():
    environment = prepare_multi_gpu_env(launch("fsdp"))
    assert environment["ACCELERATE_USE_FSDP"] == "true"
    assert environment["FSDP_AUTO_WRAP_POLICY"] == "TRANSFORMER_BASED_WRAP"
    assert "FSDP_TRANSFORMER_CLS_TO_WRAP" not in environment


def test_deepspeed_asks_for_zero_stage_2():
    arguments = launch("deepspeed_zero2")
    assert arguments.use_deepspeed and arguments.zero_stage == 2


STUBS = {
    "scontrol": "#!/bin/bash\n[[ $* == 'show hostnames node[1-2]' ]] && printf 'node1\\nnode2\\n'\n",
    # Slurm runs what follows on each machine, with that machine's number.
    "srun": '#!/bin/bash\nfor node in 0 1; do SLURM_NODEID=$node "$@" || exit; done\n',
    "python": f'#!/bin/bash\nexec {sys.executable} "$@"\n',
    "accelerate": f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n",
}


@pytest.fixture
def slurm(tmp_path):
    """Runs slurm.sh from a folder with our scripts, with commands that print what they were given."""
    (tmp_path / "bin").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "scripts").symlink_to(FOLDER.parent / "scripts")
    for name, text in STUBS.items():
        place = tmp_path / ("bin" if name.startswith("s") else ".venv/bin") / name
        place.write_text(text)
        place.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_NNODES": "2",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = ["bash", FOLDER / "slurm.sh", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)

    return run


def test_slurm_starts_a_script_on_every_machine_with_its_arguments_as_they_were(slurm):
    odd = ["--task", "rte", "--output_dir", "runs/a b", "--text_column", 'it\'s "quoted" $HOME * \\', ""]
    done = slurm("scripts/train_classifier.py", *odd)
    assert done.returncode == 0, done.stderr
    calls = [json.loads(line) for line in done.stdout.splitlines()]
    for rank, call in enumerate(calls):
        assert call.pop(0) == "launch"
        own = dict(zip(call[0:10:2], call[1:10:2], strict=True))
        assert own == {
            "--config_file": "accelerate_configs/multi_node.yaml",
            "--num_machines": "2",
            "--num_processes": "8",
            "--machine_rank": str(rank),
            "--main_process_ip": "node1",
        }
        assert call[10:] == ["scripts/train_classifier.py", "--resume_from_checkpoint", *odd]
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scripts/publish.py", "--repo_id", "a/b"], "scripts/publish.py cannot be resumed"),
        (["scripts/study_strategies.py"], "scripts/study_strategies.py starts its runs itself"),
        (["scripts/train_clasifier.py"], "no script scripts/train_clasifier.py"),
        (["--output_dir", "runs/big"], "no script --output_dir"),
        ([], "name a training script"),
    ],
)
def test_slurm_refuses_what_it_cannot_start_in_one_line(slurm, arguments, says):
    done = slurm(*arguments)
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: ") and says in lines[0]
    assert done.stdout == ""
