"""Valid things, tiny, which the cases at the borders spoil: files of texts and pairs, an encoder, runs, a study."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = "text,label\n" + "".join(f"w{n % 50 + 2} w{n % 7 + 2} w{n},{'good' if n % 3 else 'bad'}\n" for n in range(40))
PAIRS = "source\ttarget\n" + "".join(f"{word}\t{word[::-1]}\n" for word in (f"ab{n:b}c" for n in range(40)))
TINY = {
    "train_translator": "--train_file @M/pairs.tsv --hidden_size 16 --encoder_layers 1 --decoder_layers 1 "
    "--num_attention_heads 2 --intermediate_size 16 --max_position_embeddings 64 --max_steps 1 --output_dir out",
    "train_classifier": "--train_file @M/texts.csv --model_name_or_path @M/encoder --max_length 8 --max_steps 1 "
    "--output_dir out",
    "train_multitask": "--tasks @M/texts.csv @M/more.csv --model_name_or_path @M/encoder --max_length 8 --max_steps 1 "
    "--output_dir out",
    "pretrain_encoder": "--hidden_size 16 --num_hidden_layers 1 --num_attention_heads 2 --max_steps 1 --output_dir out",
    "study_capacity": "--architectures encoder-decoder --hidden_sizes 16 --dataset_sizes small --layers 1 "
    "--num_train_epochs 1 --train_batch_size 64 --output_dir out",
    "study_strategies": "--train_file @M/texts.csv --strategies frozen full --model_name_or_path @M/encoder "
    "--output_dir out",
    "fuse_adapters": "--train_file @M/texts.csv --adapters @M/pfeiffer @M/pfeiffer1 --model_name_or_path @M/encoder "
    "--seeds 1 --output_dir out",
    "check_intervals": "--seeds 3 --examples 20 --seed_sds 0.01 --repetitions 2 --resamples 20",
    "translate": "@M/translator apple",
    "classify": "@M/full w3",
    "compare": "@M/full @M/frozen",
    "publish": "model @M/translator you/it --dry_run",
    "update_readme": "--readme @H/README.md --studies @M/studies",
    "convert_adapter": "@M/pfeiffer out --to adapterhub",
    "ablate_adapters": "@H/run",
    "benchmark": "generate --output_dir out",
}
RUNS = {"full": ("full", 0), "frozen": ("frozen", 0), "full1": ("full", 1), "pfeiffer": ("pfeiffer", 0)}
RUNS |= {"pfeiffer1": ("pfeiffer", 1), "lora": ("lora", 0)}


def tiny(script: str) -> list[str]:
    """The arguments of a quick and valid run of a script."""
    return TINY[script].split()


def without(arguments: list[str], name: str) -> list[str]:
    """The arguments, without an option and its values: the command line would override the recipe."""
    if f"--{name}" not in arguments:
        return arguments
    start = arguments.index(f"--{name}")
    end = next((at for at in range(start + 1, len(arguments)) if arguments[at].startswith("--")), len(arguments))
    return arguments[:start] + arguments[end:]


def make_material(folder: Path) -> None:
    """Makes all of it in processes of its own, for torch's threads do not survive the forks that follow."""
    paths = os.pathsep.join(str(ROOT / name) for name in (".", "scripts", "tests"))
    environment = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from borders.material import make; make()", str(folder)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def make() -> None:
    from support.encoder_folders import write_encoder
    from support.published_runs import write_run

    import compare
    import train_classifier

    folder = Path(sys.argv[1])
    (folder / "texts.csv").write_text(TEXTS)
    (folder / "more.csv").write_text(TEXTS.replace("w3", "w4"))
    (folder / "pairs.tsv").write_text(PAIRS)
    write_encoder(folder / "encoder")
    write_run(folder / "translator")
    write_run(folder / "decoder", "decoder-only")
    for name, (strategy, seed) in RUNS.items():
        given = [*TINY["train_classifier"].replace("@M", str(folder)).split()[:-1], str(folder / name)]
        sys.argv = ["train_classifier.py", *given, "--strategy", strategy, "--seed", str(seed)]
        train_classifier.main()
    study = folder / "studies" / "one"
    for name in ("full", "frozen"):
        shutil.copytree(folder / name, study / name, ignore=shutil.ignore_patterns("*.safetensors", "checkpoint-*"))
    sys.argv = ["compare.py", *(str(study / name) for name in ("full", "frozen")), "--output_dir", str(study)]
    compare.main()
