"""What the page shows of a translation, as HTML; whatever a visitor typed is text in it, never a tag."""

import html

from translation import Piece

CSS = """
.gradio-container .html-container { padding: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; }
.card { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 10px;
  padding: 12px 16px; overflow-wrap: anywhere; min-width: 0; }
.card p { font-size: 1.3rem; line-height: 1.6; margin: 4px 0 8px; white-space: pre-wrap; }
.card b, .footer { opacity: 0.75; } .card small { font-size: 0.9rem; }
.card mark { background: #fde2e1; color: #8a1c13; border-bottom: 2px solid #c5221f; padding: 0 3px; }
.card u { text-decoration: underline dotted; } .head { display: flex; justify-content: space-between; gap: 8px; }
.card button { font-size: 0.85rem; border: 1px solid var(--border-color-primary); border-radius: 6px; padding: 1px 9px;
  align-self: start; } .card button:hover { border-color: currentColor; }
.layers { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 8px; }
.layers input { position: absolute; opacity: 0; }
.layers label { font-size: 0.85rem; border: 1px solid var(--border-color-primary); border-radius: 6px; padding: 1px 9px;
  cursor: pointer; }
.layers input:checked + label { background: #be185d; border-color: #be185d; color: white; }
.layers input:focus-visible + label { outline: 2px solid currentColor; }
.map { display: none; order: 1; flex-basis: 100%; overflow-x: auto; margin-top: 6px; }
.map:only-child, input:checked + label + .map { display: block; }
.grid { display: grid; gap: 1px; grid-template-columns: 2.6rem repeat(var(--columns), minmax(13px, 30px)); }
.grid span { text-align: center; line-height: 26px; font-size: 0.95rem; }
.grid .special { font-size: 0.6rem; }
.grid .column.special { writing-mode: vertical-rl; white-space: nowrap; line-height: 1; place-self: end center; }
.grid i { height: 26px; background: rgba(219, 39, 119, var(--weight)); box-shadow: inset 0 0 0 1px #8883; }
.scale { display: inline-block; width: 60px; height: 10px; margin: 0 4px;
  background: linear-gradient(to right, transparent, rgb(219, 39, 119)); box-shadow: inset 0 0 0 1px #8883; }
"""
# Without a secure context, browsers have no `navigator.clipboard`.
HEAD = """<script>
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button.copy");
  if (!button) return;
  const answer = button.closest(".card").querySelector("p");
  if (navigator.clipboard) await navigator.clipboard.writeText(answer.textContent);
  else { getSelection().selectAllChildren(answer); document.execCommand("copy"); }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});
</script>"""
COPY = '<button class="copy" type="button">Copy</button>'


def summarise(pieces: list[Piece]) -> str:
    """How the model's words compare with the rule's, and which it could not read, in two lines at most."""
    judged = [piece for piece in pieces if piece.kind in ("right", "differs")]
    wrong = [f"{piece.written} (rule: {piece.rule})" for piece in judged if piece.kind == "differs"]
    left = [piece.written[:40] for piece in pieces if piece.kind == "left"]
    lines = [f"{len(wrong):,} of {len(judged):,} words differ from the rule: {listed(wrong)}."] if wrong else []
    lines += [f"Left as they are, too long or with characters unknown to the model: {listed(left)}."] if left else []
    return "\n".join(lines) or ("All words as the rule has them." if judged else "")


def listed(words: list[str], shown: int = 8) -> str:
    different = list(dict.fromkeys(words))
    return ", ".join(different[:shown] + ["…"] * (len(different) > shown))


def card(title: str, body: str, notes: str = "", action: str = "") -> str:
    head = f'<div class="head"><b>{html.escape(title)}</b>{action}</div>' if title or action else ""
    shown = html.escape(notes).replace("\n", "<br>")
    return f'<div class="card">{head}{body}<small>{shown}</small></div>'


def side_by_side(cards: list[str]) -> str:
    return f'<div class="cards">{"".join(cards)}</div>'


def render(pieces: list[Piece]) -> str:
    """The translation as HTML; whatever a person typed is text in it, never a tag."""
    tags = {"differs": "<mark>{}</mark>", "left": "<u>{}</u>"}
    answer = "".join(tags.get(piece.kind, "{}").format(html.escape(piece.written)) for piece in pieces)
    return f'<p aria-live="polite">{answer}</p>'


def draw(name: str, answer: dict) -> str:
    """A card with a heatmap of the attention in one layer; of several layers, each can be chosen."""
    layers = answer["layers"]
    heatmaps = [heatmap(weights, answer["source"], answer["output"], at) for at, weights in enumerate(layers, start=1)]
    if len(layers) > 1:
        chosen = max(range(len(layers)), key=lambda at: sharpness(layers[at]))
        heatmaps = [choice(name, at, at == chosen) + drawn for at, drawn in enumerate(heatmaps)]
    body = f'<div class="layers">{"".join(heatmaps)}</div>'
    return card(f"{name}: {answer['translation']}", body)


def choice(name: str, at: int, is_chosen: bool) -> str:
    """The button that shows the layer behind it."""
    place = f"{name}-layer-{at + 1}"
    checked = " checked" * is_chosen
    return f'<input type="radio" name="{name}-layer" id="{place}"{checked}><label for="{place}">layer {at + 1}</label>'


def sharpness(weights: list[list[float]]) -> float:
    """The mean over the output symbols of the largest weight."""
    return sum(map(max, weights)) / len(weights)


def heatmap(weights: list[list[float]], source: list[str], output: list[str], layer: int) -> str:
    """Attention weights from 0 to 1, output symbols (rows) by source symbols (columns)."""
    cells = ["<span></span>", *(symbol(read, "column") for read in source)]
    for written, row in zip(output, weights, strict=True):
        cells.append(symbol(written, "row"))
        cells += [f'<i style="--weight: {weight:.2f}" title="{weight:.2f}"></i>' for weight in row]
    return (
        f'<div class="map" role="img" aria-label="Attention in layer {layer}"><div class="grid" '
        f'style="--columns: {len(source)}">{"".join(cells)}</div></div>'
    )


def symbol(text: str, place: str) -> str:
    """A letter beside the cells; or, smaller, a special symbol of the tokenizer's."""
    return f'<span class="{place}{" special" * (len(text) > 1)}">{html.escape(text)}</span>'
