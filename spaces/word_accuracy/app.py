"""The metric's page: paste what a model wrote and what is right, one word per line, and see the three scores."""

from functools import partial
from pathlib import Path

import evaluate
import gradio as gr

LONGEST_INPUT = 1_000_000  # characters
MOST_WAITING = 64
METRIC = evaluate.load(str(Path(__file__).with_name("word_accuracy.py")))
EXAMPLES = {
    "words": ("eamtay\neetstray", "eamtay\neetstrey", ""),
    "phones": ("tʃ a o\nb ɔ n", "tʃ a u\nb ɔ n", " "),
}


def score(predictions: str, references: str, separator: str = "") -> tuple[float, float, float]:
    """Word accuracy, character error rate and symbol error rate of written words.

    Args:
        predictions: what the model wrote, one word per line.
        references: the right words, in the same order.
        separator: what stands between a word's symbols; empty: every character is a symbol.
    """
    if max(len(predictions), len(references)) > LONGEST_INPUT:
        raise gr.Error(f"At most {LONGEST_INPUT:,} characters on either side.")
    written, right = (text.strip("\n").split("\n") if text.strip() else [] for text in (predictions, references))
    if not right:
        raise gr.Error("Paste at least one right word.")
    if len(written) != len(right):
        raise gr.Error(f"{len(written)} written lines, but {len(right)} right ones: one word per line on both sides.")
    scores = METRIC.compute(predictions=written, references=right, separator=separator or None)
    return scores["word_accuracy"], scores["cer"], scores["ser"]


def build() -> gr.Blocks:
    """The page, with the endpoint /score."""
    with gr.Blocks(title="Word accuracy", analytics_enabled=False) as page:
        gr.Markdown("# Word accuracy\nOne word per line on both sides. CER and SER are corpus ratios; 0 is best.")
        with gr.Row():
            written = gr.Textbox(label="Written", lines=8)
            right = gr.Textbox(label="Right", lines=8)
        about = "Between symbols, for SER; empty: every character is one."
        separator = gr.Textbox(label="Separator", info=about, max_lines=1)
        with gr.Row():
            for name, example in EXAMPLES.items():  # gr.Examples fails at times while the page loads
                fill = gr.Button(f"Example: {name}", size="sm", min_width=100)
                fill.click(partial(list, example), None, [written, right, separator], api_visibility="private")
        button = gr.Button("Score", variant="primary")
        with gr.Row():
            names = ("Word accuracy", "Character error rate", "Symbol error rate")
            scores = [gr.Number(label=name, precision=4, interactive=False) for name in names]
        button.click(score, [written, right, separator], scores, api_name="score")
    return page.queue(max_size=MOST_WAITING)


if __name__ == "__main__":
    theme = gr.themes.Soft(primary_hue="pink", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    build().launch(theme=theme, footer_links=[], ssr_mode=False)
