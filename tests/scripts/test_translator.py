"""The scripts as a person runs them: training, resuming, several processes, translating, and mistakes in one line."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file
from support.published_runs import FACTS, write_run

from workbench.data.pairs import PairFile, load_pairs
from workbench.data.pig_latin import to_pig_latin
from workbench.runs.checkpoints import WHOLE_FILE, WholeCheckpoints, checkpoints_in
from workbench.runs.predictions import example_ids, read_predictions
from workbench.runs.results import RunResults

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py"))
WORDS = [first + second for first in ("b", "st", "qu", "pl", "") for second in ("at", "end", "ill", "op", "um", "ask")]
# A model that learns thirty words in seconds.
TINY = ["--hidden_size", 32, "--encoder_layers", 1, "--decoder_layers", 1, "--num_attention_heads", 2]
FAST = [*TINY, "--intermediate_size", 32, "--train_batch_size", 10, "--learning_rate", 3e-3, "--warmup_steps", 5]
FAST += ["--dropout", 0, "--attention_dropout", 0]
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def pair_file(tmp_path_factory) -> Path:
    """A course's own format: `word translation` per line, one space, no header."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.txt"
    path.write_text("".join(f"{word} {to_pig_latin(word)}\n" for word in WORDS))
    return path


def train_arguments(pair_file: Path, folder: Path, *more) -> list:
    return ["--output_dir", folder, *FAST, "--train_file", pair_file, *more]


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_teaches_without_heavy_imports(name):
    program = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as exit_:\n    assert not exit_.code, exit_.code\n"
        "heavy = {'torch', 'transformers', 'datasets', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    path = ROOT / "scripts" / f"{name}.py"
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, cwd=path.parent)
    assert done.returncode == 0, done.stderr
    assert f"python scripts/{name}.py" in done.stdout


@pytest.fixture(scope="module")
def trained(pair_file, tmp_path_factory) -> Path:
    """A run that has learned its thirty words by heart (its test words are among them)."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    file = tmp_path_factory.mktemp("all") / "all.tsv"
    file.write_text("".join(f"{word}\t{to_pig_latin(word)}\n" for word in WORDS))
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["--train_file", file, "--num_train_epochs", 150, "--output_dir", folder, *FAST]
        patch.setattr(sys, "argv", ["train_translator.py", *map(str, arguments)])
        import train_translator

        train_translator.main()
    return folder


@pytest.mark.slow
def test_a_run_leaves_model_results_curves_and_translations(trained):
    results = RunResults.read(trained)
    assert results.splits == {"train": 24, "validation": 3, "test": 3}
    assert set(results.metrics["test"]) == {"loss", "word_accuracy", "cer"}
    assert results.parameters["total"] > 1000 and results.seconds["train"] > 0
    curves = json.loads((trained / "curves.json").read_text())
    assert curves["training_loss"][-1][1] < 0.1 < curves["training_loss"][0][1]
    rows = [line.split("\t") for line in (trained / "test_translations.tsv").read_text().splitlines()[1:]]
    right = sum(target == written for _, target, written in rows) / len(rows)
    assert results.metrics["test"]["word_accuracy"] == pytest.approx(right)
    kept = read_predictions(trained)
    assert list(zip(kept["test"].labels, kept["test"].predictions, strict=True)) == [tuple(row[1:]) for row in rows]
    assert kept["test"].ids == example_ids(row[0] for row in rows) and len(kept["validation"].ids) == 3
    assert yaml.safe_load((trained / "config.yaml").read_text())["hidden_size"] == 32
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(trained.glob("*.bin"))


@pytest.mark.slow
def test_a_trained_run_translates_running_text_from_every_source(trained, run_script, tmp_path):
    learned = _training_words(trained)
    sentence = f"{learned[0].capitalize()}, {learned[1]}!"
    expected = f"{to_pig_latin(learned[0]).capitalize()}, {to_pig_latin(learned[1])}!"
    file = tmp_path / "text.txt"
    file.write_text(f"{sentence}\n\n{sentence}\n")
    assert run_script("translate", trained, sentence).stdout == f"{expected}\n"
    assert run_script("translate", trained, "--file", file).stdout == f"{expected}\n\n{expected}\n"
    assert run_script("translate", trained, "--beams", 3, stdin=f"{sentence}\n").stdout == f"{expected}\n"


def _training_words(trained: Path) -> list[str]:
    """The words that the run has learned."""
    file = yaml.safe_load((trained / "config.yaml").read_text())["train_file"]
    return list(load_pairs(PairFile(file), None, None, seed=0)["train"]["source"])


@pytest.mark.slow
def test_check_shows_the_rules_answer_beside_the_models(trained, call):
    word = _training_words(trained)[0]
    code, printed = call("translate", trained, f"{word} {word}{word}", "--check")
    lines = printed.out.splitlines()
    assert code == 0 and lines[0] == f"{word}\t{to_pig_latin(word)}\t{to_pig_latin(word)}"
    assert lines[1].split("\t")[2] == to_pig_latin(f"{word}{word}")
    differing = sum(line.endswith("differs") for line in lines)
    assert lines[2] == f"{differing} of 2 words differ from the rule"


@pytest.mark.slow
def test_the_attention_of_a_word_is_drawn(trained, call, tmp_path):
    word = _training_words(trained)[0]
    code, printed = call("translate", trained, word, "--attention", tmp_path / "word.png")
    assert code == 0 and f"{word} → {to_pig_latin(word)}" in printed.out
    assert (tmp_path / "word.png").read_bytes().startswith(b"\x89PNG")
    drawn = json.loads((tmp_path / "word.json").read_text())
    assert drawn["source"] == [*word, "</s>"] and drawn["output"] == [*to_pig_latin(word), "</s>"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"", "an empty file"),
        (b"source\ttarget\n", "but no rows"),
        (b"stress\nteam\n", "1 column(s)"),
        (b"a\tb\tc\nd\te\tf\n", "--source_column and --target_column"),
        ("façade\tacadefay\n".encode("latin-1"), "line 1: not UTF-8"),
        (b"te\0am\teamtay\n", "line 1: a NUL byte"),
        (b"team\teamtay\n", "1 pair(s); at least 10"),
        (b"team\teamtay\n" + b"x" * 10_000 + b"\ty\n", "line 2: 10,000 characters"),
    ],
)
def test_a_bad_training_file_is_one_line_and_nothing_is_written(call, tmp_path, content, says):
    file, folder = tmp_path / "pairs.tsv", tmp_path / "run"
    if content is not None:
        file.write_bytes(content)
    code, printed = call("train_translator", "--train_file", file, "--output_dir", folder)
    assert code == 2 and not folder.exists()
    assert printed.err.count("\n") == 1 and printed.err.startswith("error: ") and says in printed.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--preset", "huge"], "preset: unknown value 'huge'; choose one of default, notebook"),
        (["--learning_rat", "1"], "unknown option 'learning_rat'; did you mean 'learning_rate'?"),
        (["--hidden_size", "33"], "hidden_size 33 is not a multiple of 2 heads"),
        (["--train_batch_size", "0"], "train_batch_size: 0; give a whole number from 1"),
        (["--num_train_epochs", "many"], "num_train_epochs: 'many'; give a number above 0"),
        (["--optim", "sgdd"], "optim: unknown value 'sgdd'; did you mean 'sgd'?; choose one of"),
    ],
)
def test_a_bad_option_is_one_line(call, pair_file, tmp_path, arguments, says):
    code, printed = call("train_translator", *train_arguments(pair_file, tmp_path / "run"), *arguments)
    assert code == 2 and printed.err.count("\n") == 1 and says in printed.err


def test_a_misspelt_recipe_key_is_named(call, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("num_train_epoch: 3\n")
    code, printed = call("train_translator", "--config", recipe)
    assert code == 2 and "unknown option 'num_train_epoch'; did you mean 'num_train_epochs'?" in printed.err


@pytest.mark.slow
def test_the_folder_of_another_run_is_refused_and_kept(call, pair_file, trained):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    code, printed = call("train_translator", *train_arguments(pair_file, trained))
    assert code == 2 and "holds another run" in printed.err and printed.err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


@pytest.mark.parametrize("message", ["No space left on device (os error 28)", "[enforce fail at inline_container.cc"])
def test_a_full_disk_is_one_line(call, pair_file, tmp_path, monkeypatch, message):
    def full(*_args, **_kwargs):
        raise RuntimeError(message)

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    code, printed = call("train_translator", *train_arguments(pair_file, tmp_path / "run", "--max_steps", 1))
    assert code == 2 and "no space left on the disk" in printed.err.splitlines()[-1]
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_folder_without_weights_is_refused(call, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    code, printed = call("translate", tmp_path, "street")
    assert code == 2 and "no weights (model.safetensors)" in printed.err and printed.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"_attn_implementation_internal": "someone/kernels"}, "could run code that you did not ask for"),
        ({"text_config": {"trust_remote_code": True}}, "could run code that you did not ask for"),
        ({"model_type": "other", "auto_map": {"AutoConfig": "evil.Config"}}, "brings its own code"),
    ],
)
def test_a_hostile_config_is_refused_before_it_is_read(call, trained, tmp_path, config, says):
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    content = json.loads((trained / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**content, **config}))
    code, printed = call("translate", tmp_path, "street")
    assert code == 2 and says in printed.err


@pytest.mark.slow
def test_truncated_weights_and_bad_input_files_are_one_line(call, trained, tmp_path):
    for path in trained.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "latin1.txt").write_bytes("ok\nfaçade\n".encode("latin-1"))
    code, printed = call("translate", trained, "--file", tmp_path / "latin1.txt")
    assert code == 2 and "latin1.txt, line 2: not UTF-8" in printed.err
    code, printed = call("translate", trained, "--file", tmp_path / "absent.txt")
    assert code == 2 and "no such file" in printed.err
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    code, printed = call("translate", tmp_path, "street")
    assert code == 2 and printed.err.startswith("error: ") and printed.err.count("\n") == 1


@pytest.mark.slow
def test_a_10_000_character_word_is_left_as_it_is(call, trained):
    code, printed = call("translate", trained, "x" * 10_000)
    assert code == 0 and printed.out == "x" * 10_000 + "\n"
    assert "left as they are" in printed.err


def test_check_is_for_models_of_pig_latin(call, tmp_path):
    words = [["casa", "k a s a", "k a s a"], ["re", "r e", "r e"]]
    facts = FACTS | {"examples": words, "wrong": []}
    code, printed = call("translate", write_run(tmp_path / "ita", facts=facts), "street", "--check")
    assert code == 2 and "--check compares with Pig Latin's rule" in printed.err and "casa → k a s a" in printed.err
    assert call("translate", write_run(tmp_path / "pig"), "street", "--check")[0] == 0


def test_a_word_of_a_barely_trained_model_is_cut(call, tmp_path):
    code, printed = call("translate", write_run(tmp_path / "run"), "street")
    assert code == 0 and len(printed.out.strip()) <= 25
    assert ("…" in printed.out) == ("does not end" in printed.err)


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_same_global_batch(pair_file, run_script, tmp_path):
    file = tmp_path / "many.tsv"
    words = sorted({a + b + c for a in ("b", "st", "qu", "tr", "") for b in ("a", "e", "i", "o") for c in WORDS})
    file.write_text("".join(f"{word}\t{to_pig_latin(word)}\n" for word in words))
    options = ["--train_file", file, *FAST, "--train_batch_size", 16, "--max_steps", 50, "--logging_steps", 1]
    accelerate = [sys.executable, "-m", "accelerate.commands.launch"]
    launcher = [*accelerate, "--config_file", ROOT / "accelerate_configs" / "multi_cpu.yaml"]
    one = run_script("train_translator", *options, "--output_dir", tmp_path / "one")
    two = run_script("train_translator", *options, "--output_dir", tmp_path / "two", launcher=launcher)
    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    assert "2 processes share each batch" in two.stdout and "share each batch" not in one.stdout
    curves = [json.loads((tmp_path / name / "curves.json").read_text()) for name in ("one", "two")]
    for name, tolerance in (("training_loss", 1e-4), ("validation_loss", 1e-4)):
        ours, theirs = (dict(curve[name]) for curve in curves)
        assert ours.keys() == theirs.keys() and len(ours) >= (50 if name == "training_loss" else 1)
        assert all(abs(ours[step] - theirs[step]) <= tolerance for step in ours)
    scores = [RunResults.read(tmp_path / name).metrics["test"] for name in ("one", "two")]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_sigterm_within_an_epoch_loses_nothing(pair_file, call, monkeypatch, tmp_path):
    options = ["--train_file", pair_file, *FAST, "--dropout", 0.1, "--num_train_epochs", 4]
    assert call("train_translator", *options, "--output_dir", tmp_path / "whole")[0] == 0

    class Scheduler(WholeCheckpoints):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 4:
                os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr("workbench.runs.trainer.WholeCheckpoints", Scheduler)
        code, printed = call("train_translator", *options, "--output_dir", tmp_path / "ended")
    said = printed.err.splitlines()[-1]
    assert code == 143 and said.startswith("ended by SIGTERM; python train_translator.py")
    assert said.endswith("--resume_from_checkpoint goes on") and "Traceback" not in printed.err
    assert (tmp_path / "ended" / "checkpoint-5" / WHOLE_FILE).exists()
    resumed = call("train_translator", *options, "--output_dir", tmp_path / "ended", "--resume_from_checkpoint")
    assert resumed[0] == 0, resumed[1].err
    assert (tmp_path / "whole" / WEIGHTS).read_bytes() == (tmp_path / "ended" / WEIGHTS).read_bytes()
    results = [RunResults.read(tmp_path / name) for name in ("whole", "ended")]
    assert results[0].metrics == results[1].metrics and results[0].facts["curve"] == results[1].facts["curve"]


def test_a_truncated_checkpoint_is_passed_over_with_a_line(pair_file, call, tmp_path):
    options = ["--train_file", pair_file, *FAST, "--num_train_epochs", 3, "--output_dir", tmp_path / "run"]
    assert call("train_translator", *options)[0] == 0
    weights = (tmp_path / "run" / WEIGHTS).read_bytes()
    newest, before = checkpoints_in(tmp_path / "run")
    (newest / "optimizer.pt").write_bytes(b"")
    code, printed = call("train_translator", *options, "--resume_from_checkpoint")
    assert code == 0 and f"{newest}: optimizer.pt is damaged; going on from {before.name}" in printed.err
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == weights
    for checkpoint in checkpoints_in(tmp_path / "run"):
        (checkpoint / WEIGHTS).write_bytes((checkpoint / WEIGHTS).read_bytes()[:-100])
    code, printed = call("train_translator", *options, "--resume_from_checkpoint")
    assert code == 0 and printed.err.count("going on from the beginning") == 2
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == weights


def test_a_training_that_diverges_ends_in_one_line_each_time(pair_file, call, tmp_path):
    wild = ["--learning_rate", 100, "--weight_decay", 100, "--lr_scheduler_type", "constant"]
    options = ["--train_file", pair_file, *FAST, *wild, "--num_train_epochs", 12]
    for more in ([], ["--resume_from_checkpoint"]):
        code, printed = call("train_translator", *options, "--output_dir", tmp_path / "run", *more)
        said = printed.err.splitlines()[-1]
        assert code == 2 and said.startswith("error: training has diverged: eval_loss is "), printed.err
        assert not (tmp_path / "run" / "results.json").exists()


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_ends_like_an_uninterrupted_run(pair_file, run_script, tmp_path):
    options = ["--train_file", pair_file, *FAST, "--dropout", 0.1, "--num_train_epochs", 30, "--eval_batch_size", 10]
    whole = run_script("train_translator", *options, "--output_dir", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, ROOT / "scripts" / "train_translator.py", *options, "--resume_from_checkpoint"]
    command += ["--output_dir", tmp_path / "killed"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    chance, kills = random.Random(0), 0
    while kills < 3:
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        before = _last_step(tmp_path / "killed")
        while process.poll() is None and _last_step(tmp_path / "killed") <= before + 10 * kills:
            time.sleep(0.01)
        time.sleep(chance.random() / 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    resumed = run_script("train_translator", *options, "--resume_from_checkpoint", "--output_dir", tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed")]
    assert all((weights[0][key] == weights[1][key]).all() for key in weights[0])
    ours, theirs = (RunResults.read(tmp_path / name).metrics for name in ("whole", "killed"))
    assert ours == theirs


def _last_step(folder: Path) -> int:
    return max((int(path.parent.name.split("-")[1]) for path in folder.glob("checkpoint-*/whole.json")), default=0)
