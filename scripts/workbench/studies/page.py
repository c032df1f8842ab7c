"""A study's table, sentences, `study.json` and page, made of comparisons."""

import json
import math
from pathlib import Path

from workbench.escapes import markdown_text
from workbench.files import write_whole
from workbench.runs.metrics import metric_name

from .comparison import Comparison, Setting, level
from .report import Spread, write_study_table
from .statistics import SIGN_TEST_NOTE, Estimate

SCHEMA = 1
STUDY_FILE = "study.json"
FIGURE = "scores.png"
# Scores from 0 to 1, whose interval ends there.
SHARES = ("accuracy", "word_accuracy", "f1", "macro_f1")
FORMS = {"value": ".4f", "share": ".2%", "seconds per epoch": ".1f"} | dict.fromkeys(
    ("n", "trained parameters", "peak memory (MiB)"), ",.0f"
)


def show_difference(one: Estimate | None) -> str:
    """The mean with its 95 % interval, signed; nothing for None."""
    if one is None:
        return ""
    interval = "" if one.interval is None else " [{:+.4f}, {:+.4f}]".format(*one.interval)
    return f"{one.mean:+.4f}{interval}"


def table_rows(parts: list[Comparison], kind: str) -> list[dict[str, object]]:
    """A row per setting of each part, in the order of the study; the majority class has one of its own above them.

    Args:
        kind: of the settings, a column's name: strategy, say.
    """
    baselines = list(dict.fromkeys(part.baseline for part in parts if part.baseline))
    against = f"difference to {baselines[0] if len(baselines) == 1 else 'the baseline'} [95 %]"
    rows = []
    for part in parts:
        if part.majority is not None:
            rows.append({"task": part.name, kind: "majority class", "score": part.score_name, "value": part.majority})
        rows += [_row(part, setting, kind, against) for setting in part.settings]
    named = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name, "") for name in named} for row in rows]


def _row(part: Comparison, setting: Setting, kind: str, against: str) -> dict[str, object]:
    run, values = setting.runs[0], setting.values(part.split, part.metric)
    row = {
        "task": part.name,
        kind: setting.name,
        "score": part.score_name,
        "value": Spread.of(values),
        "n": len(values),
        against: show_difference(part.differences.get(setting.name)),
        "verdict": part.verdicts.get(setting.name, ""),
        "trained parameters": run.parameters.get("trainable", run.parameters.get("total", "")),
    }
    if "trainable" in run.parameters:
        row["share"] = run.parameters["trainable"] / run.parameters["total"]
    if all("epoch" in one.seconds for one in setting.runs):
        row["seconds per epoch"] = Spread.of(one.seconds["epoch"] for one in setting.runs)
    memory = [(one.facts or {}).get("peak_memory_mib") for one in setting.runs]
    if all(memory):
        row["peak memory (MiB)"] = max(memory)
    return row


def sentences(parts: list[Comparison]) -> list[str]:
    """Each part's verdicts, the difference that could have been shown, and the method."""
    text = [sentence for part in parts for sentence in _part_sentences(part)]
    return text + ([_method(parts)] if any(part.differences for part in parts) else [])


def _part_sentences(part: Comparison) -> list[str]:
    seeds = sorted({seed for setting in part.settings for seed in setting.seeds})
    where = f"**{markdown_text(part.name)}**, {metric_name(part.metric)} on the {part.split} split"
    where += f" ({part.examples:,} examples)" if part.examples else ""
    where += f", seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    text = [f"{where}: {_verdicts(part)}"]
    if part.detectable is not None:
        text.append(
            f"On {markdown_text(part.name)}, this test set and these seeds could have shown a difference of about "
            f"{part.detectable:.3f} (80 % power, median over {_count(part.differences)})."
        )
    if part.majority is not None:
        below = [markdown_text(one.name) for one in part.settings if _mean(one, part) <= part.majority]
        told = f"; not better than that: {', '.join(below)}." if below else "."
        always = f"Always answering {markdown_text(part.name)}'s commonest training class"
        text.append(f"{always} is right in {part.majority:.1%}{told}")
    return text


def _count(differences: dict) -> str:
    return f"{len(differences)} comparison{'s' if len(differences) > 1 else ''}"


def _mean(setting: Setting, part: Comparison) -> float:
    return Spread.of(setting.values(part.split, part.metric)).mean


def _verdicts(part: Comparison) -> str:
    """ "against full, worse: frozen (-0.0626 [-0.0988, -0.0263]); cannot tell: lora (…)." """
    if not part.differences:
        means = [Spread.of(one.values(part.split, part.metric)).show(".4f") for one in part.settings]
        names = [markdown_text(one.name) for one in part.settings]
        return f"{', '.join(f'{name} {mean}' for name, mean in zip(names, means, strict=True))}."
    said = []
    for verdict in ("better", "worse", "cannot tell"):
        names = [name for name, its in part.verdicts.items() if its == verdict]
        if names:
            shown = [f"{markdown_text(name)} ({show_difference(part.differences[name])})" for name in names]
            said.append(f"{verdict}: {', '.join(shown)}")
    return f"against {markdown_text(part.baseline)}, {'; '.join(said)}."


def _method(parts: list[Comparison]) -> str:
    differences = [one for part in parts for one in part.differences.values()]
    methods = list(dict.fromkeys(one.method for one in differences))
    single = " One run says nothing about other seeds: cannot tell." if any(d.seeds < 2 for d in differences) else ""
    few = f" {SIGN_TEST_NOTE}" if any(1 < d.seeds <= 5 for d in differences) else ""
    return (
        "Values are mean ± sample standard deviation; in brackets the 95 % interval of the difference "
        f"({'; '.join(methods)}); verdicts are at 0.05 after Holm's correction over a task's settings.{single}{few}"
    )


def study_content(title: str, text: list[str], parts: list[Comparison]) -> dict:
    """The content of `study.json`; NaN is null there."""
    return {"schema": SCHEMA, "title": title, "sentences": text, "parts": [_part_content(part) for part in parts]}


def _part_content(part: Comparison) -> dict:
    majority = part.majority
    return {
        "name": part.name,
        "split": part.split,
        "examples": part.examples,
        "metric": part.metric,
        "metric_name": metric_name(part.metric),
        "higher_is_better": part.higher_is_better,
        "baseline": part.baseline,
        "reference": None if majority is None else {"name": "majority class", "value": majority},
        "detectable": part.detectable,
        "rows": [_row_content(part, setting) for setting in part.settings],
    }


def _row_content(part: Comparison, setting: Setting) -> dict:
    values = setting.values(part.split, part.metric)
    spread, ends = Spread.of(values), level(setting, part.split, part.metric).interval or (None, None)
    if ends[0] is not None and part.metric in SHARES:
        ends = (max(0.0, ends[0]), min(1.0, ends[1]))
    one, parameters = part.differences.get(setting.name), setting.runs[0].parameters
    low, high = (one and one.interval) or (None, None)
    return {
        "setting": setting.name,
        "runs": [folder.name for folder in setting.folders],
        "values": {str(seed): value for seed, value in zip(setting.seeds, values, strict=True)},
        "mean": spread.mean,
        "sd": None if math.isnan(spread.sd) else spread.sd,
        "n": spread.n,
        "low": ends[0],
        "high": ends[1],
        "trained": parameters.get("trainable"),
        "total": parameters.get("total"),
        "difference": one and {"mean": one.mean, "low": low, "high": high, "method": one.method},
        "verdict": part.verdicts.get(setting.name, ""),
    }


def write_study(
    folder: Path,
    title: str,
    parts: list[Comparison],
    kind: str = "setting",
    intro: str = "",
    more: tuple[str, ...] = (),
) -> str:
    """Writes table.md, table.csv, scores.png, scores.json, study.json and README.md; returns the table.

    Args:
        kind: see `table_rows`.
        intro: stands below the title, `more` at the page's end.
    """
    from .figures import draw_scores

    text = sentences(parts)
    table = write_study_table(folder / "table", table_rows(parts, kind), FORMS)
    content = study_content(title, text, parts)
    draw_scores(content["parts"], folder / FIGURE)
    write_whole(folder / STUDY_FILE, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    page = [f"# {title}", intro, "\n\n".join(text), f"![Scores of every seed]({FIGURE})", table, *more]
    write_whole(folder / "README.md", "\n\n".join(part.strip() for part in page if part) + "\n")
    return table
