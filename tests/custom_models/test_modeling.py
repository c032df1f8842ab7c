"""Both transformers: what they compute, that nothing leaks, and that every way of running them agrees."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from custom_models import ARCHITECTURES, PigLatinConfig, PigLatinForCausalLM, PigLatinForConditionalGeneration
from custom_models.layers_piglatin import SinusoidalPositions, eager_attention
from custom_models.modeling_piglatin import CACHE_NAME

SMALL = {"vocab_size": 20, "hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 64}
VARIANTS = {
    "default": {},
    "sinusoidal": {"position_type": "sinusoidal"},
    "notebook": {"preset": "notebook"},
}


def make_model(architecture: str, variant: str = "default", **overrides):
    torch.manual_seed(0)
    options = {**VARIANTS[variant], **SMALL, **overrides}
    config = PigLatinConfig.from_preset(options.pop("preset", "default"), **options)
    return ARCHITECTURES[architecture](config).eval()


@pytest.fixture(params=list(ARCHITECTURES))
def architecture(request):
    return request.param


@pytest.fixture(params=list(VARIANTS))
def model(request, architecture):
    return make_model(architecture, request.param)


def random_inputs(rows: int = 3, source: int = 7, target: int = 6) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 20, (rows, source), generator=generator)
    labels = torch.randint(5, 20, (rows, target), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def run(model, inputs: dict, **options):
    """A forward pass; a decoder-only model reads source and target in one row."""
    if model.config.is_encoder_decoder:
        return model(**inputs, **options)
    ids = torch.cat((inputs["input_ids"], inputs["labels"].clamp(min=0)), dim=1)
    labels = torch.cat((torch.full_like(inputs["input_ids"], -100), inputs["labels"]), dim=1)
    return model(ids, torch.ones_like(ids), labels=labels, **options)


@pytest.mark.parametrize("hidden_size", [32, 64])
def test_the_notebook_preset_has_the_published_parameter_count(hidden_size):
    config = PigLatinConfig.from_preset("notebook", hidden_size=hidden_size, vocab_size=30)
    model = PigLatinForCausalLM(config)
    embeddings = sum(parameter.numel() for parameter in model.get_input_embeddings().parameters())
    total = sum(parameter.numel() for parameter in model.parameters())
    assert total - embeddings == 4 * (4 * hidden_size**2 + 4 * hidden_size) + hidden_size * 30 + 30


def test_sinusoidal_positions_are_those_of_the_paper():
    table = SinusoidalPositions(50, 16)(torch.arange(50)[None], torch.float64)[0]
    for position, feature in ((0, 0), (7, 4), (49, 14)):
        angle = torch.tensor(position / 10000 ** (feature / 16))
        assert table[position, feature] == pytest.approx(angle.sin().item(), abs=1e-5)
        assert table[position, feature + 1] == pytest.approx(angle.cos().item(), abs=1e-5)


def test_attention_is_a_softmax_of_scaled_products():
    query = torch.tensor([[[[2.0, 0.0]]]])
    key = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    value = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    attended, weights = eager_attention(query, key, value)
    expected = torch.tensor([2 / 2**0.5, 0.0]).softmax(dim=0)
    assert torch.allclose(weights[0, 0, 0], expected) and torch.allclose(attended[0, 0, 0], expected)


def test_eager_attention_equals_sdpa_with_padding(model):
    inputs = random_inputs()
    inputs["attention_mask"][1, 5:] = 0
    fast = run(model, inputs)
    eager = run(model, inputs, output_attentions=True)
    assert model.config._attn_implementation == "sdpa"
    assert torch.allclose(fast.logits, eager.logits, atol=1e-5)
    maps = eager.cross_attentions if model.config.is_encoder_decoder else eager.attentions
    assert len(maps) == model.config.decoder_layers
    assert torch.allclose(maps[0].sum(dim=-1), torch.ones(maps[0].shape[:-1]), atol=1e-5)
    if model.config.is_encoder_decoder:
        assert maps[0][1, :, :, 5:].max() < 1e-6


def test_the_causal_mask_leaks_nothing(model):
    inputs = random_inputs()
    embeddings = {}
    layer = model.decoder.embed_tokens if model.config.is_encoder_decoder else model.model.embed_tokens
    layer.register_forward_hook(lambda module, given, output: embeddings.update(kept=output) or output.retain_grad())
    length = inputs["labels"].shape[1] + (0 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1])
    for step in range(length - 1):
        run(model, inputs).logits[:, step].logsumexp(dim=-1).sum().backward()
        gradient = embeddings["kept"].grad
        assert gradient[:, step + 1 :].abs().max() == 0
        assert gradient[:, : step + 1].abs().max() > 0


def test_the_decoder_only_loss_ignores_the_prompt():
    model = make_model("decoder-only")
    inputs = random_inputs()
    output = run(model, inputs)
    target = inputs["labels"].shape[1]
    expected = torch.nn.functional.cross_entropy(
        output.logits[:, -target - 1 : -1].flatten(0, 1), inputs["labels"].flatten()
    )
    assert output.loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_loss_is_a_mean_over_target_symbols_however_they_are_batched(model):
    inputs = random_inputs()
    inputs["labels"][0, 3:] = -100
    whole = run(model, inputs).loss
    count = (inputs["labels"] != -100).sum()
    parts = [
        run(model, {name: value[row : row + 1] for name, value in inputs.items()}, num_items_in_batch=count).loss
        for row in range(3)
    ]
    assert sum(parts).item() == pytest.approx(whole.item(), abs=1e-5)


def greedy(model, ids, mask, **options):
    return model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=12, **options)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_cached_and_uncached_generation_write_the_same(model, num_beams):
    inputs = random_inputs(rows=8)
    arguments = (inputs["input_ids"], inputs["attention_mask"])
    cached = greedy(model, *arguments, num_beams=num_beams, use_cache=True)
    uncached = greedy(model, *arguments, num_beams=num_beams, use_cache=False)
    assert cached.tolist() == uncached.tolist()


@pytest.mark.parametrize("name", ["past_key_values", "cache"])
def test_the_cache_is_read_under_the_old_and_the_new_name(model, name):
    """transformers passes it as `past_key_values` up to 5.23, as `cache` from 5.24."""
    ids = torch.tensor([[7, 8, 9]])
    key = "decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"
    source = {"input_ids": torch.tensor([[5, 6]])} if model.config.is_encoder_decoder else {}
    whole = model(**source, **{key: ids}).logits[:, -1]
    start = model(**source, **{key: ids[:, :2]}, use_cache=True)
    step = model(**source, **{key: ids[:, 2:]}, **{name: start[CACHE_NAME]})
    assert torch.allclose(step.logits[:, -1], whole, atol=1e-5)
    assert step[CACHE_NAME] is start[CACHE_NAME]


def test_a_padded_batch_gives_the_logits_of_its_rows_alone(model):
    lengths, width = (3, 7, 5), 7
    generator = torch.Generator().manual_seed(2)
    rows = [torch.randint(5, 20, (length,), generator=generator) for length in lengths]
    left = not model.config.is_encoder_decoder
    pads = [(width - len(row), 0) if left else (0, width - len(row)) for row in rows]
    ids = torch.stack([torch.nn.functional.pad(row, pad) for row, pad in zip(rows, pads, strict=True)])
    mask = torch.stack(
        [torch.nn.functional.pad(torch.ones_like(row), pad) for row, pad in zip(rows, pads, strict=True)]
    )
    extra = {"decoder_input_ids": torch.tensor([[1, 8, 9]] * 3)} if model.config.is_encoder_decoder else {}
    batched = model(input_ids=ids, attention_mask=mask, **extra).logits
    for index, row in enumerate(rows):
        alone = {name: value[index : index + 1] for name, value in extra.items()}
        logits = model(input_ids=row[None], **alone).logits[0]
        assert torch.allclose(batched[index, -len(logits) :], logits, atol=1e-5)
    written = greedy(model, ids, mask)
    for index, row in enumerate(rows):
        single = greedy(model, row[None], torch.ones_like(row)[None])[0]
        new = single[1 if model.config.is_encoder_decoder else len(row) :]
        ours = written[index][1 if model.config.is_encoder_decoder else width :]
        assert ours[: len(new)].tolist() == new.tolist()


def test_sampling_is_seeded_and_varies(architecture):
    model = make_model(architecture)
    inputs = random_inputs(rows=1)

    def sample(seed: int) -> list:
        torch.manual_seed(seed)
        return model.generate(inputs["input_ids"], do_sample=True, max_new_tokens=12).tolist()

    assert sample(0) == sample(0)
    assert len({str(sample(seed)) for seed in range(5)}) > 1


def test_a_saved_model_has_the_same_logits_through_the_auto_classes(model, tmp_path):
    model.save_pretrained(tmp_path)
    auto = AutoModelForSeq2SeqLM if model.config.is_encoder_decoder else AutoModelForCausalLM
    loaded = auto.from_pretrained(tmp_path, dtype=torch.float32)
    assert type(loaded) is type(model)
    assert torch.equal(run(loaded.eval(), random_inputs()).logits, run(model, random_inputs()).logits)


def test_bfloat16_stays_near_float32(model):
    exact = run(model, random_inputs()).logits
    rough = run(model.to(torch.bfloat16), random_inputs()).logits
    assert rough.dtype == torch.bfloat16
    assert torch.allclose(rough.float(), exact, atol=0.15, rtol=0.1)


def test_gradient_checkpointing_gives_the_same_gradients(architecture):
    model = make_model(architecture, dropout=0.0, attention_dropout=0.0).train()

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        run(model, random_inputs()).loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    plain = gradients()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    assert model.is_gradient_checkpointing
    assert all(torch.allclose(ours, theirs, atol=1e-6) for ours, theirs in zip(gradients(), plain, strict=True))


@pytest.mark.slow
def test_torch_compile_gives_the_same_logits(architecture):
    model = make_model(architecture)
    inputs = random_inputs()
    plain = run(model, inputs).logits
    torch._dynamo.reset()
    compiled = run(torch.compile(model, fullgraph=False, backend="aot_eager"), inputs).logits
    assert torch.allclose(compiled, plain, atol=1e-5)


def test_a_sequence_that_is_too_long_is_refused(model):
    ids = torch.full((1, 65), 6)
    with pytest.raises(ValueError, match="a sequence of 65 symbols: at most 64 fit"):
        model(input_ids=ids, **({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layer_norm": "post"}, "layer_norm is 'post': choose one of pre, none"),
        ({"hidden_size": 30, "num_attention_heads": 4}, "not a multiple of 4 heads"),
        ({"hidden_size": 12, "num_attention_heads": 4}, "even width per head"),
    ],
)
def test_a_config_that_cannot_be_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        PigLatinConfig(**options)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ValueError, match="unknown preset 'huge': choose one of default, notebook"):
        PigLatinConfig.from_preset("huge")


def test_translating_without_a_target_says_to_call_generate():
    with pytest.raises(ValueError, match="call generate"):
        make_model("encoder-decoder")(input_ids=torch.tensor([[5, 6]]))


def test_the_encoder_and_decoder_can_be_had():
    model = make_model("encoder-decoder")
    assert isinstance(model, PigLatinForConditionalGeneration)
    assert model.get_encoder() is model.encoder and model.get_decoder() is model.decoder
    assert model.get_encoder().main_input_name == "input_ids"
