"""What the page shows of answers, as HTML and as TSV; whatever a visitor typed is text in it, never a tag."""

import html
import re
from collections import Counter
from itertools import combinations

from classification import Classifier, Row, lists, scored

# The same as scripts/workbench/escapes.py
FORMULA = re.compile(r"'*[=+\-@\t\r]")
# The same as scripts/workbench/escapes.py
NUMBER = r"[-+]?(\d[\d,]*\.?\d*|\.\d+|inf|nan)([eE][-+]?\d+)?%?"
# The same as scripts/workbench/escapes.py
NUMERIC = re.compile(rf"{NUMBER}( ± {NUMBER})?( \[{NUMBER}, {NUMBER}\])?")
MAX_BARS, MAX_ROWS, MAX_SHOWN = 8, 200, 300
DIFFER, RIGHT, WRONG = "≠", "✓", "✗"
CSS = """
.gradio-container .html-container { padding: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; }
.card { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 10px;
  padding: 12px 16px; overflow-wrap: anywhere; }
.card p { font-size: 1.3rem; line-height: 1.6; margin: 4px 0 8px; } .card b, .card small, .footer { opacity: 0.75; }
mark { padding: 0 3px; border-bottom: 2px solid; }
mark.model0 { background: #dbeafe; color: #1e3a8a; border-color: #2563eb; }
mark.model1 { background: #fef3c7; color: #713f12; border-color: #d97706; }
mark.right { background: #ccfbf1; color: #134e4a; border-color: #0d9488; }
mark.wrong { background: #fde2e1; color: #8a1c13; border-color: #c5221f; }
.bar { display: grid; grid-template-columns: minmax(80px, 30%) 1fr 4em; gap: 8px; align-items: center; margin: 3px 0; }
.bar i { display: block; height: 10px; border-radius: 5px; background: #3b82f6; min-width: 2px; }
.card.model1 .bar i { background: #d97706; }
.bar span:last-child, .table .sure { text-align: right; font-variant-numeric: tabular-nums; }
.lists { display: flex; flex-wrap: wrap; gap: 6px; } .lists > input { position: absolute; opacity: 0; }
.lists > label { border: 1px solid var(--border-color-primary); border-radius: 6px; padding: 2px 12px; }
.lists > input:checked + label { background: #be185d; border-color: #be185d; color: white; }
.lists > input:focus-visible + label { outline: 2px solid currentColor; }
.lists > .table { display: none; order: 1; flex-basis: 100%; min-width: 0; }
.lists > .table:only-child, .lists > input:checked + label + .table { display: block; }
.verdict { margin: 10px 2px; } .footer, .table { overflow-wrap: anywhere; } .footer { font-size: 0.85rem; }
.table table { width: 100%; border: 0; border-collapse: collapse; } .table tr { border: 0; }
.table th, .table td:not(.text) { overflow-wrap: break-word; } .table { overflow-x: auto; }
.table th, .table td { text-align: left; padding: 5px 8px; border: 0; border-bottom: 1px solid #8886; }
@media (max-width: 640px) {
  .table thead { display: none; } .table table, .table tbody { display: block; }
  .table tr { display: grid; grid-template-columns: 1fr 1fr; padding: 8px 0; border-bottom: 2px solid #8886; }
  .table td { border: 0; padding: 2px 8px; } .table td.text, .table td.label { grid-column: 1 / -1; }
  .table td:not(.text)::before { content: attr(data-column); display: block; font-size: 0.75rem; opacity: 0.7; }
}
"""


def card(title: str, body: str, note: str = "", kind: str = "") -> str:
    head = f"<b>{html.escape(title)}</b>" if title else ""
    shown = html.escape(note).replace("\n", "<br>")
    return f'<div class="card {kind}">{head}{body}<small>{shown}</small></div>'


def mark(text: str, kind: str) -> str:
    return f'<mark class="{kind}">{html.escape(text)}</mark>'


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
    for place, (item, answer) in enumerate(zip(classifiers, row.answers, strict=True)):
        kind = f"model{place}"
        label = mark(answer.label, kind) if row.differ else html.escape(answer.label)
        shown = f'<p aria-live="polite">{label}</p>'
        note = f"Only the first {item.max_length} tokens were read." if answer.cut else ""
        cards.append(card(item.name, shown + bars(answer.probabilities), note, kind))
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
    """How much is right, how often the models agree, and how many texts were longer than what was read."""
    lines = score_lines(classifiers, rows)
    if len(classifiers) > 1 and rows[0].differ is None:
        lines.append(not_compared(classifiers))
    elif len(classifiers) > 1:
        for first, second in combinations([item.name for item in classifiers], 2):
            same = sum(not row.differ for row in rows)
            lines.append(f"{first} and {second} agree on {same:,} of {len(rows):,} texts ({same / len(rows):.1%}).")
    elif not lines:
        lines.append(f"{len(rows):,} {'text' if len(rows) == 1 else 'texts'}.")
    cut = sum(any(answer.cut for answer in row.answers) for row in rows)
    lines += [f"{cut:,} longer than what the models read: only the beginning counts."] if cut else []
    return "\n".join(lines)


def score_lines(classifiers: list[Classifier], rows: list[Row]) -> list[str]:
    """Each model's accuracy, what the commonest label alone would reach, and which labels a model does not have."""
    given = Counter(row.example.label for row in rows if row.example.label)
    if not given:
        return []
    lines = []
    for place, item in enumerate(classifiers):
        right = [row.right[place] for row in rows if row.right[place] is not None]
        if right:
            lines.append(f"{item.name}: {sum(right):,} of {len(right):,} right ({sum(right) / len(right):.1%}).")
        lines += unscored(item, given)
    label, count = given.most_common(1)[0]
    return [*lines, f"The commonest label, {shortened(label)}, is that of {count / given.total():.1%}."]


def unscored(item: Classifier, given: Counter) -> list[str]:
    """The labels of the file that a model is not scored on."""
    if item.is_number or item.many:
        return [f"{item.name} is not scored: its answer is {'a number' if item.is_number else 'several labels'}."]
    unknown = [label for label in given if item.label_of(label) is None]
    if not unknown:
        return []
    named = ", ".join(shortened(label) for label in unknown[:3]) + ", …" * (len(unknown) > 3)
    count = sum(given[label] for label in unknown)
    return [f"{count:,} not scored: {item.name} has no label {named}."]


def tables(classifiers: list[Classifier], rows: list[Row]) -> str:
    """The lists of rows as HTML, one at a time, at first one that is not empty; a button for each tells its size."""
    parts = [(title, part, table(classifiers, part)) for title, part in lists(rows).items()]
    if len(parts) == 1:
        return parts[0][2]
    first = next(place for place, (_, part, _) in enumerate(parts) if part)
    shown = [
        f'<input type="radio" name="list" id="list{place}"{" checked" * (place == first)}>'
        f'<label for="list{place}">{title} ({len(part):,})</label>{drawn}'
        for place, (title, part, drawn) in enumerate(parts)
    ]
    return f'<div class="lists">{"".join(shown)}</div>'


def table(classifiers: list[Classifier], rows: list[Row]) -> str:
    """The rows as an HTML table; on a phone each row becomes a card."""
    if not rows:
        return '<div class="table"><p>No text is in this list.</p></div>'
    pairs = any(row.example.pair is not None for row in rows)
    labels = any(row.example.label is not None for row in rows)
    lines = []
    for row in rows[:MAX_ROWS]:
        texts = [row.example.text, row.example.pair or ""][: 1 + pairs]
        cells = [f'<td class="text">{html.escape(shortened(text))}</td>' for text in texts]
        cells += [
            f'<td class="label" data-column="label">{html.escape(shortened(row.example.label or ""))}</td>'
        ] * labels
        cells += [cell(item.name, row, place) for place, item in enumerate(classifiers)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    names = ["text", *["second text"] * pairs, *["label"] * labels, *(item.name for item in classifiers)]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    more = f"<p>The first {MAX_ROWS} of {len(rows):,} rows; the file to download has all.</p>" * (len(rows) > MAX_ROWS)
    return (
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>{more}</div>'
    )


def cell(column: str, row: Row, place: int) -> str:
    """A model's answer: marked as right or wrong where the file tells, else where the models differ."""
    answer, right = row.answers[place], row.right[place]
    if right is not None:
        marked = mark(f"{RIGHT if right else WRONG} {answer.label}", "right" if right else "wrong")
    else:
        marked = mark(f"{DIFFER} {answer.label}", f"model{place}") if row.differ else html.escape(answer.label)
    return f'<td data-column="{html.escape(column)}">{marked} <span class="sure">{answer.sure}</span></td>'


def shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


# The same as scripts/workbench/escapes.py
def one_line(text: str) -> str:
    """A text that breaks no row: white space of any kind is one space, other control characters are left out."""
    plain = " ".join(text.encode("utf-8", "replace").decode().split())
    return "".join(character for character in plain if character.isprintable() or character > "\x9f")


# The same as scripts/workbench/escapes.py
def spreadsheet_cell(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would calculate it: not a number, and one of = + - @."""
    return f"'{text}" if FORMULA.match(text) and not NUMERIC.fullmatch(text) else text


def tab_separated(classifiers: list[Classifier], rows: list[Row]) -> str:
    """All rows as TSV: the texts, each model's answer, how sure it is and whether it is right; ≠ where they differ.

    What would break a row becomes a space, and what a spreadsheet would calculate has an apostrophe before it.
    """
    places = scored(rows)
    columns = {"text": [row.example.text for row in rows], "pair": [row.example.pair or "" for row in rows]}
    if any(row.example.label is not None for row in rows):
        columns["label"] = [row.example.label or "" for row in rows]
    for place, item in enumerate(classifiers):
        columns[item.name] = [row.answers[place].label for row in rows]
        columns[f"{item.name}: sure"] = [row.answers[place].sure for row in rows]
        if place in places:
            columns[f"{item.name}: right"] = [{True: RIGHT, False: WRONG, None: ""}[row.right[place]] for row in rows]
    columns["differ"] = [DIFFER if row.differ else "" for row in rows]
    lines = [columns, *zip(*columns.values(), strict=True)]
    return "".join("\t".join(spreadsheet_cell(one_line(value)) for value in line) + "\n" for line in lines)
