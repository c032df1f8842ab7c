"""What the page shows of a changed text and of the answers to it, as HTML; whatever was typed is text, never a tag."""

import html

from changes import Changed
from classification import Answer, Classifier

MAX_BARS = 5
FLIP = "≠"
CSS = """
.gradio-container .html-container { padding: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; margin-top: 14px; }
.card { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 10px;
  padding: 12px 16px; overflow-wrap: anywhere; }
.card p { margin: 6px 0; } .card p.answer { font-size: 1.2rem; } .card b, .card small, .footer { opacity: 0.8; }
.changed { font-size: 1.1rem; line-height: 1.8; white-space: pre-wrap; }
.changed del { background: #fef3c7; color: #713f12; padding: 0 2px; }
.changed ins { background: #dbeafe; color: #1e3a8a; padding: 0 2px; border-bottom: 2px solid #2563eb;
  text-decoration: none; }
mark { padding: 0 4px; background: #fef3c7; color: #713f12; border-bottom: 2px solid #d97706; }
.bar { display: grid; grid-template-columns: minmax(70px, 30%) 1fr 8.5em; gap: 8px; align-items: center; }
.bar span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.bar div { position: relative; height: 18px; }
.bar i { position: absolute; left: 0; height: 8px; border-radius: 4px; min-width: 2px; background: #94a3b8; }
.bar i + i { top: 9px; background: #2563eb; }
.footer { font-size: 0.85rem; overflow-wrap: anywhere; }
"""


def marked(changed: Changed) -> str:
    """The text with what went struck out and what came underlined."""
    parts, reached = [], 0
    for start, end, put in changed.edits:
        parts.append(html.escape(changed.before[reached:start]))
        parts.append(f"<del>{html.escape(changed.before[start:end])}</del>" if end > start else "")
        parts.append(f"<ins>{html.escape(put)}</ins>" if put else "")
        reached = end
    return f'<div class="changed">{"".join(parts)}{html.escape(changed.before[reached:])}</div>'


def message(text: str) -> str:
    return f'<div class="card"><p>{html.escape(text)}</p></div>'


def draw(changed: Changed, classifiers: list[Classifier], answers: list[tuple[Answer, Answer]]) -> str:
    """The marked text, and a card for each model with its answers before and after."""
    count = len(changed.edits)
    told = f"{count} {'place' if count == 1 else 'places'} changed" if count else "Nothing in it to change"
    text = f'<div class="card">{marked(changed)}<small aria-live="polite">{told}.</small></div>'
    cards = "".join(card(item, *pair) for item, pair in zip(classifiers, answers, strict=True))
    return f'{text}<div class="cards">{cards}</div>'


def card(item: Classifier, before: Answer, after: Answer) -> str:
    """A model's answers: both labels, marked where they differ, and each class's probability before and after."""
    flipped = before.label != after.label
    labels = [html.escape(answer.label) for answer in (before, after)]
    if flipped and not item.is_number:
        labels[1] = f"<mark>{FLIP} {labels[1]}</mark>"
    same = "The answer changes." if flipped else "The answer stays."
    note = f" Only the first {item.max_length} tokens were read." if before.cut or after.cut else ""
    shown = f'<p class="answer">{labels[0]} → {labels[1]}</p>{bars(before.probabilities, after.probabilities)}'
    return f'<div class="card"><b>{html.escape(item.name)}</b>{shown}<small>{same}{note}</small></div>'


def bars(before: dict[str, float], after: dict[str, float]) -> str:
    """Two bars for each of the likeliest classes: before in grey, after in blue."""
    ordered = sorted(before, key=lambda name: -max(before[name], after[name]))[:MAX_BARS]
    return "".join(
        f'<div class="bar"><span>{html.escape(name)}</span><div><i style="width: {before[name]:.1%}"></i>'
        f'<i style="width: {after[name]:.1%}"></i></div><span>{before[name]:.1%} → {after[name]:.1%}</span></div>'
        for name in ordered
    )
