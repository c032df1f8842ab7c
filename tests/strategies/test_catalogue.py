"""Every way of reusing an encoder: what it trains, that it learns, that its folder gives back the same model."""

from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from safetensors.torch import save_file
from support.bottleneck_models import batch, logits
from support.encoder_folders import LABELS, build, train, word_tokenizer, write_encoder
from transformers import BertConfig, TrainerCallback, TrainingArguments

from workbench.classification.batches import TextCollator
from workbench.classification.loading import load_classifier
from workbench.classification.model import build_classifier, load_base_tokenizer, save_classifier
from workbench.classification.strategy_table import describe_strategies, strategy_rows
from workbench.errors import UserError
from workbench.runs.trainer import WorkbenchTrainer
from workbench.strategies.adapters_library import has_adapters_library
from workbench.strategies.arguments import StrategyArguments
from workbench.strategies.catalogue import STRATEGIES, find_strategy
from workbench.strategies.encoders import encoder_of, layer_groups

NAMES = [name for name in STRATEGIES if "<" not in name]
HAS_LIBRARY = has_adapters_library()
LIBRARY = ["adapters:seq_bn[reduction_factor=4]", "adapters:prefix_tuning", "adapters:vera"] if HAS_LIBRARY else []
needs_library = pytest.mark.skipif(not HAS_LIBRARY, reason="the adapters library exists for transformers 4.57 only")
# Of bert-base: hidden size, layers, inside the feed-forward, bottleneck, LoRA's rank.
H, L, F, R, K = 768, 12, 3072, 64, 8
EMBEDDINGS = (30522 + 512 + 2) * H + 2 * H
LAYER = 4 * (H * H + H) + (H * F + F) + (F * H + H) + 2 * 2 * H
DENSE, LAST = H * H + H, 2 * H + 2
HEAD = DENSE + LAST
ALL = EMBEDDINGS + L * LAYER + HEAD
ADAPTER = 2 * H * R + R + H
NORMS = 2 * L * 2 * H
EXPECTED = {
    "scratch": ALL,
    "frozen": LAST,
    "feature_mix": LAST + (L + 1) + 1,
    "full": ALL,
    "top_k": HEAD + 2 * LAYER,
    "gradual": ALL,
    "layer_norm": HEAD + NORMS + 2 * H,
    "bitfit": HEAD + L * (4 * H + F + H + 2 * H) + H,
    "lora": HEAD + L * 2 * K * (H + H),
    "houlsby": LAST + L * ADAPTER,
    "houlsby_unshared": HEAD + 2 * L * ADAPTER + NORMS,
    "houlsby_3shared": LAST + L // 3 * ADAPTER,
    "pfeiffer": HEAD + L * ADAPTER,
    "parallel": HEAD + L * ADAPTER,
    "peft:ia3": HEAD + L * (2 * H + F + H),
    "adapters:seq_bn": HEAD + L * (2 * H * (H // 16) + H // 16 + H),
}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Folders of tiny pretrained encoders by family."""
    families = ("bert", "roberta", "distilbert")
    return {family: write_encoder(tmp_path_factory.mktemp(family), family) for family in families}


def frozen_weights(model) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if not weight.requires_grad}


# What is trained


@pytest.fixture(scope="module")
def bert_base(tmp_path_factory) -> str:
    """A folder with the config of bert-base, and weights that nobody opens."""
    folder = tmp_path_factory.mktemp("bert-base")
    BertConfig().save_pretrained(folder)
    save_file({}, folder / "model.safetensors")
    return str(folder)


def test_strategies_train_as_many_weights_of_bert_base_as_their_papers_say(bert_base):
    rows, refused = strategy_rows(StrategyArguments(bert_base))
    assert {row[0]: row[4] + LAST for row in rows} == {name: EXPECTED[name] for name in EXPECTED if name not in refused}
    assert set(refused) == (set() if HAS_LIBRARY else {"adapters:seq_bn"})
    assert {*NAMES, "peft:ia3", "adapters:seq_bn"} == set(EXPECTED)


def test_the_counts_that_people_know(bert_base):
    """Houlsby et al. 2019 at bert-base: what is trained but for the last layer, of 1,538 weights for two labels."""
    rows, _ = strategy_rows(StrategyArguments(bert_base))
    trained = {row[0]: row[4] for row in rows}
    assert LAST == 1_538 and trained["frozen"] == 0 and trained["full"] + LAST == 109_483_778
    assert [trained[name] for name in ("houlsby", "houlsby_3shared", "houlsby_unshared")] == [
        1_189_632,
        396_544,
        3_006_720,
    ]
    layers = {row[0]: row[3] for row in rows}
    assert [layers[name] for name in ("frozen", "full", "houlsby", "houlsby_unshared")] == ["1", "2", "1", "2"]
    told = describe_strategies(StrategyArguments(bert_base)).splitlines()
    assert next(line for line in told if line.startswith("houlsby_unshared")).split() == [
        *("houlsby_unshared", "none", "LayerNorms", "2", "3,006,720", "2.75%")
    ]


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("name", [*NAMES, *LIBRARY])
def test_a_strategy_learns_keeps_frozen_weights_and_comes_back_from_its_folder(encoders, tmp_path, name, pooling):
    check_round_trip(encoders["bert"], tmp_path, name, pooling)


@pytest.mark.parametrize(
    "name", ["frozen", "feature_mix", "top_k", "gradual", "bitfit", "lora", "houlsby", *LIBRARY[:1]]
)
@pytest.mark.parametrize("family", ["roberta", "distilbert"])
def test_other_families_learn_and_come_back_too(encoders, tmp_path, family, name):
    check_round_trip(encoders[family], tmp_path, name, "cls")


def check_round_trip(encoder, folder, name, pooling):
    model = build(encoder, name, pooling=pooling)
    frozen = frozen_weights(model)
    losses = train(model)
    assert losses[-1] < 0.8 * losses[0]
    now = dict(model.named_parameters())
    assert all(torch.equal(weight, now[key]) for key, weight in frozen.items())
    save_classifier(model, load_base_tokenizer(StrategyArguments(encoder)), folder)
    loaded, tokenizer = load_classifier(str(folder))
    assert not loaded.training and loaded.config.id2label == dict(enumerate(LABELS))
    assert tokenizer("w5 w6")["input_ids"] == [5, 6]
    torch.testing.assert_close(logits(loaded), logits(model.eval()), rtol=0, atol=1e-6)


def test_one_seed_gives_every_strategy_the_same_head_and_another_seed_another(encoders):
    heads = [build(encoders["bert"], name).state_dict()["classifier.weight"] for name in ("full", "top_k", "bitfit")]
    adapted = build(encoders["bert"], "houlsby").get_base_model().classifier.modules_to_save["default"].weight
    assert all(torch.equal(heads[0], head) for head in [*heads, adapted])
    other = build(encoders["bert"], "full", seed=1).state_dict()["classifier.weight"]
    assert not torch.equal(heads[0], other)


def test_scratch_keeps_the_architecture_and_no_weight(encoders):
    pretrained, scratch = (build(encoders["bert"], name).state_dict() for name in ("full", "scratch"))
    assert pretrained.keys() == scratch.keys()
    assert not torch.equal(*(weights["bert.embeddings.word_embeddings.weight"] for weights in (pretrained, scratch)))


def test_a_frozen_encoder_has_no_dropout_and_a_trained_one_has(tmp_path):
    folder = write_encoder(tmp_path, hidden_dropout_prob=0.5)
    for name, steady in (("frozen", True), ("feature_mix", True), ("layer_norm", False), ("lora", False)):
        model, inputs = build(folder, name, classifier_dropout=0.0).train(), batch()
        assert torch.equal(model(**inputs).logits, model(**inputs).logits) is steady, name


def test_head_dropout_is_what_was_asked_for_in_every_family(encoders):
    for family, folder in encoders.items():
        model = build(folder, "frozen", classifier_dropout=0.5)
        rates = [
            part.p for name, part in model.named_modules() if isinstance(part, torch.nn.Dropout) and name.count(".") < 2
        ]
        assert 0.5 in rates, family


@pytest.mark.parametrize(("family", "has_one"), [("deberta-v2", True), ("electra", True), ("mpnet", False)])
def test_head_dropout_is_set_where_the_family_has_any_and_refused_elsewhere(tmp_path, family, has_one):
    folder = write_encoder(tmp_path / family, family)
    if not has_one:
        with pytest.raises(UserError, match=f"the head of a '{family}' model has no dropout of its own"):
            build(folder, "full", classifier_dropout=0.37)
        return
    model = build(folder, "full", classifier_dropout=0.37)
    behind = [child for child in model.children() if child is not encoder_of(model)]
    assert any(getattr(part, "p", None) == 0.37 for child in behind for part in child.modules())


def test_modernbert_reads_its_first_token_and_its_last_norm_is_trained_with_the_head(tmp_path):
    model = build(write_encoder(tmp_path / "modernbert", "modernbert", classifier_pooling="mean"), "gradual")
    assert model.config.classifier_pooling == "cls"
    assert "model.final_norm.weight" in layer_groups(model)[0]


def test_regression_has_one_output_and_learns_numbers(encoders, tmp_path):
    model = build(encoders["bert"], "lora", labels=[], is_regression=True)
    losses = train(model, inputs=batch() | {"labels": torch.tensor([0.5, 3.0, 1.5])}, steps=15)
    assert losses[-1] < 0.5 * losses[0] and logits(model).shape == (3, 1)
    save_classifier(model, word_tokenizer(), tmp_path)
    loaded, _ = load_classifier(str(tmp_path))
    assert loaded.config.problem_type == "regression"
    assert torch.equal(logits(loaded), logits(model.eval()))


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("name", ["full", "top_k", "bitfit", "lora", "houlsby", *LIBRARY[:1]])
def test_gradient_checkpointing_changes_no_gradient(encoders, name, reentrant):
    if reentrant and name in LIBRARY:
        pytest.skip("the adapters library refuses the reentrant kind, which is not the default")
    gradients = []
    for checkpointed in (False, True):
        arguments = StrategyArguments(model_name_or_path=encoders["bert"], strategy=name)
        arguments.gradient_checkpointing = checkpointed
        model = build_classifier(arguments, LABELS, False, seed=0).train()
        for part in model.modules():
            part.p = 0.0 if isinstance(part, torch.nn.Dropout) else getattr(part, "p", None)
        if checkpointed:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
        model(**batch()).loss.backward()
        gradients.append({key: weight.grad for key, weight in model.named_parameters() if weight.requires_grad})
    assert all(gradient is not None for gradient in gradients[0].values())
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient, msg=key)


# Training, checkpoints, gradual unfreezing


def examples() -> list[dict]:
    inputs = batch(6)
    return [{"length": 8} | {key: value[row].tolist() for key, value in inputs.items()} for row in range(6)]


def make_trainer(encoder: str, name: str, folder, epochs: int = 4, validation=None) -> WorkbenchTrainer:
    """Two steps make an epoch, and each ends with a checkpoint."""
    model = build(encoder, name)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=3,
        learning_rate=0.01,
        lr_scheduler_type="constant",
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=1,
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
    )
    strategy = find_strategy(name)
    trainer = strategy.trainer_class(WorkbenchTrainer)(
        model=model,
        args=arguments,
        data_collator=TextCollator(word_tokenizer()),
        train_dataset=Dataset.from_list(examples()),
        eval_dataset=validation or examples(),
        processing_class=word_tokenizer(),
    )
    trainer.parameter_groups = strategy.parameter_groups(model, 0.01, 0.1)
    for callback in strategy.callbacks(model):
        trainer.add_callback(callback)
    return trainer


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gradual", "feature_mix", "lora", "houlsby", *LIBRARY[:2]])
def test_a_run_resumed_in_mid_epoch_ends_with_the_weights_of_an_uninterrupted_one(encoders, tmp_path, name):
    whole = make_trainer(encoders["bert"], name, tmp_path / "whole")
    whole.train()
    resumed = make_trainer(encoders["bert"], name, tmp_path / "resumed")
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-5"))
    weights = resumed.model.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in whole.model.state_dict().items())
    assert whole.state.best_model_checkpoint.endswith(("checkpoint-7", "checkpoint-8"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "feature_mix", "lora", "houlsby_unshared", *LIBRARY[:2]])
def test_a_run_ends_with_the_checkpoint_that_validation_chose(encoders, tmp_path, name):
    never_seen = [example | {"labels": 2} for example in examples()]
    trainer = make_trainer(encoders["bert"], name, tmp_path, validation=never_seen)
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert min(losses) < losses[-1] - 0.1
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(losses), abs=1e-6)


class Snapshots(TrainerCallback):
    """Copies of the weights at each epoch's end."""

    def __init__(self, model):
        self.model, self.copies = model, []
        self.on_epoch_end()

    def on_epoch_end(self, *args, **kwargs):
        self.copies.append({key: value.clone() for key, value in self.model.state_dict().items()})

    def changed(self, epoch: int) -> set[str]:
        before, after = self.copies[epoch : epoch + 2]
        return {key for key, value in after.items() if not torch.equal(value, before[key])}


@pytest.mark.slow
def test_gradual_unfreezing_opens_one_layer_more_in_each_epoch(encoders, tmp_path):
    trainer = make_trainer(encoders["bert"], "gradual", tmp_path, epochs=6)
    groups = layer_groups(trainer.model)
    assert [len(group) for group in groups] == [4, 16, 16, 16, 5]
    snapshots = Snapshots(trainer.model)
    trainer.add_callback(snapshots)
    trainer.train()
    for epoch in range(6):
        opened = groups[: epoch + 1]
        assert snapshots.changed(epoch) <= {name for group in opened for name in group}, epoch
        assert all(snapshots.changed(epoch) & set(group) for group in opened), epoch


def test_too_few_epochs_to_unfreeze_all_are_told(encoders, capsys):
    (callback,) = find_strategy("gradual").callbacks(build(encoders["bert"], "gradual"))
    for epochs in (5, 3):
        callback.on_train_begin(None, SimpleNamespace(num_train_epochs=epochs, is_world_process_zero=True), None)
    assert capsys.readouterr().out == "gradual: in 3 epochs the head and 2 layers are trained; all would be in 5\n"


def test_discriminative_rates_fall_by_2_6_from_layer_to_layer(encoders):
    model = build(encoders["bert"], "gradual")
    groups = find_strategy("gradual").parameter_groups(model, 1.0, 0.1)
    rates = sorted({group["lr"] for group in groups}, reverse=True)
    assert rates == pytest.approx([2.6**-depth for depth in range(5)])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    norm = model.bert.encoder.layer[0].output.LayerNorm.weight
    held = next(group for group in groups if any(weight is norm for weight in group["params"]))
    assert held["weight_decay"] == 0.0 and held["lr"] == pytest.approx(2.6**-3)
