"""The grid: finished runs are skipped, killed ones go on, and nobody writes into the same run twice at once.

The training script here is a small one of our own, but it is a real process with checkpoints.
"""

import csv
import functools
import json
import math
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from workbench import locks
from workbench.errors import UserError
from workbench.locks import take_lock
from workbench.runs.claims import LOCK_FILE
from workbench.runs.results import RunResults
from workbench.studies import grid
from workbench.studies.cells import Cell, StudyArguments, check_axis, one_each, take_shard, with_own
from workbench.studies.grid import discard, run_grid
from workbench.studies.report import ScoreColumn, Spread, describe_effect, pair_along, write_study_table


@dataclass
class Own:
    learning_rate: float = 0.1
    seed: int = 0


SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TRAIN = """
import json, os, sys, time
from dataclasses import dataclass
from pathlib import Path
from workbench.arguments import RunArguments, option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.files import write_whole
from workbench.runs.folder import open_run
from workbench.runs.results import RunResults

@dataclass
class Arguments(RunArguments):
    epochs: int = option(5, "epochs")
    rate: float = option(0.5, "rate")
    nap: float = option(0.0, "seconds per epoch")
    fail: str = option("", "how to end: refuse, raise, kill or vanish")
    train_file: str = option("", "data")

def main():
    arguments = parse_arguments(Arguments, "Trains nothing.")
    folder = open_run(arguments)
    print("a line of the log", flush=True)
    if arguments.fail == "refuse":
        raise UserError("this rate is refused")
    if arguments.fail == "raise":
        [][0]
    if arguments.fail == "kill":
        os.kill(os.getpid(), 9)
    if arguments.fail == "vanish":
        return
    checkpoint = folder / "checkpoint.json"
    state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"epoch": 0, "loss": 1.0}
    while state["epoch"] < arguments.epochs:
        time.sleep(arguments.nap)
        state = {"epoch": state["epoch"] + 1, "loss": state["loss"] * arguments.rate + 0.01 * arguments.seed}
        with (folder / "trace").open("a") as trace:
            trace.write(f"{os.getpid()} {state['epoch']}\\n")
        write_whole(checkpoint, json.dumps(state))
    RunResults(
        metrics={"validation": {"loss": state["loss"]}, "test": {"word_accuracy": 1 - state["loss"]}},
        splits={"train": 8}, parameters={"total": 1, "trainable": 1}, seconds={"train": 0.0}, seed=arguments.seed,
    ).write(folder)

run_main(main)
"""
STUDY = """
import sys
from pathlib import Path
from workbench.errors import run_main
from workbench.studies.cells import Cell, StudyArguments
from workbench.studies.grid import run_grid

cells = [Cell(f"cell{seed}", {"seed": seed, "nap": float(sys.argv[4])}) for seed in range(3)]
run_main(lambda: run_grid(Path(sys.argv[1]), cells, StudyArguments(sys.argv[2], launcher=sys.argv[3])))
"""
# A launcher whose worker does not hear of its end.
LAUNCHER = """
import subprocess, sys
subprocess.Popen([sys.executable, *sys.argv[1:]], start_new_session=True).wait()
"""


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SCRIPTS))
    path = tmp_path / "train.py"
    path.write_text(TRAIN)
    return path


@pytest.fixture
def study(tmp_path):
    return tmp_path / "study"


def cells(count=3, **options):
    return [Cell(f"cell{seed}", {"seed": seed, **options}) for seed in range(count)]


def trace(study, name):
    """(process, epoch) of every epoch that was trained."""
    return [tuple(map(int, line.split())) for line in (study / name / "trace").read_text().splitlines()]


def outcome(study, names):
    return {name: RunResults.read(study / name).metrics for name in names}


def test_every_cell_is_run_once(train, study, capsys):
    first = run_grid(train, cells(), StudyArguments(str(study)))
    traces = [trace(study, name) for name in first]
    again = run_grid(train, cells(), StudyArguments(str(study)))
    assert list(first) == ["cell0", "cell1", "cell2"]
    assert [first[name].seed for name in first] == [0, 1, 2]
    assert first == again
    assert traces == [trace(study, name) for name in first]
    said = capsys.readouterr().out
    assert "[2/3] cell1" in said and "about" in said and "left" in said
    assert "3 runs, 3 of them in shard 0/1, 3 finished" in said


def test_more_seeds_are_added_to_a_finished_study(train, study):
    run_grid(train, cells(2), StudyArguments(str(study)))
    before = (study / "cell0" / "trace").read_text()
    assert len(run_grid(train, cells(4), StudyArguments(str(study)))) == 4
    assert (study / "cell0" / "trace").read_text() == before


def start_study(train, study, launcher="", nap=0.05):
    command = [sys.executable, "-c", STUDY, str(train), str(study), launcher, str(nap)]
    # A shell's background job inherits a deaf ear for Ctrl-C; the study is to have a person's.
    hear = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=hear)


def test_killed_at_any_time_the_study_ends_the_same(train, study, tmp_path):
    whole = tmp_path / "whole"
    run_grid(train, cells(nap=0.05), StudyArguments(str(whole)))
    moments = random.Random(0)
    for _ in range(6):
        process = start_study(train, study)
        time.sleep(moments.uniform(0.05, 0.9))
        process.kill()
        process.communicate()
    assert start_study(train, study).wait() == 0
    names = ["cell0", "cell1", "cell2"]
    assert outcome(study, names) == outcome(whole, names)
    for name in names:
        check_one_at_a_time(trace(study, name))


def check_one_at_a_time(lines):
    """Processes follow each other, and each goes on where the one before had stopped (an epoch may be repeated)."""
    owners = [process for process, _ in lines]
    assert owners == [owner for owner in dict.fromkeys(owners) for _ in range(owners.count(owner))]
    epochs = [epoch for _, epoch in lines]
    assert all(later - earlier in (0, 1) for earlier, later in zip(epochs, epochs[1:], strict=False)), epochs
    assert epochs[0] == 1 and epochs[-1] == 5


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the lock alone keeps the next study waiting")
def test_a_killed_study_takes_its_training_with_it(train, study):
    process = start_study(train, study, nap=0.3)
    wait_for(study / "cell0" / "trace")
    process.kill()
    process.communicate()
    check_nobody_trains(study)


def check_nobody_trains(study):
    time.sleep(0.1)
    before = trace(study, "cell0")
    time.sleep(0.7)
    assert trace(study, "cell0") == before and len(before) < 5


def test_a_worker_that_outlives_its_study_is_waited_for(train, study, tmp_path):
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    process = start_study(train, study, f"{sys.executable} {tmp_path / 'launcher.py'}", nap=0.6)
    wait_for(study / "cell0" / "trace")
    process.kill()
    following = start_study(train, study, nap=0.6)
    said, _ = following.communicate(timeout=60)
    assert following.returncode == 0
    assert "cell0 is being run by another process: waiting for it" in said
    assert [epoch for _, epoch in trace(study, "cell0")] == [1, 2, 3, 4, 5]
    assert len({process for process, _ in trace(study, "cell0")}) == 1


def test_a_study_runs_without_locks_and_says_so(train, study, monkeypatch, capsys):
    monkeypatch.setattr(locks, "fcntl", None)
    assert list(run_grid(train, cells(1), StudyArguments(str(study)))) == ["cell0"]
    assert "cell0.log: this system has no locks; see that no other process works there" in capsys.readouterr().err


def wait_for(path, seconds=30):
    limit = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < limit, f"{path} did not appear"
        time.sleep(0.01)


def test_ctrl_c_ends_the_training_too(train, study):
    process = start_study(train, study, nap=0.3)
    wait_for(study / "cell0" / "trace")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    check_nobody_trains(study)


def test_a_study_that_is_ended_ends_its_launchers_workers_too(train, study, tmp_path):
    (tmp_path / "launcher.py").write_text(LAUNCHER.replace(", start_new_session=True", ""))
    process = start_study(train, study, f"{sys.executable} {tmp_path / 'launcher.py'}", nap=0.3)
    wait_for(study / "cell0" / "trace")
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143
    check_nobody_trains(study)


def test_a_run_that_diverged_does_not_count_as_finished(train, study):
    whole = run_grid(train, cells(1), StudyArguments(str(study)))["cell0"]
    path = study / "cell0" / "results.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"metrics": {"test": {"word_accuracy": 0.5, "loss": math.nan}}}))
    assert grid.read_finished(study / "cell0") is None
    assert run_grid(train, cells(1), StudyArguments(str(study)))["cell0"] == whole


def test_a_run_that_another_process_works_on_is_not_discarded(train, study):
    run_grid(train, cells(1), StudyArguments(str(study)))
    with (study / "cell0" / LOCK_FILE).open() as file:
        assert take_lock(file)
        with pytest.raises(UserError, match="another process is at work"):
            discard(cells(1), StudyArguments(str(study)))
    assert (study / "cell0" / "results.json").exists()


def test_shards_share_the_cells(train, study):
    found = [run_grid(train, cells(5), StudyArguments(str(study), shard=f"{index}/3")) for index in range(3)]
    assert [list(results) for results in found] == [
        ["cell0", "cell3"],
        ["cell0", "cell1", "cell3", "cell4"],
        ["cell0", "cell1", "cell2", "cell3", "cell4"],
    ]


@pytest.mark.parametrize("shard", ["3/3", "1", "a/b", "-1/2", "0/0", "1/2/3"])
def test_a_shard_that_is_none_is_refused(shard):
    with pytest.raises(UserError, match="is not i/n with i from 0 to n-1"):
        take_shard(cells(), shard)


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        ("refuse", "ended with exit code 2; last in its log .*cells/cell1.log: error: this rate is refused"),
        ("raise", "ended with exit code 1; .*: error: a bug of igpay, .*: IndexError: list index out of range; .*"),
        ("kill", "was ended by signal 9; .*: a line of the log"),
        ("vanish", "ended with exit code 0 and left no results.json; .*: a line of the log"),
    ],
)
def test_a_failed_cell_stops_the_study_with_its_reason(train, study, fail, reason):
    grid_cells = cells()
    grid_cells[1] = Cell("cell1", {"seed": 1, "fail": fail})
    with pytest.raises(UserError, match=f"^cell1 {reason}$"):
        run_grid(train, grid_cells, StudyArguments(str(study)))
    assert grid.read_finished(study / "cell0") is not None
    assert not (study / "cell2").exists()


def test_the_reason_is_that_of_the_last_attempt(train, study):
    with pytest.raises(UserError, match="this rate is refused"):
        run_grid(train, cells(1, fail="refuse"), StudyArguments(str(study)))
    shutil.rmtree(study / "cell0")
    with pytest.raises(UserError, match="signal 9.*: a line of the log"):
        run_grid(train, cells(1, fail="kill"), StudyArguments(str(study)))
    assert "this rate is refused" in (study / "cells" / "cell0.log").read_text()


def test_the_last_error_is_found_among_other_lines():
    assert grid.last_error("x\nerror: no such file\n") == "error: no such file"
    assert grid.last_error("torch.OutOfMemoryError: too much\nfinal words\n") == "torch.OutOfMemoryError: too much"
    assert grid.last_error("10%\r20%\r") == "20%"
    assert grid.last_error("") == "nothing"


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({"rate": 0.5}, {"rate": 0.25}, "rate was 0.5 and is 0.25 now"),
        ({}, {"rate": 0.25}, "rate was 0.5 and is 0.25 now"),
        ({"rate": 0.25}, {}, "rate was 0.25 and is not given now"),
        ({"report_to": "none"}, {"report_to": "tensorboard"}, None),
        ({"epochs": 5}, {"epochs": 5.0}, None),
    ],
)
def test_a_run_with_other_options_is_never_taken_for_this_one(train, study, then, now, said):
    run_grid(train, cells(1, **then), StudyArguments(str(study)))
    if said is None:
        assert run_grid(train, cells(1, **now), StudyArguments(str(study)))
        return
    with pytest.raises(UserError, match=said):
        run_grid(train, cells(2, **now), StudyArguments(str(study)))
    assert not (study / "cell1").exists()


def test_a_broken_results_file_is_written_again(train, study):
    whole = run_grid(train, cells(1), StudyArguments(str(study)))["cell0"]
    for content in ("", "[1, 2", "{}", "[]", '{"metrics": {}}'):
        (study / "cell0" / "results.json").write_text(content)
        assert run_grid(train, cells(1), StudyArguments(str(study)))["cell0"] == whole


def test_results_of_a_newer_igpay_are_left_alone(train, study):
    run_grid(train, cells(1), StudyArguments(str(study)))
    path = study / "cell0" / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    with pytest.raises(UserError, match="schema 99 is newer"):
        run_grid(train, cells(1), StudyArguments(str(study)))


def test_a_folder_that_is_no_study_is_refused(train, study):
    study.mkdir()
    (study / "thesis.tex").write_text("dear")
    with pytest.raises(UserError, match="not empty and not a study's folder"):
        run_grid(train, cells(1), StudyArguments(str(study)))
    with pytest.raises(UserError, match="--output_dir is a folder"):
        run_grid(train, cells(1), StudyArguments(str(study / "thesis.tex")))
    assert [path.name for path in study.iterdir()] == ["thesis.tex"]


def test_a_finished_run_on_other_data_is_not_taken_for_this_one(train, study, tmp_path):
    (tmp_path / "mine.csv").write_text("a")
    run_grid(train, cells(1, train_file=str(tmp_path / "mine.csv")), StudyArguments(str(study)))
    (tmp_path / "mine.csv").write_text("b")
    with pytest.raises(UserError, match="other data: train_file has changed"):
        run_grid(train, cells(1, train_file=str(tmp_path / "mine.csv")), StudyArguments(str(study)))


def test_discarded_runs_are_run_again_and_nothing_else_is_lost(train, study):
    run_grid(train, cells(2), StudyArguments(str(study)))
    (study / "notes.txt").write_text("mine")
    for name in ("trace", "checkpoint.json"):  # no names of a run's own: they would be somebody else's
        (study / "cell0" / name).unlink()
    discard(cells(2)[:1], StudyArguments(str(study)))
    assert not (study / "cell0" / "results.json").exists() and (study / "cell1" / "results.json").exists()
    assert len(run_grid(train, cells(2, nap=0.01)[:1] + cells(2)[1:], StudyArguments(str(study)))) == 2
    assert (study / "notes.txt").exists()


def test_a_cells_own_options_have_their_types_and_are_known():
    shared = {"learning_rate": 0.1, "seed": 0}
    assert with_own(shared, {"learning_rate": "5e-5"}, Own, "full") == {"learning_rate": 5e-5, "seed": 0}
    assert with_own(shared, None, Own, "full") == shared
    with pytest.raises(UserError, match="full: runs have no option 'learning_rat'; did you mean 'learning_rate'"):
        with_own(shared, {"learning_rat": 1}, Own, "full")
    with pytest.raises(UserError, match="full: learning_rate: 'high'; give a number"):
        with_own(shared, {"learning_rate": "high"}, Own, "full")


def test_without_resuming_an_earlier_study_is_refused(train, study):
    arguments = StudyArguments(str(study), resume_from_checkpoint=False)
    run_grid(train, cells(1), arguments)
    with pytest.raises(UserError, match="holds runs"):
        run_grid(train, cells(1), arguments)


def test_a_launcher_starts_the_cells(train, study):
    run_grid(train, cells(1), StudyArguments(str(study), launcher=f"env nap=1 {sys.executable} -u"))
    assert (study / "cells" / "cell0.log").read_text() == "a line of the log\n"
    assert yaml.safe_load((study / "cells" / "cell0.yaml").read_text()) == {"seed": 0}
    with pytest.raises(UserError, match="there is no command 'acelerate'"):
        run_grid(train, cells(2), StudyArguments(str(study), launcher="acelerate launch"))


def test_a_study_is_not_started_by_a_launcher(train, study, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="--launcher"):
        run_grid(train, cells(1), StudyArguments(str(study)))
    assert not study.exists()


@dataclass(frozen=True)
class Setting:
    width: int
    data: str


def results(loss, seed=0):
    return RunResults({"validation": {"loss": loss}}, {}, {}, {}, seed)


LOSS = ScoreColumn("loss", "validation", "loss", ".2f")


def test_a_spread_is_of_n_seeds():
    spread = Spread.of([1.0, 2.0, 4.0])
    assert spread.n == 3 and spread.mean == pytest.approx(7 / 3) and spread.sd == pytest.approx(math.sqrt(7 / 3))
    assert spread.show(".2f") == "2.33 ± 1.53"
    assert Spread.of([0.25]).show(".0%") == "25%"


def test_a_sentence_says_what_the_numbers_say():
    runs = {Setting(width, data): [results(loss)] for width, data, loss in ((1, "a", 4), (2, "a", 2), (1, "b", 1))}
    runs[Setting(2, "b")] = [results(1.001)]
    cases = pair_along(runs, "width", [1, 2], "on {s.data}")
    assert describe_effect("Doubling", cases, (LOSS,)) == (
        "Doubling lowered the loss from 4.00 to 2.00 on a; left the loss at 1.00 on b (n = 1 seed each)."
    )
    assert pair_along(runs, "width", [1], "on {s.data}") == {}


def test_a_sentence_over_seeds_pairs_them():
    before, after = [results(1.0), results(2.0)], [results(1.5), results(2.7)]
    sentence = describe_effect("More", {"here": (before, after)}, (LOSS,))
    assert sentence == (
        "More raised the loss from 1.50 ± 0.71 to 2.10 ± 0.85 (paired difference +0.60 ± 0.14) here (n = 2 seeds each)."
    )


def test_a_table_is_markdown_and_csv(tmp_path):
    rows = [
        {"name": "a", "size": 1200, "loss": Spread.of([1.0, 2.0])},
        {"name": "b", "size": 7, "loss": Spread.of([0.123456])},
    ]
    shown = write_study_table(tmp_path / "table", rows, {"size": ",", "loss": ".2f"})
    assert shown == "| name | size | loss |\n| --- | ---: | ---: |\n| a | 1,200 | 1.50 ± 0.71 |\n| b | 7 | 0.12 |\n"
    assert (tmp_path / "table.md").read_text() == shown
    read = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert read[0] == {"name": "a", "size": "1200", "loss": "1.5", "loss sd": str(math.sqrt(0.5)), "loss n": "2"}
    assert read[1] == {"name": "b", "size": "7", "loss": "0.123456", "loss sd": "", "loss n": "1"}


@dataclass
class Axes:
    sizes: list
    widths: list
    epochs: list


def test_an_axis_lists_each_value_once():
    check_axis(Axes(["small"], [1, 2], []), "sizes", ("small", "large"))
    check_axis(Axes([], [1, 2], []), "widths")
    for values in ([], ["small", "small"], ["tiny"]):
        with pytest.raises(UserError, match="sizes: got .*; give one or more of small and large, each once"):
            check_axis(Axes(values, [], []), "sizes", ("small", "large"))
    with pytest.raises(UserError, match="numbers from 1 on"):
        check_axis(Axes([], [0, 2], []), "widths")


def test_a_value_for_all_or_one_each():
    assert one_each(Axes([], [1, 2], [3]), "epochs", "widths") == {1: 3, 2: 3}
    assert one_each(Axes([], [1, 2], [3, 4]), "epochs", "widths") == {1: 3, 2: 4}
    with pytest.raises(UserError, match="epochs: got .* one for each of widths"):
        one_each(Axes([], [1, 2], [3, 4, 5]), "epochs", "widths")
