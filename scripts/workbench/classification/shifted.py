"""Answers of trained classifiers to test sets beside their own: kept run by run, and not asked for twice."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

from workbench.runs.predictions import PREDICTIONS_FILE, Predictions, read_predictions, write_predictions
from workbench.runs.results import RESULTS_FILE, RunResults
from workbench.studies.cells import take_shard
from workbench.studies.comparison import Setting

from .evaluation import Evaluated

FOLDER = "evaluations"


def answer_all(settings: list[Setting], shifts: list, split: str, study: Path, shard: str) -> list[Setting] | None:
    """The settings of the answers, of which this machine's share of the runs is asked for now.

    Returns:
        None, with a word about it, while other shards are at work.
    """
    places = {run: place_of(study, setting, run) for setting in settings for run in setting.folders}
    for run in take_shard(list(places), shard):
        print(f"{run} …", flush=True)
        answer_shifts(run, shifts, places[run], split)
    missing = sum(not is_answered(run, shifts, place) for run, place in places.items())
    if missing:
        print(
            f"{missing} of {len(places)} runs have not answered: start this again when the other shards have\n{study}"
        )
        return None
    return [Setting.read(setting.name, [places[run] for run in setting.folders]) for setting in settings]


def place_of(study: Path, setting: Setting, run: Path) -> Path:
    """The folder of a run's answers."""
    name = run.name if setting.name in run.name else f"{setting.name}-{run.name}"
    return study / FOLDER / name.replace("/", "_")


def answer_shifts(run: Path, shifts: list, folder: Path, split: str, progress=print) -> None:
    """Writes a run's answers to each of the `shifts` into `folder`, as a run's answers to its splits are kept.

    Answers that are there already are not asked for again, unless the texts or the run have changed since; nor are the
    answers to the original texts that the run itself has kept.

    Args:
        shifts: with `name`, `examples`, `ids` and `digest` each; the first one is the run's own `split`.
    """
    results, mark = RunResults.read(run), _digest(run)
    answers, digests = _earlier(folder, mark)
    if (waiting := [shift for shift in shifts if digests.get(shift.name) != shift.digest]) == []:
        return
    folder.mkdir(parents=True, exist_ok=True)
    model, started = Evaluated.load(str(run)), time.perf_counter()
    for shift in waiting:
        kept = _kept(run, split, shift) if shift is shifts[0] else None
        answers[shift.name] = kept or model.answer(shift.examples, shift.ids)
        digests[shift.name] = shift.digest
        _write(folder, results, mark, model, answers, digests, time.perf_counter() - started)
        progress(f"    {shift.name}: {len(shift.ids):,} texts, {time.perf_counter() - started:.0f} s")


def is_answered(run: Path, shifts: list, folder: Path) -> bool:
    """Whether a run's answers to all of the shifts are there."""
    digests = _earlier(folder, _digest(run))[1]
    return all(digests.get(shift.name) == shift.digest for shift in shifts)


def _digest(run: Path) -> str:
    return hashlib.sha256((run / RESULTS_FILE).read_bytes()).hexdigest()[:16]


def _earlier(folder: Path, mark: str) -> tuple[dict[str, Predictions], dict[str, str]]:
    """The answers in the folder and the digests of their texts; none if they are of another run."""
    if not (folder / RESULTS_FILE).is_file() or not (folder / PREDICTIONS_FILE).is_file():
        return {}, {}
    told = (RunResults.read(folder).facts or {}).get("evaluation") or {}
    if told.get("run") != mark:
        return {}, {}
    return read_predictions(folder), dict(told["digests"])


def _kept(run: Path, split: str, shift) -> Predictions | None:
    """The answers to these examples that the run has kept; None if it has not."""
    if not (run / PREDICTIONS_FILE).is_file():
        return None
    whole = read_predictions(run).get(split)
    places = {name: place for place, name in enumerate(whole.ids)} if whole else {}
    if not set(shift.ids) <= places.keys():
        return None
    order = [places[name] for name in shift.ids]
    picked = {
        name: [getattr(whole, name)[place] for place in order]
        for name in ("labels", "predictions", "probabilities")
        if getattr(whole, name)
    }
    return replace(whole, ids=list(shift.ids), **picked)


def _write(folder: Path, results: RunResults, mark: str, model: Evaluated, answers, digests, seconds: float) -> None:
    """The answers first, then results.json, which tells of which texts they are."""
    write_predictions(folder, answers)
    scores = {name: model.score(its) for name, its in answers.items()}
    sizes = {name: len(its.ids) for name, its in answers.items()}
    facts = {**(results.facts or {}), "evaluation": {"run": mark, "digests": digests}}
    RunResults(scores, sizes, results.parameters, {"evaluate": seconds}, results.seed, facts=facts).write(folder)
