"""Batched greedy decoding that stays fast: cached, grouped by length, and finished rows leave the batch."""

from collections.abc import Callable
from functools import partial

import torch
from transformers import DynamicCache, EncoderDecoderCache

from workbench.errors import UserError

from .text import TextTranslator

# Rows are dropped once this share of the batch has ended: copying the cache costs about what a step does.
SHARE_TO_DROP = 0.25


@torch.inference_mode()
def greedy_decode(model, inputs: dict[str, torch.Tensor], max_new_tokens: int) -> list[list[int]]:
    """The same symbols as `model.generate(**inputs, do_sample=False)`, up to the end mark, without its bookkeeping.

    Args:
        model: encoder-decoder or decoder-only, in evaluation mode.
        inputs: `input_ids` and `attention_mask`, (B, S); a decoder-only model needs its padding on the left.
        max_new_tokens: stop after this many symbols.

    Returns:
        For each row the symbols written, without start and end marks.
    """
    step = _encoder_decoder_step if model.config.is_encoder_decoder else _decoder_only_step
    rows = torch.arange(len(inputs["input_ids"]), device=inputs["input_ids"].device)
    written = rows.new_full((len(rows), max_new_tokens + 1), model.config.eos_token_id)
    alive = torch.ones_like(rows, dtype=torch.bool)
    state = _start(model, inputs)
    for position in range(max_new_tokens):
        symbols = step(model, state)
        written[rows, position] = symbols
        # A row that has ended goes on writing until it is dropped; what it writes then keeps nobody waiting.
        alive &= symbols != model.config.eos_token_id
        count = int(alive.sum())
        if count == 0:
            break
        if count <= (1 - SHARE_TO_DROP) * len(rows):
            keep = alive.nonzero().squeeze(-1)
            rows, alive = rows[keep], alive[keep]
            _keep_rows(state, keep)
    return [row[: row.index(model.config.eos_token_id)] for row in written.tolist()]


def _start(model, inputs: dict[str, torch.Tensor]) -> dict:
    """The state that steps carry: the cache, the next input, the mask, and an encoder's states."""
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    if not model.config.is_encoder_decoder:
        return {"cache": DynamicCache(), "next": ids, "mask": mask, "padded": not bool(mask.all())}
    mask = None if bool(mask.all()) else mask
    return {
        "cache": EncoderDecoderCache(DynamicCache(), DynamicCache()),
        "next": ids.new_full((len(ids), 1), model.config.decoder_start_token_id),
        "mask": mask,
        "encoded": model.encoder(ids, mask)[0],
    }


def _encoder_decoder_step(model, state: dict) -> torch.Tensor:
    output = model(
        decoder_input_ids=state["next"],
        encoder_outputs=(state["encoded"],),
        attention_mask=state["mask"],
        past_key_values=state["cache"],
    )
    return _advance(state, output)


def _decoder_only_step(model, state: dict) -> torch.Tensor:
    mask = state["mask"] if state["padded"] else None
    output = model(state["next"], mask, past_key_values=state["cache"], logits_to_keep=1)
    state["mask"] = torch.nn.functional.pad(state["mask"], (0, 1), value=1)
    return _advance(state, output)


def _advance(state: dict, output) -> torch.Tensor:
    symbols = output.logits[:, -1].argmax(dim=-1)
    state["next"] = symbols[:, None]
    return symbols


def _keep_rows(state: dict, keep: torch.Tensor) -> None:
    state["cache"].batch_select_indices(keep)
    for name in ("next", "mask", "encoded"):
        if state.get(name) is not None:
            state[name] = state[name][keep]


@torch.inference_mode()
def beam_decode(model, inputs: dict[str, torch.Tensor], max_new_tokens: int, num_beams: int) -> list[list[int]]:
    """Beam search through `generate`; arguments and result as in `greedy_decode`."""
    output = model.generate(**inputs, num_beams=num_beams, do_sample=False, max_new_tokens=max_new_tokens)
    prompt = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    ends = (model.config.eos_token_id, model.config.pad_token_id)
    rows = [row[prompt:] for row in output.tolist()]
    return [row[: next((at for at, symbol in enumerate(row) if symbol in ends), len(row))] for row in rows]


def decode_words(
    model,
    tokenizer,
    words: list[str],
    batch_size: int = 256,
    num_beams: int = 1,
    progress: Callable = lambda batches: batches,
) -> list[str]:
    """Each word's translation, in order; words of like length share a batch.

    Args:
        words: single words; each must fit the model's positions.
        num_beams: 1 is greedy.
        progress: wraps the iterable of batches, e.g. `tqdm`.
    """
    model.eval()
    # The backend alone: transformers' layer around it takes longer than the words do. It may have been told to pad.
    tokenizer.backend_tokenizer.no_padding()
    encoded = [encoding.ids for encoding in tokenizer.backend_tokenizer.encode_batch(words)]
    longest = max(map(len, encoded), default=0)
    if longest > getattr(model.config, "max_position_embeddings", longest):
        raise UserError(f"the model's tokenizer makes {longest:,} symbols of a word, more than it has places for")
    order = sorted(range(len(words)), key=lambda index: len(encoded[index]))
    translations = [""] * len(words)
    for batch in progress([order[start : start + batch_size] for start in range(0, len(order), batch_size)]):
        inputs = pad_prompts(tokenizer, [encoded[index] for index in batch], model.device)
        if num_beams == 1:
            symbols = greedy_decode(model, inputs, longest_word(model))
        else:
            symbols = beam_decode(model, inputs, longest_word(model), num_beams)
        texts = tokenizer.backend_tokenizer.decode_batch(symbols, skip_special_tokens=True)
        for index, text in zip(batch, texts, strict=True):
            translations[index] = text
    return translations


def answer_words(model, tokenizer, pairs) -> tuple[list[str], list[str], list[str]]:
    """Sources, targets and what the model writes, of a `datasets.Dataset` whose columns are source and target words."""
    sources, targets = (pairs[name][:] for name in pairs.column_names)
    return sources, targets, decode_words(model, tokenizer, sources)


def text_translator(model, tokenizer, batch_size: int = 256, num_beams: int = 1) -> TextTranslator:
    """A translator of running text over `decode_words`."""
    return TextTranslator(
        partial(decode_words, model, tokenizer, batch_size=batch_size, num_beams=num_beams),
        {symbol for symbol in tokenizer.get_vocab() if len(symbol) == 1},
        longest_word(model),
    )


def pad_prompts(tokenizer, rows: list[list[int]], device: torch.device) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask`, (B, longest), padded on the tokenizer's side."""
    longest, padding = max(map(len, rows)), tokenizer.pad_token_id
    lengths, places = torch.tensor([[len(row)] for row in rows]), torch.arange(longest)
    if tokenizer.padding_side == "left":
        padded = [[padding] * (longest - len(row)) + row for row in rows]
        mask = places >= longest - lengths
    else:
        padded = [row + [padding] * (longest - len(row)) for row in rows]
        mask = places < lengths
    return {"input_ids": torch.tensor(padded, device=device), "attention_mask": mask.long().to(device)}


def longest_word(model) -> int:
    """How many symbols a source or a target may have: half the positions, since a decoder-only row holds both."""
    return model.config.max_position_embeddings // 2 - 2


@torch.inference_mode()
def attention_of(model, tokenizer, word: str) -> tuple[str, dict[str, list[list[float]]], list[str], list[str]]:
    """Translates `word` greedily and says where each output symbol was looked up in it.

    Returns:
        The translation; layer title -> weights (output, source), the mean over heads: cross-attention of an
        encoder-decoder, self-attention on the prompt of a decoder-only model; the source's and the output's symbols.
    """
    inputs = tokenizer(word, return_tensors="pt").to(model.device)
    prompt = inputs["input_ids"]
    written = greedy_decode(model.eval(), inputs, longest_word(model))[0]
    target = prompt.new_tensor([[*written, model.config.eos_token_id]])
    if model.config.is_encoder_decoder:
        layers = model(**inputs, labels=target, output_attentions=True).cross_attentions
        weights = [layer[0].mean(dim=0) for layer in layers]
    else:
        ids = torch.cat((prompt, target), dim=1)
        layers = model(ids, output_attentions=True).attentions
        # The symbol at place t is written from the state at place t - 1.
        weights = [layer[0].mean(dim=0)[prompt.shape[1] - 1 : -1, : prompt.shape[1]] for layer in layers]
    panels = {f"layer {index}": rows.tolist() for index, rows in enumerate(weights, start=1)}
    source, output = (tokenizer.convert_ids_to_tokens(ids[0].tolist()) for ids in (prompt, target))
    return tokenizer.decode(written, skip_special_tokens=True), panels, source, output
