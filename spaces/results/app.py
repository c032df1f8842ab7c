"""Tables and figures of studies, read from their `results.json` files.

RESULTS_DIR names a folder, or else RESULTS_REPO a data set or model on the Hub, with STUDY/RUN/results.json in it;
without either, the studies that are part of this Space are shown.
"""

import base64
import html
import io
import math
import os
import sys
from pathlib import Path

import gradio as gr
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from matplotlib.figure import Figure
from reading import MAX_BYTES, average, read_folder, study_of

ALL = "all"
BUNDLED = Path(__file__).parent / "studies"
MAX_ROWS, MAX_PICTURES, MAX_BARS = 500, 24, 30
RUN_COLUMNS = ("study", "run", "split", "metric", "value", "seed", "parameters")
MEAN_COLUMNS = ("study", "setting", "split", "metric", "mean", "sd", "n", "parameters")
FAVOURITES = {"split": ("test",), "metric": ("word_accuracy", "accuracy")}
SORTS = ("study", "setting", "split", "metric", "value", "parameters")
CSS = """
.gradio-container .html-container { padding: 0; }
.table, .cards { overflow-wrap: anywhere; } .table table { width: 100%; border: 0; border-collapse: collapse; }
.table th, .table td { text-align: left; padding: 5px 8px; border: 0; border-bottom: 1px solid #8886; }
.table tr { border: 0; }
.table .number { font-variant-numeric: tabular-nums; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; align-items: start; }
.cards figure { background: white; color: #333; border-radius: 10px; padding: 10px; margin: 0; }
.skipped { background: #fdf3d8; color: #5c4400; border-radius: 10px; padding: 10px 16px; overflow-wrap: anywhere; }
.skipped *, .cards figcaption { color: inherit; } .skipped ul { margin: 4px 0 0 18px; }
.footer { opacity: 0.7; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  .table thead { display: none; } .table table, .table tbody { display: block; }
  .table tr { display: grid; grid-template-columns: 1fr 1fr; padding: 8px 0; border-bottom: 2px solid #8886; }
  .table td { border: 0; padding: 2px 8px; }
  .table td::before { content: attr(data-column); display: block; font-size: 0.75rem; opacity: 0.6; }
}
"""


def show_value(value) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def table(rows: list[dict], columns: tuple[str, ...]) -> str:
    """The rows as an HTML table; on a phone each row becomes a card."""
    lines = []
    for row in rows[:MAX_ROWS]:
        numbers = {name: not isinstance(row[name], str) for name in columns}
        cells = (
            f'<td data-column="{name}"{" class=number" * numbers[name]}>{html.escape(show_value(row[name]))}</td>'
            for name in columns
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{name}</th>" for name in columns)
    more = f"<p>The first {MAX_ROWS} of {len(rows):,} rows: filter to see others.</p>" * (len(rows) > MAX_ROWS)
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>{more}"
    return f'<div class="table">{body if rows else "<p>No results.</p>"}</div>'


def draw(means: list[dict], split: str, metric: str) -> str:
    """Mean ± sd of one metric on one split, a bar per setting, as an HTML image."""
    means = [row for row in means if (row["split"], row["metric"]) == (split, metric) and math.isfinite(row["mean"])]
    means = means[:MAX_BARS][::-1]
    if not means:
        return "<p>Choose a split and a metric that have results to see them compared.</p>"
    figure = Figure(figsize=(6.5, 1.3 + 0.35 * len(means)), layout="constrained")
    axis = figure.subplots()
    names = [f"{row['setting'][:40]} (n = {row['n']})".replace("$", r"\$") for row in means]
    axis.barh(
        range(len(means)), [row["mean"] for row in means], xerr=[row["sd"] or math.nan for row in means], capsize=3
    )
    axis.set_yticks(range(len(means)), names, fontsize=9)
    axis.set_xlabel(f"{split} {metric}, mean ± sd".replace("$", r"\$"), fontsize=9)
    axis.grid(axis="x", alpha=0.3)
    figure.savefig(png := io.BytesIO(), format="png", dpi=130)
    return f'<div class="cards">{picture(png.getvalue(), f"{metric} on {split}")}</div>'


def picture(png: bytes, caption: str) -> str:
    data, caption = base64.b64encode(png).decode(), html.escape(caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


class App:
    """The results under `root`, which the page calls `name`, and what the page and the endpoint show of them."""

    def __init__(self, root: Path, name: str):
        self.root, self.name = root, name
        self.rows, self.skipped = read_folder(root, name)
        self.pictures = {path: study_of(root, path.parent, name) for path in sorted(root.rglob("*.png"))}

    def choices(self, column: str) -> list[str]:
        return [ALL, *sorted({row[column] for row in self.rows})]

    def chosen(self, study: str, split: str, metric: str, words: str) -> list[dict]:
        wanted = {"study": study, "split": split, "metric": metric}
        rows = [row for row in self.rows if all(value in (ALL, row[name]) for name, value in wanted.items())]
        needles = words[:200].lower().split()
        return [row for row in rows if all(needle in f"{row['study']}/{row['run']}".lower() for needle in needles)]

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
        rows = self.chosen(study, split, metric, words)
        return {"runs": rows, "means": average(rows), "skipped": self.skipped}

    def show(self, study: str, split: str, metric: str, words: str, sort: str, descending: bool) -> tuple:
        """The page: the figure, the table of means, the table of runs, the pictures."""
        rows = sorted(self.chosen(study, split, metric, words), key=lambda row: row[sort], reverse=descending)
        means = average(rows)
        if sort == "value":
            means.sort(key=lambda row: row["mean"], reverse=descending)
        return (
            draw(means, split, metric),
            table(means, MEAN_COLUMNS),
            table(rows, RUN_COLUMNS),
            self.show_pictures(study),
        )

    def show_pictures(self, study: str) -> str:
        """The figures that lie beside the results of a study, or of all; broken and huge files are named."""
        found = [path for path, name in self.pictures.items() if study == ALL or f"{name}/".startswith(f"{study}/")]
        cards = []
        for path in found[:MAX_PICTURES]:
            name, png = str(path.relative_to(self.root)), path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
            fine = png.startswith(b"\x89PNG\r\n")
            cards.append(picture(png, name) if fine else f'<p class="skipped">{html.escape(name)}: not shown</p>')
        more = f"<p>{MAX_PICTURES} of {len(found)} figures: choose a study to see its own.</p>" * (
            len(found) > len(cards)
        )
        return f'<div class="cards">{"".join(cards)}</div>{more}'


def build(app: App) -> gr.Blocks:
    """The page and its endpoint."""
    with gr.Blocks(title="Results", analytics_enabled=False) as page:
        gr.Markdown("# Results\nWhat the studies measured: every run, and mean and spread over seeds.")
        if app.skipped:
            lines = "".join(f"<li>{html.escape(line)}</li>" for line in app.skipped[:20])
            skipped = f'<div class="skipped">Skipped, {len(app.skipped)} in all:<ul>{lines}</ul></div>'
            gr.HTML(skipped, elem_id="skipped")
        with gr.Row():
            boxes = {}
            for name in ("study", "split", "metric"):
                choices = app.choices(name)
                value = next((wanted for wanted in FAVOURITES.get(name, ()) if wanted in choices), ALL)
                boxes[name] = gr.Dropdown(choices, value=value, label=name.capitalize(), min_width=140)
            words = gr.Textbox(label="Name contains", min_width=140, max_length=200)
            sort = gr.Dropdown(list(SORTS), value="study", label="Sort by", min_width=140)
            descending = gr.Checkbox(label="Largest first", min_width=140)
        inputs = [*boxes.values(), words, sort, descending]
        parts = []
        for title in ("Comparison", "Means over seeds", "Runs", "Figures"):
            gr.Markdown(f"### {title}")
            parts.append(gr.HTML(elem_id=title.split()[0].lower()))
        gr.HTML(f'<p class="footer">Loaded: {html.escape(app.name)}, {len(app.rows):,} values</p>')
        events = [page.load, *(box.change for box in inputs)]
        shown = {"trigger_mode": "always_last", "show_progress": "hidden", "api_visibility": "private"}
        gr.on(events, app.show, inputs, parts, **shown)
        gr.api(app.results, api_name="results")
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
            return Path(snapshot_download(repo, repo_type=kind, allow_patterns=["*results.json", "*.png"])), repo
        except RepositoryNotFoundError:
            reason = f"the Hub has no data set or model {repo} that this Space may read"
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason = f"{repo} could not be fetched: {str(error).splitlines()[0]}"
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    theme = gr.themes.Soft(primary_hue="pink", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    build(App(*find_results())).launch(theme=theme, css=CSS, footer_links=[], ssr_mode=False)
