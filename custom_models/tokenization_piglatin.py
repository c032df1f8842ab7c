"""Builds the character tokenizer: one symbol per character, saved as a plain `tokenizer.json`."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

PAD, START, END, END_OF_PROMPT, UNKNOWN = SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<eop>", "<unk>")
# Without code of ours, what `tokenizer(source)` gives is what the model's `generate` takes, and
# `tokenizer(source, target)` is a whole training sequence of the decoder-only model.
TEMPLATES = {
    "encoder-decoder": {"single": f"$A {END}", "pair": f"$A {END} $B:1 {END}:1"},
    "decoder-only": {
        "single": f"{START} $A {END_OF_PROMPT}",
        "pair": f"{START} $A {END_OF_PROMPT} $B:1 {END}:1",
    },
}


def build_tokenizer(texts: Iterable[str], architecture: str = "encoder-decoder") -> PreTrainedTokenizerFast:
    """A tokenizer whose vocabulary is the characters of `texts`, NFC-normalised, in code-point order.

    `<pad>`, `<s>`, `</s>`, `<eop>` and `<unk>` have the ids 0 to 4. A text that spells a special symbol is read
    character by character. Decoding what was encoded gives the NFC text back, for characters seen in `texts`.

    Args:
        texts: both sides of the training pairs.
        architecture: `encoder-decoder` (`source </s>`) or `decoder-only` (`<s> source <eop> target </s>`).
    """
    normalizer = normalizers.NFC()
    characters = sorted({character for text in texts for character in normalizer.normalize_str(text)})
    vocabulary = {symbol: index for index, symbol in enumerate((*SPECIAL_TOKENS, *characters))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        **TEMPLATES[architecture], special_tokens=[(symbol, vocabulary[symbol]) for symbol in SPECIAL_TOKENS]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        unk_token=UNKNOWN,
        additional_special_tokens=[END_OF_PROMPT],
        model_input_names=["input_ids", "attention_mask"],
        padding_side="left" if architecture == "decoder-only" else "right",
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
    )
