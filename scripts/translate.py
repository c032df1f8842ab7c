"""Translate words and running text with a trained translator, from a run's folder or the Hub.

    python scripts/translate.py runs/translator "Hello, World!"
    python scripts/translate.py runs/translator --file book.txt > book.pig.txt

The first prints "Ellohay, Orldway!": capitals, punctuation and spaces stay. The second streams a file; without text
and file, lines come from standard input. `--attention word.png` draws where the model looked.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main


@dataclass
class TranslateArguments:
    """Everything that the script can be told."""

    model: str = option("", "a run's folder, or a model's name on the Hub", positional=True)
    text: str | None = option(None, "what to translate; without it, --file or standard input", positional=True)
    file: str | None = option(None, "a UTF-8 text file to translate, line by line")
    beams: int = option(1, "beam search with this many beams (1: greedy)")
    batch_size: int = option(256, "words per batch")
    check: bool = option(False, "show the Pig Latin rule's own answer beside the model's, and how many words differ")
    attention: str | None = option(None, "draw the attention of translating TEXT, one word, to this PNG")
    trust_remote_code: bool = option(False, "run the code that a Hub repository brings, if it is not igpay's")


def main() -> None:
    arguments = parse_arguments(TranslateArguments, __doc__)
    if arguments.text is not None and arguments.file is not None:
        raise UserError("give text or --file, not both")
    if arguments.beams < 1 or arguments.batch_size < 1:
        raise UserError("--beams and --batch_size are at least 1")
    source = open_lines(arguments)

    from workbench.translation.decoding import text_translator
    from workbench.translation.model import load_translator

    model, tokenizer = load_translator(arguments.model, arguments.trust_remote_code)
    if arguments.attention:
        draw_attention(arguments, model, tokenizer)
        return
    translator = text_translator(model, tokenizer, arguments.batch_size, arguments.beams)
    lines = checked_lines(translator, source) if arguments.check else translator.lines(source, at_once(arguments))
    try:
        for line in lines:
            print(line, flush=sys.stdin.isatty())
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough; point stdout away so that closing it is quiet.
        sys.stdout = None
    if translator.left_out:
        shown = ", ".join(word[:30] for word in sorted(translator.left_out)[:5])
        print(
            f"left as they are, for unknown characters or length: {len(translator.left_out)} ({shown})", file=sys.stderr
        )


def open_lines(arguments):
    """The lines to translate, without their ends; bytes that are not UTF-8 are a UserError with the line's number."""
    if arguments.text is not None:
        return arguments.text.split("\n")
    if arguments.file is None:
        return read_lines(sys.stdin.buffer, "standard input")
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


def checked_lines(translator, lines):
    """Word by word, the model's answer and the rule's; then how many differ."""
    from workbench.data.pig_latin import to_pig_latin
    from workbench.translation.text import WORD

    text = [line for line in lines if line]
    originals = [word for line in text for word in WORD.findall(line)]
    plain = [translator.plain(word) for word in originals]
    written = translator.translate([word for word in plain if word is not None])
    differ = 0
    for word, answer in zip([word for word in plain if word is not None], written, strict=True):
        rule = to_pig_latin(word)
        differ += answer != rule
        yield f"{word}\t{answer}\t{rule}\t{'' if answer == rule else 'differs'}".rstrip("\t")
    yield f"{differ} of {len(written)} words differ from the rule"


def draw_attention(arguments, model, tokenizer) -> None:
    """Translates one word and draws its attention weights."""
    from workbench.runs.figures import plot_attention
    from workbench.translation.decoding import attention_of

    word = (arguments.text or "").strip()
    if not word or len(word.split()) > 1:
        raise UserError("--attention draws one word: give it as TEXT")
    translation, panels, source, output = attention_of(model, tokenizer, word)
    path = Path(arguments.attention)
    if path.suffix != ".png" or not path.parent.is_dir():
        raise UserError(f"{path}: give a .png file in a folder that exists")
    plot_attention(panels, source, output, path)
    print(f"{word} → {translation}; attention drawn to {path}")


if __name__ == "__main__":
    run_main(main)
