"""Translate words and running text with a trained translator, from a run's folder or the Hub.

    python scripts/translate.py runs/translator "Hello, World!"
    python scripts/translate.py runs/translator --file book.txt > book.pig.txt

The first prints "Ellohay, Orldway!": capitals, punctuation and spaces stay. The second streams a file; without text
and file, lines come from standard input. `--attention word.png` draws where the model looked. A translation that does
not end, of a model that has learned little, is cut and marked with "…".
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.files import file_size
from workbench.values import BATCH

MOST_ROWS = 4096  # words times beams that are decoded at once
LONGEST_DRAWN = 64


@dataclass
class TranslateArguments:
    """The model, and what it translates."""

    model: str = option("", "a run's folder, or a model's name on the Hub", positional=True)
    text: str | None = option(None, "what to translate; without it, --file or standard input", positional=True)
    file: str | None = option(None, "a UTF-8 text file to translate, line by line")
    beams: int = option(1, "beam search with this many beams (1: greedy)", minimum=1, maximum=1_000)
    batch_size: int = option(256, "words per batch", **BATCH)
    check: bool = option(False, "show the Pig Latin rule's own answer beside the model's, and how many words differ")
    attention: str | None = option(None, "draw the attention of translating TEXT, one word, to this PNG", output="file")
    trust_remote_code: bool = option(False, "run the code that a Hub repository brings, if it is not igpay's")


def main() -> None:
    arguments = parse_arguments(TranslateArguments, __doc__)
    if arguments.text is not None and arguments.file is not None:
        raise UserError("give text or --file, not both")
    check_attention(arguments)
    source = open_lines(arguments)

    from workbench.runs.folder import check_is_one_run
    from workbench.translation.decoding import text_translator
    from workbench.translation.model import load_translator

    check_is_one_run(arguments.model)
    model, tokenizer = load_translator(arguments.model, arguments.trust_remote_code)
    if arguments.check:
        check_learned_rule(arguments.model, arguments.trust_remote_code)
    if arguments.attention:
        draw_attention(arguments, model, tokenizer)
        return
    batch_size = max(1, min(arguments.batch_size, MOST_ROWS // arguments.beams))
    translator = text_translator(model, tokenizer, batch_size, arguments.beams)
    lines = checked_lines(translator, source) if arguments.check else translator.lines(source, at_once(arguments))
    try:
        for line in lines:
            print(line, flush=sys.stdin.isatty())
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough; point stdout away so that closing it is quiet.
        sys.stdout = None
    tell_words("left as they are, for unknown characters or length", translator.left_out)
    tell_words("cut, as their translation does not end (a longer training helps)", translator.cut)


def tell_words(reason: str, words: set[str]) -> None:
    """A line on stderr with the number of such words and some of them, if there are any."""
    if words:
        shown = ", ".join(word[:30] for word in sorted(words)[:5])
        print(f"{reason}: {len(words)} ({shown})", file=sys.stderr)


def open_lines(arguments):
    """The lines to translate, without their ends; bytes that are not UTF-8 are a UserError with the line's number."""
    if arguments.text is not None:
        return arguments.text.split("\n")
    if arguments.file is None:
        return read_lines(sys.stdin.buffer, "standard input")
    file_size(arguments.file)
    try:
        return read_lines(Path(arguments.file).open("rb"), arguments.file)
    except OSError as error:
        raise UserError(f"{arguments.file}: {error.strerror}") from error


def read_lines(stream, name: str):
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(f"{name}, line {number}: not UTF-8; save it as UTF-8") from error


def at_once(arguments) -> int:
    """Lines per batch: a person at the terminal gets each answer at once."""
    from workbench.translation.text import LINES_AT_ONCE

    return 1 if arguments.text is None and arguments.file is None and sys.stdin.isatty() else LINES_AT_ONCE


def check_learned_rule(name: str, trust_remote_code: bool) -> None:
    """UserError if what the model was tested on, so far as its folder tells, is not Pig Latin."""
    from workbench.data.pig_latin import to_pig_latin
    from workbench.hub.fetch import fetch_model
    from workbench.runs.results import RESULTS_FILE, RunResults

    folder = Path(fetch_model(name, trust_remote_code, also=(RESULTS_FILE,)))
    facts = (RunResults.read(folder).facts or {}) if (folder / RESULTS_FILE).is_file() else {}
    rows = [row[:2] for kind in ("examples", "wrong") for row in facts.get(kind) or ()]
    if rows and not any(to_pig_latin(source) == target for source, target in rows):
        source, target = rows[0]
        raise UserError(f"--check compares with Pig Latin's rule; {name} learned others ({source} → {target})")


def checked_lines(translator, lines):
    """Word by word, the model's answer and the rule's; then how many differ."""
    from workbench.data.pig_latin import to_pig_latin
    from workbench.translation.text import WORD, shortened

    text = [line for line in lines if line]
    originals = [word for line in text for word in WORD.findall(line)]
    plain = [translator.plain(word) for word in originals]
    written = translator.translate([word for word in plain if word is not None])
    differ = 0
    for word, answer in zip([word for word in plain if word is not None], written, strict=True):
        rule = to_pig_latin(word)
        differ += answer != rule
        yield f"{word}\t{shortened(answer, word)}\t{rule}\t{'' if answer == rule else 'differs'}".rstrip("\t")
    yield f"{differ} of {len(written)} words differ from the rule"


def check_attention(arguments) -> None:
    """UserError unless what `--attention` is to draw is one word, not too long for a picture, into a PNG."""
    if arguments.attention is None:
        return
    word = (arguments.text or "").strip()
    if not word or len(word.split()) > 1:
        raise UserError("--attention draws one word: give it as TEXT")
    if len(word) > LONGEST_DRAWN:
        raise UserError(f"--attention draws a word of at most {LONGEST_DRAWN} letters, and this one has {len(word)}")
    if Path(arguments.attention).suffix != ".png":
        raise UserError(f"attention: {arguments.attention}; give a name that ends in .png")


def draw_attention(arguments, model, tokenizer) -> None:
    """Translates one word and draws its attention weights, of an output that does not end the first rows."""
    from workbench.runs.figures import plot_attention
    from workbench.translation.decoding import attention_of
    from workbench.translation.text import shortened

    word, path = arguments.text.strip(), Path(arguments.attention)
    translation, panels, source, output = attention_of(model, tokenizer, word)
    panels = {title: weights[: 2 * LONGEST_DRAWN] for title, weights in panels.items()}
    plot_attention(panels, source, output[: 2 * LONGEST_DRAWN], path)
    print(f"{word} → {shortened(translation, word)}; attention drawn to {path}")


if __name__ == "__main__":
    run_main(main)
