"""What the page shows of a translation, as HTML; whatever a visitor typed is text in it, never a tag."""

import base64
import html
import io

from matplotlib.figure import Figure
from translation import Piece

CSS = """
.gradio-container .html-container { padding: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; }
.card { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 10px;
  padding: 12px 16px; overflow-wrap: anywhere; white-space: pre-wrap; }
.card p { font-size: 1.3rem; line-height: 1.6; margin: 4px 0 8px; } .card b, .footer { opacity: 0.7; }
.card mark { background: #fde2e1; color: #8a1c13; border-bottom: 2px solid #c5221f; padding: 0 3px; }
.card u { text-decoration: underline dotted; } .card small { font-size: 0.9rem; }
.card img { background: white; border-radius: 6px; margin: auto; }
"""


def summarise(pieces: list[Piece]) -> str:
    """How the model's words compare with the rule's, and which it could not read, in two lines at most."""
    read = [piece for piece in pieces if piece.kind in ("right", "differs")]
    wrong = [f"{piece.written} (rule: {piece.rule})" for piece in read if piece.kind == "differs"]
    left = [piece.written[:40] for piece in pieces if piece.kind == "left"]
    lines = [f"{len(wrong):,} of {len(read):,} words differ from the rule: {listed(wrong)}."] if wrong else []
    lines += [f"Left as they are, too long or with characters unknown to the model: {listed(left)}."] if left else []
    return "\n".join(lines) or ("All words as the rule has them." if read else "")


def listed(words: list[str], shown: int = 8) -> str:
    different = list(dict.fromkeys(words))
    return ", ".join(different[:shown] + ["…"] * (len(different) > shown))


def card(title: str, body: str, notes: str = "") -> str:
    return f'<div class="card"><b>{title}</b>{body}<small>{html.escape(notes)}</small></div>'


def render(pieces: list[Piece]) -> str:
    """The translation as HTML; whatever a person typed is text in it, never a tag."""
    tags = {"differs": "<mark>{}</mark>", "left": "<u>{}</u>"}
    answer = "".join(tags.get(piece.kind, "{}").format(html.escape(piece.written)) for piece in pieces)
    return f'<p aria-live="polite">{answer}</p>'


def draw(weights: list[list[float]], source: list[str], output: list[str], title: str) -> str:
    """A heatmap of attention weights, output symbols (rows) by source symbols (columns), as an HTML image."""
    figure = Figure(figsize=(2.2 + 0.3 * len(source), min(1.6 + 0.3 * len(output), 14)), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(weights, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axis.set(title=title, xlabel="source", ylabel="output")
    axis.set_xticks(range(len(source)), source)
    axis.set_yticks(range(len(output)), output)
    figure.colorbar(image, ax=axis, label="attention weight")
    figure.savefig(png := io.BytesIO(), format="png", dpi=110)
    return f'<img alt="attention, {title}" src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}">'
