"""Texts that come from outside, made safe for where they are shown: a row, a spreadsheet, a page of Markdown."""

import re

# What a spreadsheet would calculate, also behind an apostrophe that is the text's own.
FORMULA = re.compile(r"'*[=+\-@\t\r]")
NUMBER = r"[-+]?(\d[\d,]*\.?\d*|\.\d+|inf|nan)([eE][-+]?\d+)?%?"
# A number, perhaps with its spread, or with its interval in brackets.
NUMERIC = re.compile(rf"{NUMBER}( ± {NUMBER})?( \[{NUMBER}, {NUMBER}\])?")


def one_line(text: str) -> str:
    """A text that breaks no row: white space of any kind is one space, other control characters are left out."""
    plain = " ".join(text.encode("utf-8", "replace").decode().split())
    return "".join(character for character in plain if character.isprintable() or character > "\x9f")


def spreadsheet_cell(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would calculate it: not a number, and one of = + - @."""
    return f"'{text}" if FORMULA.match(text) and not NUMERIC.fullmatch(text) else text


def plain_cell(cell: str) -> str:
    """The text of which `spreadsheet_cell` made the cell."""
    text = cell.removeprefix("'")
    return text if spreadsheet_cell(text) == cell else cell


def markdown_text(text: str) -> str:
    """A stranger's text in Markdown: one line, without tags, links, images, code or a table's bars."""
    plain = re.sub(r"&(?=[#\w]+;)", "&amp;", one_line(text)).replace("<", "&lt;")
    # Underscores inside of words mean nothing, nor do brackets without a link behind them.
    return re.sub(r"[\\`*|~]|\](?=[(\[:])|(?<!\w)_|_(?!\w)|^[#>+-](?= )", r"\\\g<0>", plain)
