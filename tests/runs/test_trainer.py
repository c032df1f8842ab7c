"""What surrounds the Trainer: the data's order, checkpoints that are whole, arguments that are checked."""

import json
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerControl, TrainerState

from workbench.errors import UserError
from workbench.runs.checkpoints import (
    WHOLE_FILE,
    Divergence,
    EarlyStopping,
    WholeCheckpoints,
    check_best,
    last_whole_checkpoint,
)
from workbench.runs.sampling import LengthGroupedSampler
from workbench.runs.trainer import make_training_arguments


def test_sampling_is_a_shuffle_by_seed_and_epoch_that_groups_lengths():
    lengths = torch.randint(1, 20, (500,), generator=torch.Generator().manual_seed(0)).tolist()

    def order(seed: int, epoch: int) -> list[int]:
        sampler = LengthGroupedSampler(lengths, batch_size=16, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert sorted(order(0, 0)[:500]) == list(range(500))
    assert order(0, 3) == order(0, 3)
    assert order(0, 0) != order(0, 1) != order(1, 1)
    batches = [order(0, 0)[start : start + 16] for start in range(0, 480, 16)]
    spreads = [max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in batches]
    assert sum(spreads) / len(spreads) < 2
    firsts = [lengths[batch[0]] for batch in batches]
    assert firsts != sorted(firsts) and firsts != sorted(firsts, reverse=True)


def test_sampling_fills_the_last_batch_up_from_the_first():
    """As accelerate does, but for any number of processes, one included."""
    sampler = LengthGroupedSampler([5] * 100 + [9] * 7, batch_size=10, seed=0)
    order = list(sampler)
    assert len(order) == len(sampler) == 110 and sorted(order[:107]) == list(range(107))
    assert set(order[100:107]) == set(range(100, 107)) and order[107:] == order[:3]
    assert len(list(LengthGroupedSampler([5, 9], batch_size=8, seed=0))) == 8


def save_checkpoint(folder, step: int, best: int | None = None, limit: int | None = None) -> None:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(b"x" * 100)
    (checkpoint / "optimizer.pt").write_bytes(b"y" * 50)
    state = TrainerState(global_step=step, best_global_step=best)
    state.save_to_json(str(checkpoint / "trainer_state.json"))
    WholeCheckpoints(12.0, limit).on_save(SimpleNamespace(output_dir=folder), state, None)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_whole_checkpoint_is_found_and_broken_ones_make_room_with_a_line_each(tmp_path, capsys):
    assert last_whole_checkpoint(tmp_path) == (None, 0.0)
    for step in (20, 100, 300, 400, 500, 600, 700):
        save_checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-best").mkdir()
    (tmp_path / "checkpoint-700" / "optimizer.pt").write_bytes(b"")
    (tmp_path / "checkpoint-600" / "model.safetensors").write_bytes(b"x" * 99 + b"z")
    (tmp_path / "checkpoint-500" / WHOLE_FILE).unlink()
    (tmp_path / "checkpoint-400" / "optimizer.pt").write_bytes(b"y" * 20)
    (tmp_path / "checkpoint-300" / "model.safetensors").unlink()
    assert last_whole_checkpoint(tmp_path) == (str(tmp_path / "checkpoint-100"), 12.0)
    assert names(tmp_path) == ["checkpoint-100", "checkpoint-20", "checkpoint-best"]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 5 and all(line.endswith("; going on from checkpoint-100") for line in said)
    assert "checkpoint-700: optimizer.pt is damaged" in said[0]
    assert "checkpoint-500: was not written to its end" in said[2]
    assert json.loads((tmp_path / "checkpoint-100" / WHOLE_FILE).read_text())["files"]["optimizer.pt"] == 50


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": {}, "seconds": "x"}', '{"files": 3, "seconds": 1}', "\xff"]
)
def test_a_damaged_marker_is_a_damaged_checkpoint(tmp_path, content):
    save_checkpoint(tmp_path, 20)
    (tmp_path / "checkpoint-20" / WHOLE_FILE).write_text(content)
    assert last_whole_checkpoint(tmp_path) == (None, 0.0)
    assert names(tmp_path) == []


def test_a_checkpoint_is_loaded_by_each_of_several_processes_without_an_accelerator(tmp_path):
    torch.save({"exp_avg": torch.ones(3)}, tmp_path / "optimizer.pt")
    loaded = torch.load(tmp_path / "optimizer.pt", map_location=torch.device("cpu", 0), weights_only=True)
    assert loaded["exp_avg"].tolist() == [1.0, 1.0, 1.0]


def test_markers_without_checksums_are_believed(tmp_path):
    save_checkpoint(tmp_path, 20)
    marker = tmp_path / "checkpoint-20" / WHOLE_FILE
    marker.write_text(
        json.dumps({key: value for key, value in json.loads(marker.read_text()).items() if key != "crc32"})
    )
    assert last_whole_checkpoint(tmp_path) == (str(tmp_path / "checkpoint-20"), 12.0)


def test_older_checkpoints_go_when_the_new_one_is_whole_but_never_the_best_or_a_strangers(tmp_path):
    (tmp_path / "checkpoint-mine").mkdir()
    for step, best in ((10, 10), (20, 10), (30, 10), (40, 10)):
        save_checkpoint(tmp_path, step, best, limit=2)
    assert names(tmp_path) == ["checkpoint-10", "checkpoint-40", "checkpoint-mine"]
    save_checkpoint(tmp_path, 50, 50, limit=2)
    assert names(tmp_path) == ["checkpoint-40", "checkpoint-50", "checkpoint-mine"]


def test_a_lost_best_checkpoint_is_one_error(tmp_path):
    save_checkpoint(tmp_path, 10, best=10)
    save_checkpoint(tmp_path, 20, best=10)
    check_best(str(tmp_path / "checkpoint-20"))
    check_best(None)
    (tmp_path / "checkpoint-10" / "model.safetensors").write_bytes(b"x" * 10)
    with pytest.raises(UserError, match=r"checkpoint-10: model.safetensors is damaged, and it is the best one so far"):
        check_best(str(tmp_path / "checkpoint-20"))


def test_a_loss_that_is_no_number_ends_the_run():
    state = TrainerState(global_step=30)
    Divergence().on_evaluate(None, state, None, metrics={"eval_loss": 1.0, "eval_pearson": float("nan")})
    for value in (float("nan"), float("inf")):
        with pytest.raises(UserError, match=r"training has diverged: eval_loss is \w+ at step 30; try a lower"):
            Divergence().on_evaluate(None, state, None, metrics={"eval_loss": value})
        with pytest.raises(UserError, match="test_loss"):
            Divergence().on_predict(None, state, None, metrics={"test_loss": value})


def test_sigterm_has_a_checkpoint_written_except_where_an_evaluation_follows():
    def asks(epoch: float, **control) -> bool:
        clock, control = WholeCheckpoints(), TrainerControl(**control)
        clock.patience.has_come = True
        clock.on_step_end(None, TrainerState(epoch=epoch), control)
        return control.should_save

    assert asks(1.25)
    assert not asks(2.0) and not asks(1.25, should_evaluate=True) and not asks(1.25, should_training_stop=True)


def arguments(**overrides) -> SimpleNamespace:
    from workbench.arguments import OptimisationArguments, RunArguments

    values = {**vars(RunArguments()), **vars(OptimisationArguments()), "extra": {}, **overrides}
    return SimpleNamespace(**values)


def test_batch_sizes_that_processes_cannot_share_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="train_batch_size is 63: give a positive multiple of 2 process"):
        make_training_arguments(arguments(train_batch_size=63), 10)
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(UserError, match="eval_batch_size is 0"):
        make_training_arguments(arguments(eval_batch_size=0), 10)


def test_warm_up_is_at_most_a_tenth_of_the_steps_and_extras_reach_the_trainer(tmp_path):
    made = make_training_arguments(
        arguments(output_dir=str(tmp_path), num_train_epochs=5, warmup_steps=200, extra={"optim": "adafactor"}), 2560
    )
    assert made.warmup_steps == 20
    assert made.optim == "adafactor"


def test_what_transformers_refuses_is_one_error(tmp_path):
    with pytest.raises(UserError, match="lr_scheduler_type: unknown value 'bumpy'.*; choose one of linear, cosine"):
        make_training_arguments(arguments(output_dir=str(tmp_path), lr_scheduler_type="bumpy"), 10)


def test_early_stopping_counts_what_a_checkpoint_remembers(tmp_path):
    def stops(losses: list[float]) -> bool:
        state = TrainerState(log_history=[{"eval_loss": loss, "step": step} for step, loss in enumerate(losses)])
        control = TrainerControl()
        EarlyStopping(2).on_evaluate(None, state, control)
        return control.should_training_stop

    assert not stops([3.0, 2.0, 2.5]) and stops([3.0, 2.0, 2.5, 2.1])
    assert not stops([3.0, 2.0, 2.5, 1.9])


def test_a_run_that_had_stopped_trains_no_further_when_resumed(tmp_path):
    history = [{"eval_loss": loss, "step": 10 * step} for step, loss in enumerate([1.0, 2.0, 2.0])]
    TrainerState(global_step=30, log_history=history).save_to_json(str(tmp_path / "trainer_state.json"))
    made = make_training_arguments(arguments(output_dir=str(tmp_path), num_train_epochs=5), 640)
    EarlyStopping(3).no_more_steps(made, str(tmp_path))
    assert made.max_steps == -1
    EarlyStopping(2).no_more_steps(made, str(tmp_path))
    assert made.max_steps == 30
