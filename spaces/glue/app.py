"""The metrics' page: choose a GLUE task, paste predictions and references, one number per line, and see the scores."""

from functools import cache, partial
from pathlib import Path

import evaluate
import gradio as gr

LONGEST_INPUT = 1_000_000  # characters
MOST_WAITING = 64
MODULE = str(Path(__file__).with_name("glue.py"))
TASKS = (
    "cola",
    "stsb",
    "mrpc",
    "qqp",
    "sst2",
    "mnli",
    "mnli_matched",
    "mnli_mismatched",
    "qnli",
    "rte",
    "wnli",
    "hans",
)
EXAMPLES = [("mrpc", "1\n0\n1\n1", "1\n0\n0\n1"), ("stsb", "0\n1\n4.5", "0\n1\n5")]


@cache
def load(task: str) -> evaluate.Metric:
    return evaluate.load(MODULE, task)


def score(task: str, predictions: str, references: str) -> dict[str, float]:
    """The metrics of a GLUE task.

    Args:
        task: one of TASKS.
        predictions: the model's answers, one number per line.
        references: the right ones, in the same order.
    """
    if task not in TASKS:
        raise gr.Error(f"Choose one of {', '.join(TASKS)}.")
    if max(len(predictions), len(references)) > LONGEST_INPUT:
        raise gr.Error(f"At most {LONGEST_INPUT:,} characters on either side.")
    answers, right = (read(text, task) for text in (predictions, references))
    if len(answers) != len(right) or len(right) < 2:
        raise gr.Error(f"{len(answers)} predictions and {len(right)} references: give as many of each, at least two.")
    return load(task).compute(predictions=answers, references=right)


def read(text: str, task: str) -> list[float] | list[int]:
    """One number per line: classes are whole, STS-B's similarities are not."""
    try:
        return [float(line) if task == "stsb" else int(line) for line in text.split()]
    except ValueError as error:
        kind = "numbers" if task == "stsb" else "whole numbers"
        raise gr.Error(f"One per line, {kind} only.") from error


def build() -> gr.Blocks:
    """The page, with the endpoint /score."""
    with gr.Blocks(title="GLUE", analytics_enabled=False) as page:
        gr.Markdown("# GLUE's metrics\nOne number per line on both sides.")
        task = gr.Dropdown(TASKS, value="mrpc", label="Task")
        with gr.Row():
            answers = gr.Textbox(label="Predictions", lines=8)
            right = gr.Textbox(label="References", lines=8)
        with gr.Row():
            for example in EXAMPLES:  # gr.Examples fails at times while the page loads
                fill = gr.Button(f"Example: {example[0]}", size="sm", min_width=100)
                fill.click(partial(list, example), None, [task, answers, right], api_visibility="private")
        button = gr.Button("Score", variant="primary")
        scores = gr.JSON(label="Scores")
        button.click(score, [task, answers, right], scores, api_name="score")
    return page.queue(max_size=MOST_WAITING)


if __name__ == "__main__":
    theme = gr.themes.Soft(primary_hue="pink", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    build().launch(theme=theme, footer_links=[], ssr_mode=False)
