"""Any method of PEFT by its name: trained, saved, loaded; options in brackets or in a recipe; what is refused."""

import pytest
import torch
from datasets import Dataset
from support.bottleneck_models import batch, logits
from support.encoder_folders import build, train, word_tokenizer, write_encoder
from transformers import TrainingArguments

from workbench.classification.batches import TextCollator
from workbench.classification.loading import load_classifier
from workbench.classification.model import save_classifier
from workbench.errors import UserError
from workbench.runs.trainer import WorkbenchTrainer
from workbench.strategies.catalogue import find_strategy
from workbench.strategies.peft_methods import known_methods, parse_method

METHODS = [
    *("adalora", "boft", "dora", "fourierft", "hra", "ia3", "ln_tuning", "loha", "lokr", "oft", "prompt_tuning"),
    *("p_tuning", "randlora", "vera", "lora[r=2,target_modules=[query,key],lora_dropout=0.0]"),
]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    families = ("bert", "roberta", "distilbert", "modernbert")
    return {family: write_encoder(tmp_path_factory.mktemp(family), family) for family in families}


def answers(model) -> torch.Tensor:
    inputs = {name: rows for name, rows in batch().items() if name != "labels"}
    with torch.no_grad():
        return model.eval()(**inputs).logits


def check_round_trip(model, folder):
    frozen = {name: weight.clone() for name, weight in model.named_parameters() if not weight.requires_grad}
    losses = train(model)
    assert losses[-1] < 0.8 * losses[0]
    now = dict(model.named_parameters())
    assert frozen and all(torch.equal(weight, now[key]) for key, weight in frozen.items())
    save_classifier(model, word_tokenizer(), folder)
    loaded, _ = load_classifier(str(folder))
    torch.testing.assert_close(answers(loaded), answers(model), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_learns_keeps_the_encoder_and_comes_back_from_its_folder(encoders, tmp_path, method):
    check_round_trip(build(encoders["bert"], f"peft:{method}"), tmp_path)


@pytest.mark.parametrize("family", ["roberta", "distilbert", "modernbert"])
@pytest.mark.parametrize("method", ["ia3", "ln_tuning", "vera", "prompt_tuning"])
def test_other_families_find_their_targets_too(encoders, tmp_path, family, method):
    check_round_trip(build(encoders[family], f"peft:{method}"), tmp_path)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_prefix_tuning_reaches_a_head_of_ours(encoders, tmp_path, family, pooling):
    """Its keys and values change what the tokens see, and the mask covers them."""
    model = build(encoders[family], "peft:prefix_tuning[num_virtual_tokens=4]", head="linear", pooling=pooling)
    check_round_trip(model, tmp_path)
    assert not torch.allclose(answers(model), answers(model.get_base_model()), atol=1e-3)


def test_options_come_from_a_recipe_and_brackets_come_before_them(encoders):
    options = {"r": 4, "use_rslora": True, "lora_alpha": 3}
    model = build(encoders["bert"], "peft:lora[r=2,target_modules=[key]]", peft_options=options)
    config = model.peft_config["default"]
    assert (config.r, config.use_rslora, config.lora_alpha, set(config.target_modules)) == (2, True, 3, {"key"})
    assert parse_method("peft:dora[r=4, init_lora_weights=gaussian]") == (
        "lora",
        {"use_dora": True, "r": 4, "init_lora_weights": "gaussian"},
    )


def test_a_frozen_pooler_gets_no_update(encoders):
    model = build(encoders["bert"], "peft:lora[target_modules=all-linear]", train_pooler=False)
    touched = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert any("intermediate" in name for name in touched) and not any("pooler" in name for name in touched)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("peft:lorra", {}, r"PEFT has no method 'lorra'; did you mean 'lora'\?; choose one of .*adalora.*vera"),
        ("peft:<method>", {}, "give a method of PEFT"),
        ("peft:", {}, "give a method of PEFT"),
        ("peft:poly", {}, "'peft:poly' cannot train a sentence classifier: it needs several tasks"),
        ("peft:lora[rank=4]", {}, "peft:lora has no option 'rank'; it has .*lora_alpha.*r, "),
        ("peft:lora", {"lora_alhpa": 4}, "peft:lora has no option 'lora_alhpa'; did you mean 'lora_alpha'"),
        ("peft:lora[r=many]", {}, "peft:lora: r is 'many'; give int"),
        ("peft:lora[use_dora=2]", {}, "use_dora is '2'; give bool"),
        ("peft:lora[modules_to_save=[x]]", {}, "no option 'modules_to_save'; --head and --train_pooler"),
        ("peft:lora[r]", {}, "'r' is not option=value"),
        ("peft:lora[r=4", {}, "options are written peft:method"),
        ("peft:lora[r=0]", {}, "PEFT refuses 'peft:lora.r=0.' for this encoder: .*positive"),
        ("peft:lora[target_modules=[nowhere]]", {}, "PEFT refuses .*: No modules were targeted"),
        ("peft:miss", {}, "less than or equal to in_features"),
    ],
)
def test_what_cannot_be_is_one_line(encoders, name, options, message):
    with pytest.raises(UserError, match=message):
        build(encoders["bert"], name, peft_options=options)


def test_prefix_tuning_is_refused_where_peft_would_read_the_wrong_vector(encoders):
    with pytest.raises(UserError, match="does not reach this encoder's own head: give --head linear"):
        build(encoders["roberta"], "peft:prefix_tuning")
    with pytest.raises(UserError, match="a 'distilbert' encoder takes no keys and values"):
        build(encoders["distilbert"], "peft:prefix_tuning")


def test_every_method_that_is_offered_builds_or_says_what_does_not_fit(encoders):
    """None of PEFT's methods ends in an error of another kind."""
    built = []
    for method in known_methods():
        try:
            build(encoders["bert"], f"peft:{method}")
            built.append(method)
        except UserError as error:
            assert str(error).startswith("strategy: ")
    assert len(built) >= 25


def test_adalora_shares_its_ranks_out_while_the_trainer_trains(encoders, tmp_path):
    strategy = find_strategy("peft:adalora[init_r=4,target_r=1]")
    model = build(encoders["bert"], strategy.name)
    inputs = {name: values.tolist() for name, values in batch(6).items()}
    columns = inputs | {"length": [sum(mask) for mask in inputs["attention_mask"]]}
    trainer = strategy.trainer_class(WorkbenchTrainer)(
        model=model,
        args=TrainingArguments(
            output_dir=str(tmp_path),
            num_train_epochs=4,
            per_device_train_batch_size=2,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["labels"],
        ),
        data_collator=TextCollator(word_tokenizer()),
        train_dataset=Dataset.from_dict(columns),
        processing_class=word_tokenizer(),
        callbacks=strategy.callbacks(model),
    )
    trainer.train()
    ranks = [sum(kept) for kept in model.peft_config["default"].rank_pattern.values()]
    assert len(ranks) == 6 and sum(ranks) == 6  # six projections began with four each
    save_classifier(model, word_tokenizer(), tmp_path / "run")
    loaded, _ = load_classifier(str(tmp_path / "run"))
    torch.testing.assert_close(answers(loaded), answers(model), rtol=0, atol=1e-6)


def test_only_adalora_has_callbacks(encoders):
    strategy = find_strategy("peft:ia3")
    model = build(encoders["bert"], strategy.name)
    assert strategy.callbacks(model) == [] and strategy.trainer_class(WorkbenchTrainer) is WorkbenchTrainer
    assert logits(model).shape == (3, 3)
