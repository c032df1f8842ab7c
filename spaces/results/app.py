"""Studies, read from their `study.json`, README, figures and the `results.json` of their runs: one on a page.

RESULTS_DIR names a folder, or else RESULTS_REPO a data set or model on the Hub, with STUDY/RUN/results.json in it;
without either, the studies that are part of this Space are shown.
"""

import html
import os
import sys
from pathlib import Path

import gradio as gr
from drawing import draw_parts
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from rows import SORTS, show
from study import Library, Run, Score, Study, average

ALL, OWN = "all", "as reported"
BUNDLED = Path(__file__).parent / "studies"
PATTERNS = ["*results.json", "*study.json", "*README.md", "*.png"]
MAX_RUNS_SHOWN, MAX_COLUMNS, MAX_SKIPPED = 300, 12, 50


class App:
    """The page and the endpoints of a library of studies."""

    def __init__(self, library: Library):
        self.library = library
        self.studies = library.studies

    def first(self) -> str | None:
        """The study to open on: one that was written about, and the largest of those."""
        ranks = {name: (bool(study.written), len(study.runs)) for name, study in self.studies.items()}
        return max(ranks, key=ranks.get, default=None)

    def results(self, study: str = ALL, split: str = ALL, metric: str = ALL, words: str = "") -> dict:
        """The results that match, run by run and as means over seeds.

        Args:
            study: a study's name, or "all".
            split: "test", "validation", …, or "all".
            metric: "word_accuracy", "loss", …, or "all".
            words: words that the study's and the run's names must contain.

        Returns:
            runs, means (with sample standard deviation and n), and skipped: files that could not be read, and why.
        """
        studies = [item for item in self.studies.values() if study in (ALL, item.name)]
        rows = [row for item in studies for run in with_words(item.runs, words) for row in run.rows()]
        rows = [row for row in rows if split in (ALL, row["split"]) and metric in (ALL, row["metric"])]
        return {"runs": rows, "means": average(rows), "skipped": self.library.skipped}

    def study(self, study: str) -> dict:
        """A study: what was written about it, and its settings with means, intervals and verdicts.

        Args:
            study: the study's name.

        Returns:
            name, title, sentences (Markdown), parts (a task each, with its metric, split and rows, one a setting), and
            figures (file names). Where nothing was written, means and Student's 95 % intervals are of the runs.
        """
        found = self.studies.get(study)
        if found is None:
            known = ", ".join(sorted(self.studies)[:20]) or "none"
            raise gr.Error(f"There is no study of that name; there are: {known}")
        return {"name": found.name, **found.describe(), "figures": self.captions(found)}

    def captions(self, study: Study) -> list[str]:
        home = self.library.root / study.name
        return [
            path.relative_to(home if path.is_relative_to(home) else self.library.root).as_posix()
            for path in study.figures
        ]

    def open(self, study: str | None, sort: str, words: str) -> tuple:
        """The page of a study: its choice of scores, sentences, parts, figures and runs."""
        found = self.studies.get(study)
        if found is None:
            return gr.Dropdown(choices=[OWN], value=OWN), "There are no results.", "", gr.Gallery(visible=False), ""
        content = found.describe()
        scores = gr.Dropdown(choices=[OWN, *map(label, found.scores())], value=OWN)
        sentences = [f"## {escape(content['title'])}", *map(escape, content["sentences"])]
        figures = list(zip(map(str, found.figures), self.captions(found), strict=True))
        gallery = gr.Gallery(value=figures, visible=bool(figures))
        return scores, "\n\n".join(sentences), self.draw(study, OWN, sort), gallery, self.list_runs(study, words)

    def draw(self, study: str | None, score: str, sort: str) -> str:
        """The parts of a study."""
        found = self.studies.get(study)
        if found is None:
            return ""
        chosen = next((item for item in found.scores() if label(item) == score), None)
        return draw_parts(found.describe(chosen)["parts"], sort)

    def list_runs(self, study: str | None, words: str) -> str:
        """A row for each run, a column for each of its scores."""
        found = self.studies.get(study)
        return run_table(with_words(found.runs, words)) if found else ""


def label(score: Score) -> str:
    split, metric = score
    return f"{metric}, {split}"


def with_words(runs: list[Run], words: str | None) -> list[Run]:
    needles = (words or "")[:200].lower().split()
    return [run for run in runs if all(needle in f"{run.study}/{run.name}".lower() for needle in needles)]


def escape(markdown: str) -> str:
    """Strangers' Markdown without HTML, and with links in place of images, which other servers would be asked for."""
    return markdown.replace("<", "&lt;").replace("![", "[")


def run_table(runs: list[Run]) -> str:
    scores = sorted({score for run in runs for score in run.values})[:MAX_COLUMNS]
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("run", "seed", *map(label, scores)))
    lines = ""
    for run in runs[:MAX_RUNS_SHOWN]:
        values = (show(run.values[score]) if score in run.values else "" for score in scores)
        cells = (html.escape(cell) for cell in (run.name, str(run.seed), *values))
        lines += f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    more = f"<p>The first {MAX_RUNS_SHOWN} of {len(runs):,} runs.</p>" * (len(runs) > MAX_RUNS_SHOWN)
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>{more}"
    return f'<div class="table scroll" tabindex="0">{body if runs else "<p>No runs.</p>"}</div>'


def list_skipped(skipped: list[str]) -> str:
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in skipped[:MAX_SKIPPED])
    more = f"<li>… and {len(skipped) - MAX_SKIPPED:,} more</li>" * (len(skipped) > MAX_SKIPPED)
    return f'<details class="skipped"><summary>Skipped: {len(skipped):,}</summary><ul>{lines}{more}</ul></details>'


def build(app: App) -> gr.Blocks:
    """The page and its endpoints."""
    library, first = app.library, app.first()
    private = {"trigger_mode": "always_last", "show_progress": "hidden", "api_visibility": "private"}
    with gr.Blocks(title="Results", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown("# Results\nWhat a study measured: its settings side by side, every seed, and how sure one can be.")
        if library.skipped:
            gr.HTML(list_skipped(library.skipped), elem_id="skipped")
        with gr.Row():
            study = gr.Dropdown(sorted(app.studies), value=first, label="Study", min_width=200)
            score = gr.Dropdown([OWN], value=OWN, label="Score", min_width=150)
            sort = gr.Dropdown(list(SORTS), value=SORTS[0], label="Sort by", min_width=150)
        sentences = gr.Markdown(elem_id="sentences")
        parts = gr.HTML(elem_id="parts")
        figures = gr.Gallery(
            label="Figures", elem_id="figures", object_fit="contain", buttons=["download", "fullscreen"]
        )
        with gr.Accordion("Runs", open=False):
            words = gr.Textbox(label="Name contains", max_length=200)
            runs = gr.HTML(elem_id="runs")
        total = sum(len(item.runs) for item in app.studies.values())
        gr.HTML(f'<p class="footer">Loaded: {html.escape(library.name)}, {total:,} runs</p>')
        shown = [score, sentences, parts, figures, runs]
        gr.on([page.load, study.input], app.open, [study, sort, words], shown, **private)
        gr.on([score.input, sort.input], app.draw, [study, score, sort], parts, **private)
        words.change(app.list_runs, [study, words], runs, **private)
        gr.api(app.results, api_name="results")
        gr.api(app.study, api_name="study")
    return page.queue(max_size=64, default_concurrency_limit=2)


def find_results() -> tuple[Path, str]:
    """The folder of results and its name: RESULTS_DIR, or a snapshot of RESULTS_REPO, or what is part of this Space.

    Raises:
        SystemExit: what is named is not there; one line has said why.
    """
    folder, repo = os.environ.get("RESULTS_DIR"), os.environ.get("RESULTS_REPO")
    if not folder and not repo:
        return BUNDLED, BUNDLED.name
    if folder and Path(folder).is_dir():
        return Path(folder).resolve(), Path(folder).resolve().name
    reason = f"RESULTS_DIR is no folder: {folder}"
    for kind in ("dataset", "model") if repo and not folder else ():
        try:
            return Path(snapshot_download(repo, repo_type=kind, allow_patterns=PATTERNS)), repo
        except RepositoryNotFoundError:
            reason = f"the Hub has no data set or model {repo} that this Space may read"
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = f"{repo} could not be fetched: {str(error).splitlines()[0]}"
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    theme = gr.themes.Soft(primary_hue="pink", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    app = App(Library(*find_results()))
    figures = [str(path) for study in app.studies.values() for path in study.figures]
    style = Path(__file__).parent / "style.css"
    build(app).launch(theme=theme, css_paths=style, allowed_paths=figures, footer_links=[], ssr_mode=False)
