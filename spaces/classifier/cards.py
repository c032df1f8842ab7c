"""What the page shows of answers, as HTML and as TSV; whatever a visitor typed is text in it, never a tag."""

import html
from itertools import combinations

from classification import Answer, Classifier, Row

MAX_BARS, MAX_ROWS, MAX_SHOWN = 8, 200, 300
DIFFER = "≠"
CSS = """
.gradio-container .html-container { padding: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; }
.card { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 10px;
  padding: 12px 16px; overflow-wrap: anywhere; }
.card p { font-size: 1.3rem; line-height: 1.6; margin: 4px 0 8px; } .card b, .card small, .footer { opacity: 0.75; }
.card mark, .table mark { background: #fde2e1; color: #8a1c13; border-bottom: 2px solid #c5221f; padding: 0 3px; }
.bar { display: grid; grid-template-columns: minmax(80px, 30%) 1fr 4em; gap: 8px; align-items: center; margin: 3px 0; }
.bar i { display: block; height: 10px; border-radius: 5px; background: #ec4899; min-width: 2px; }
.bar span:last-child, .table .sure { text-align: right; font-variant-numeric: tabular-nums; }
.verdict { margin: 10px 2px; } .footer, .table { overflow-wrap: anywhere; } .footer { font-size: 0.85rem; }
.table table { width: 100%; border: 0; border-collapse: collapse; } .table tr { border: 0; }
.table th, .table td { text-align: left; padding: 5px 8px; border: 0; border-bottom: 1px solid #8886; }
@media (max-width: 640px) {
  .table thead { display: none; } .table table, .table tbody { display: block; }
  .table tr { display: grid; grid-template-columns: 1fr 1fr; padding: 8px 0; border-bottom: 2px solid #8886; }
  .table td { border: 0; padding: 2px 8px; } .table td.text { grid-column: 1 / -1; }
  .table td:not(.text)::before { content: attr(data-column); display: block; font-size: 0.75rem; opacity: 0.7; }
}
"""


def card(title: str, body: str, note: str = "") -> str:
    return f'<div class="card"><b>{html.escape(title)}</b>{body}<small>{html.escape(note)}</small></div>'


def bars(probabilities: dict[str, float]) -> str:
    """A bar for each of the likeliest classes, with its probability."""
    ordered = sorted(probabilities.items(), key=lambda item: -item[1])
    lines = [
        f'<div class="bar"><span>{html.escape(name)}</span><i style="width: {share:.1%}"></i>'
        f"<span>{share:.1%}</span></div>"
        for name, share in ordered[:MAX_BARS]
    ]
    if rest := ordered[MAX_BARS:]:
        lines.append(f"<small>and {len(rest)} more, each at most {rest[0][1]:.1%}</small>")
    return "".join(lines)


def draw(classifiers: list[Classifier], row: Row) -> str:
    """A card for each model, with the answers marked where they differ, and a sentence that says whether they do."""
    cards = []
    for item, answer in zip(classifiers, row.answers, strict=True):
        label = html.escape(answer.label)
        shown = f'<p aria-live="polite">{f"<mark>{label}</mark>" if row.differ else label}</p>'
        note = f"Only the first {item.max_length} tokens were read." if answer.cut else ""
        cards.append(card(item.name, shown + bars(answer.probabilities), note))
    return f'<div class="cards">{"".join(cards)}</div>{verdict(classifiers, row.differ)}'


def verdict(classifiers: list[Classifier], differ: bool | None) -> str:
    if len(classifiers) == 1:
        return ""
    said = {True: f"{DIFFER} The models differ.", False: "The models agree.", None: not_compared(classifiers)}
    return f'<p class="verdict">{said[differ]}</p>'


def not_compared(classifiers: list[Classifier]) -> str:
    """Why answers are not compared."""
    if any(item.is_number for item in classifiers):
        return "A number is not compared with another answer."
    return "The two models have no label in common, so their answers are not compared."


def summarise(classifiers: list[Classifier], rows: list[Row]) -> str:
    """How often the models agree, and how many texts were longer than what was read."""
    lines = []
    if len(classifiers) > 1 and rows[0].differ is None:
        lines.append(not_compared(classifiers))
    elif len(classifiers) > 1:
        for first, second in combinations([item.name for item in classifiers], 2):
            same = sum(not row.differ for row in rows)
            lines.append(f"{first} and {second} agree on {same:,} of {len(rows):,} texts ({same / len(rows):.1%}).")
    else:
        lines.append(f"{len(rows):,} {'text' if len(rows) == 1 else 'texts'}.")
    cut = sum(any(answer.cut for answer in row.answers) for row in rows)
    lines += [f"{cut:,} longer than what the models read: only the beginning counts."] if cut else []
    return " ".join(lines)


def table(classifiers: list[Classifier], rows: list[Row]) -> str:
    """The rows as an HTML table; on a phone each row becomes a card."""
    if not rows:
        return '<div class="table"><p>No text to show: the models differ on none.</p></div>'
    pairs = any(row.example.pair is not None for row in rows)
    names = [html.escape(item.name, quote=True) for item in classifiers]
    lines = []
    for row in rows[:MAX_ROWS]:
        texts = [row.example.text, row.example.pair or ""][: 1 + pairs]
        cells = [f'<td class="text">{html.escape(shortened(text))}</td>' for text in texts]
        cells += [cell(name, answer, row.differ) for name, answer in zip(names, row.answers, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{name}</th>" for name in ["text", *(["second text"] if pairs else []), *names])
    more = f"<p>The first {MAX_ROWS} of {len(rows):,} rows; the file to download has all.</p>" * (len(rows) > MAX_ROWS)
    return (
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>{more}</div>'
    )


def cell(column: str, answer: Answer, differ: bool | None) -> str:
    label = html.escape(answer.label)
    marked = f"<mark>{DIFFER} {label}</mark>" if differ else label
    return f'<td data-column="{column}">{marked} <span class="sure">{answer.sure}</span></td>'


def shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def tab_separated(classifiers: list[Classifier], rows: list[Row]) -> str:
    """All rows as TSV: the texts, each model's answer and its probability, and ≠ where they differ."""
    header = ["text", "pair", *(f"{item.name}{part}" for item in classifiers for part in ("", ": sure")), "differ"]
    lines = [header]
    for row in rows:
        answers = [part for answer in row.answers for part in (answer.label, answer.sure)]
        lines.append([row.example.text, row.example.pair or "", *answers, DIFFER if row.differ else ""])
    # What would break a row becomes a space.
    return "".join("\t".join(" ".join(value.split()) for value in line) + "\n" for line in lines)
