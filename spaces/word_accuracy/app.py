"""The metric's page: paste what a model wrote and what is right, one word per line, and see the three scores."""

from pathlib import Path

import evaluate
import gradio as gr

LONGEST_INPUT = 1_000_000  # characters
MOST_WAITING = 64
METRIC = evaluate.load(str(Path(__file__).with_name("word_accuracy.py")))
EXAMPLES = [
    ["eamtay\neetstray", "eamtay\neetstrey", ""],
    ["tʃ a o\nb ɔ n", "tʃ a u\nb ɔ n", " "],
]


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
    with gr.Blocks(title="Word accuracy") as page:
        gr.Markdown("# Word accuracy\nOne word per line on both sides. CER and SER are corpus ratios; 0 is best.")
        with gr.Row():
            written = gr.Textbox(label="Written by the model", lines=8)
            right = gr.Textbox(label="Right", lines=8)
        separator = gr.Textbox(label="Separator between symbols (for SER; empty: every character)", max_lines=1)
        button = gr.Button("Score", variant="primary")
        with gr.Row():
            names = ("Word accuracy", "Character error rate", "Symbol error rate")
            scores = [gr.Number(label=name, precision=4, interactive=False) for name in names]
        button.click(score, [written, right, separator], scores, api_name="score")
        gr.Examples(EXAMPLES, [written, right, separator])
    return page.queue(max_size=MOST_WAITING)


if __name__ == "__main__":
    build().launch()
