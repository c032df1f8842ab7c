"""The benchmark: what it compares really is the same work, and what it reports is what it measured.

No test looks at a time: that would be a test of the machine.
"""

import json
import math
import sys
from types import SimpleNamespace

import pytest
import torch

import benchmark
from custom_models import ARCHITECTURES, PigLatinConfig
from workbench.benchmarks import generate, notebook, train, transforms
from workbench.benchmarks.timing import Bar, Comparison, format_table, measure, summarize
from workbench.errors import UserError
from workbench.runs.results import RunResults
from workbench.runs.trainer import WorkbenchTrainer
from workbench.translation.decoding import decode_words, greedy_decode
from workbench.translation.examples import PairCollator, score_words

OPTIONS = SimpleNamespace(rounds=1, quick=True, seed=0, threads=1, notebook_architecture="decoder-only")
TINY = {"hidden_size": 16, "encoder_layers": 1, "decoder_layers": 1, "intermediate_size": 32}


@pytest.fixture(scope="module")
def few():
    return train.few_pairs()


@pytest.fixture(params=list(ARCHITECTURES))
def twins(request, few):
    """The material of an architecture, our `notebook` preset, and the notebook's model with the same weights."""
    material = train.Material.of(few, request.param)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "encoder_layers": 2, "decoder_layers": 2}
    config = PigLatinConfig.from_preset("notebook", vocab_size=len(material.tokenizer), **sizes)
    ours = ARCHITECTURES[request.param](config).eval()
    theirs = notebook.NotebookTransformer(material.notebook(16, 2, 1)).eval()
    copy_weights(ours, theirs)
    return material, ours, theirs


def copy_weights(ours, theirs) -> None:
    """Gives the notebook's model the weights of ours; every one of ours has a place there."""
    renamed = {}
    for name, weight in ours.state_dict().items():
        name = name.replace("embed_tokens", "embedding").replace("feed_forward.inner", "feed_forward.0")
        renamed["decoder." + name[6:] if name.startswith("model.") else name.replace("lm_head", "output")] = weight
    missing, unexpected = theirs.load_state_dict(renamed, strict=False)
    assert not unexpected and all(name.endswith("positions") for name in missing)


def padded(material, examples) -> dict[str, torch.Tensor]:
    return PairCollator(material.tokenizer.pad_token_id)(examples)


class LossRecorder(WorkbenchTrainer):
    """Remembers each step's loss unrounded."""

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.__dict__.setdefault("losses", []).append(loss.detach())
        return loss


def test_bare_loop_does_what_the_trainer_does(few):
    material = train.Material.of(few)
    options = train.TrainerOptions(seed=3, max_steps=12, extra=train.UNINTERRUPTED)
    steps_per_epoch = math.ceil(len(material.splits["train"]) / options.train_batch_size)
    assert steps_per_epoch < options.max_steps, "the order of a second epoch is to be compared too"

    trainer = train.run_trainer(
        material,
        train.new_model(material, 0, dropout=0.0, attention_dropout=0.0, **TINY),
        options,
        train.StepClock(),
        trainer_class=LossRecorder,
    )
    bare = train.new_model(material, 0, dropout=0.0, attention_dropout=0.0, **TINY)
    clock, losses = train.run_bare_loop(material, bare, options)

    assert len(clock.moments) == len(losses) == len(trainer.losses) == options.max_steps
    torch.testing.assert_close(torch.stack(losses), torch.stack(trainer.losses), rtol=0, atol=1e-5)
    assert losses[-1] < losses[0]


def test_notebook_model_is_our_notebook_preset(twins):
    material, ours, theirs = twins
    for prompt, target in notebook.equal_length_batches(material.splits["train"])[:5]:
        with torch.no_grad():
            logits = theirs(prompt, target)
            if ours.config.is_encoder_decoder:
                expected = ours(input_ids=prompt, labels=target).logits
            else:
                expected = ours(torch.cat((prompt, target), dim=1)).logits[:, prompt.shape[1] - 1 : -1]
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_both_validation_losses_are_the_same_measure(twins):
    material, ours, theirs = twins
    examples = material.splits["validation"]
    batch = padded(material, examples)
    with torch.no_grad():
        logits, labels = ours(**batch).logits, batch["labels"]
    if not ours.config.is_encoder_decoder:
        logits, labels = logits[:, :-1], labels[:, 1:]
    losses, symbols, _ = score_words(logits, labels).sum(dim=0).tolist()
    measured = notebook.validation_loss(theirs, notebook.equal_length_batches(examples))
    assert measured == pytest.approx(losses / symbols, abs=1e-5)


def test_notebook_loop_writes_what_our_decoding_writes(twins):
    material, ours, theirs = twins
    prompts = [notebook.split_example(example)[0] for example in list(material.splits["test"])[:20]]
    # An end mark that is likelier lets words end at different lengths.
    with torch.no_grad():
        for output in (ours.lm_head, theirs.output):
            output.bias[material.tokenizer.eos_token_id] = 1.0
    for prompt in prompts:
        inputs = {"input_ids": torch.tensor([prompt]), "attention_mask": torch.ones(1, len(prompt), dtype=torch.long)}
        assert notebook.greedy_word(theirs, prompt, 12) == greedy_decode(ours, inputs, 12)[0]


def test_equal_length_batches_hold_each_pair_once_without_padding(twins):
    material, *_ = twins
    examples = material.splits["train"]
    batches = notebook.equal_length_batches(examples, size=4)
    rows = [
        (*prompt, *target) for batch in batches for prompt, target in zip(*map(torch.Tensor.tolist, batch), strict=True)
    ]
    assert sorted(rows) == sorted(tuple(sum(map(list, notebook.split_example(example)), [])) for example in examples)
    assert max(len(prompt) for prompt, _ in batches) == 4


def test_notebook_training_learns_and_reports_its_best_epoch(few):
    material = train.Material.of(few, "decoder-only")
    run = notebook.train_notebook(material.notebook(32, 1, 8), material.splits, seed=0)
    seconds, losses = zip(*run.history, strict=True)
    assert list(seconds) == sorted(seconds)
    assert losses[-1] < min(losses[0], math.log(len(material.tokenizer)))
    assert run.best[1] == min(losses)


def test_generate_and_our_decoding_write_the_same_words(few):
    material = train.Material.of(few)
    model = train.new_model(material, 0, max_position_embeddings=64, **TINY)
    words = list(few["test"]["english"])[:12]
    assert generate.generate_words(model, material.tokenizer, words) == decode_words(model, material.tokenizer, words)


def test_bart_has_our_sizes(few):
    material = train.Material.of(few)
    ours, bart = train.new_model(material, 0), train.new_bart(material, 0)
    for name in ("vocab_size", "hidden_size", "encoder_layers", "decoder_layers", "num_attention_heads"):
        assert getattr(bart.config, name) == getattr(ours.config, name)
    assert bart.model.decoder.layers[0].fc1.weight.shape == ours.decoder.layers[0].feed_forward.inner.weight.shape


def test_rounds_alternate_and_the_warm_up_is_forgotten():
    calls = []

    def way(name):
        def work() -> int:
            calls.append(name)
            return len(calls)

        return work

    figures = measure({"a": way("a"), "b": way("b")}, rounds=2, warm_up=1)
    assert "".join(calls) == "baabba"
    assert figures == {"a": [3, 6], "b": [4, 5]}


def test_table_and_json_carry_the_medians_of_the_rounds(tmp_path):
    figures = {"ours": [10.0, 30.0, 22.0], "theirs": [10.0, 20.0, 20.0], "slow": [40.0, 10.0, math.inf]}
    comparisons = [
        Comparison.of(figures, "step", "s", "ours", "theirs", Bar(1.05), batch_size=64, ours={"parameters": 1234}),
        Comparison.of(figures, "speed", "words/s", "ours", "slow", Bar(0.2, at_least=True)),
        Comparison.of(figures, "reached", "s", "slow", "ours", None),
    ]
    table = format_table(comparisons)
    line = next(line for line in table.splitlines() if line.startswith("step (s)"))
    assert line.split() == "step (s) ours 22 theirs 20 1.100 1.000 to 1.500 3 ≤ 1.05 MISSED".split()
    assert "step: batch size 64" in table and "ours: parameters 1,234" in table

    summarize("train", comparisons, SimpleNamespace(seed=7, threads=2), elapsed=1.5).write(tmp_path)
    content = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)
    first, second, third = content["comparisons"]
    assert first["medians"] == {"ours": 22.0, "theirs": 20.0} and first["ratios"] == [1.0, 1.5, 1.1]
    assert (first["met"], second["met"], third["met"]) == (False, True, None)
    assert third["figures"]["slow"] == [40.0, 10.0, None]
    results = RunResults.read(tmp_path)
    assert results.metrics == {"train": {"step": 1.1, "speed": 0.25, "reached": 4.0}} and results.seed == 7


def test_seconds_to_a_loss_that_was_never_reached_are_infinite():
    history = [(1.0, 0.5), (2.0, 0.3), (3.0, 0.4)]
    assert train.seconds_to(0.3, history) == 2.0
    assert train.seconds_to(0.1, history) == math.inf


def test_our_loss_clock_leaves_evaluation_out(monkeypatch):
    now = iter([0.0, 5.0, 100.0, 103.0])
    monkeypatch.setattr(train.time, "perf_counter", lambda: next(now))
    clock = train.LossClock()
    for step in (0, 40):
        clock.on_epoch_begin(None, SimpleNamespace(global_step=step), None)
        clock.on_epoch_end(None, None, None)
        clock.on_evaluate(None, None, None, metrics={"eval_loss": 1.0 / (step + 1)})
    assert clock.history == [(5.0, 1.0), (8.0, 1.0 / 41)]


@pytest.mark.slow
def test_generate_suite_runs_and_says_what_it_measured():
    comparisons = generate.run(OPTIONS)
    assert [comparison.name for comparison in comparisons][:2] == ["words_per_second", "words_per_second_of_bart"]
    for comparison in comparisons:
        assert all(len(values) == OPTIONS.rounds for values in comparison.figures.values())
        assert {"words", "symbols_per_word", "share_right", "parameters"} == set(comparison.facts[comparison.way])


@pytest.mark.slow
def test_train_suite_runs_and_writes_its_folder(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    command = ["benchmark.py", "train", "--quick", "--rounds", "1", "--output_dir", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", command)
    benchmark.main()
    shown = capsys.readouterr().out
    metrics = RunResults.read(tmp_path / "run").metrics["train"]
    assert set(metrics) == {"step", "step_of_bart", "seconds_to_loss_of_notebook_8"}
    assert all(f"\n{name} (s)" in shown for name in metrics)
    assert shown.strip().splitlines()[-1].endswith(str(tmp_path / "run"))
    with pytest.raises(UserError, match="--overwrite_output_dir"):
        benchmark.main()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "did you mean 'train'"),
        ([], "{train,generate,adapters,transforms}"),
        (["train", "--rounds", "0"], "rounds: 0; give a whole number from 1"),
        (["train", "--thread", "2"], "did you mean 'threads'"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(run_script, refused, arguments, said):
    assert said in refused(run_script("benchmark", *arguments))


def test_transforms_suite_gives_each_round_texts_of_its_own(monkeypatch):
    """A peer stands in, since neither is a dependency; without one, the hint says how to get them."""
    seen = {"ours": [], "theirs": []}
    options = SimpleNamespace(rounds=2, quick=True, file=None, texts=20)
    monkeypatch.setattr(transforms, "our_way", lambda *names: seen["ours"].append if len(names) == 1 else list)
    monkeypatch.setattr(transforms, "PEERS", {"KeyboardAug": lambda: seen["theirs"].append, "SynonymAug": lambda: None})
    [comparison] = transforms.run(options)
    assert (comparison.name, comparison.unit, comparison.bar) == ("typos", "texts per second", None)
    warm_up, first, second = seen["theirs"]
    assert len(warm_up) == len(first) == 10 and not set(first) & set(second)
    monkeypatch.setattr(transforms, "PEERS", {"KeyboardAug": lambda: None})
    with pytest.raises(UserError, match="pip install nlpaug"):
        transforms.run(options)
