"""The page of a study of strategies: every task's comparison, and score against trained parameters."""

from pathlib import Path

from workbench.runs.figures import plain, plt, save_figure
from workbench.studies.comparison import Comparison, Setting
from workbench.studies.page import write_study
from workbench.studies.report import Spread

BASELINE = "full"


def choose_baseline(settings: list[Setting]) -> str:
    """Full fine-tuning where it was run (of several encoders, the first's), else the first setting."""
    names = [setting.name for setting in settings]
    return next((name for name in names if name.split(": ")[-1] == BASELINE), names[0])


def compare_tasks(settings: dict[str, list[Setting]]) -> list[Comparison]:
    """A comparison per task, each with its own split and metric."""
    return [Comparison.of(task, found, choose_baseline(found)) for task, found in settings.items()]


def write_page(folder: Path, models: list[str], parts: list[Comparison]) -> str:
    """The study's page, tables and figures; returns the table."""
    draw_trade_off(parts, folder / "trade_off.png")
    names = [Path(model).name if Path(model).is_dir() else model for model in models]
    ways, tasks = len(parts[0].settings), len(parts)
    title = f"{ways} ways of reusing {' and '.join(names)} on {tasks} task{'s' if tasks > 1 else ''}"
    more = (*describe_mixes(parts), "![Score against trained parameters](trade_off.png)")
    return write_study(folder, title, parts, "strategy", "\n".join(map(describe_sizes, parts)), more)


def describe_sizes(part: Comparison) -> str:
    """A line of the page: how many examples, and which weights were kept."""
    sizes = ", ".join(f"{size:,} {split}" for split, size in part.settings[0].runs[0].splits.items())
    kept = "; the best epoch was chosen on these, so all scores are a little high" if part.split == "validation" else ""
    return f"- {part.name}: {sizes} examples; shown is the {part.score_name} split{kept}"


def describe_mixes(parts: list[Comparison]) -> list[str]:
    """Sentences with each learned mix of layers, from the embeddings up, averaged over the seeds."""
    told = []
    for part in parts:
        for setting in part.settings:
            mixes = [weights for run in setting.runs if (weights := (run.facts or {}).get("layer_weights"))]
            if mixes:
                means = [sum(column) / len(mixes) for column in zip(*mixes, strict=True)]
                shown = ", ".join(f"{mean:.3f}" for mean in means)
                told.append(f"{part.name}: {setting.name} weighs the layers, from the embeddings up: {shown}.")
    return told


def draw_trade_off(parts: list[Comparison], path: Path) -> None:
    """Score against trained parameters, a panel per task; bars are the standard deviation over the seeds."""
    columns = min(3, len(parts))
    rows = -(-len(parts) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(6.5 * columns, 4.5 * rows), squeeze=False, layout="constrained")
    data = []
    for axis, part in zip(axes.flat, parts, strict=False):
        ordered = sorted(part.settings, key=lambda setting: setting.runs[0].parameters["trainable"])
        for place, setting in enumerate(ordered):
            spread = Spread.of(setting.values(part.split, part.metric))
            trained = setting.runs[0].parameters["trainable"]
            bar = spread.sd if spread.n > 1 else None
            axis.errorbar(trained, spread.mean, yerr=bar, fmt="o", capsize=3)
            side, shift = ("left", 5) if place % 2 else ("right", -5)
            where = {"xytext": (shift, 4), "textcoords": "offset points", "ha": side, "fontsize": 8}
            axis.annotate(plain(setting.name), (trained, spread.mean), **where)
            point = {"task": part.name, "strategy": setting.name, "trained_parameters": trained}
            data.append({**point, "mean": spread.mean, "sd": bar, "n": spread.n})
        axis.set(xscale="log", xlabel="trained parameters", ylabel=part.score_name, title=plain(part.name))
        axis.margins(x=0.2)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(parts) :]:
        axis.remove()
    save_figure(figure, path, data)
