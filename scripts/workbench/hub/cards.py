"""Cards from facts: what results.json, weights and configs say, rendered by `templates/*.md`; nothing is typed."""

import html
import json
import math
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import UserError
from workbench.escapes import one_line
from workbench.runs.metrics import metric_name
from workbench.runs.results import RESULTS_FILE, RunResults

TEMPLATES = Path(__file__).parent / "templates"
LICENCE = "apache-2.0"
# The word list is wordfreq's, whose data are shared under this licence.
DATASET_LICENCE = "cc-by-sa-4.0"
FEWEST_SEEDS = 3
# What a run may not have recorded.
NO_FACTS = dict.fromkeys(
    "base_model date dataset hyperparameters hardware energy_kwh steps epochs best_step processes curve examples "
    "wrong".split()
)
UNITS = {
    "word_accuracy": "share of words, 0 to 1",
    "cer": "edits per reference character; 0 is best",
    "ser": "edits per reference symbol; 0 is best",
    "loss": "nats; 0 is best",
    "accuracy": "share of examples, 0 to 1",
}


@dataclass(frozen=True)
class ModelKind:
    """How a kind of model is called, loaded and judged."""

    pipeline_tag: str
    auto_class: str
    summary: str
    needs: tuple[str, ...] = ()


MODEL_KINDS = {
    "encoder-decoder": ModelKind(
        "translation",
        "AutoModelForSeq2SeqLM",
        "An encoder-decoder character transformer that turns words into words.",
        ("word_accuracy", "cer"),
    ),
    "decoder-only": ModelKind(
        "text-generation",
        "AutoModelForCausalLM",
        "A decoder-only character transformer that turns words into words.",
        ("word_accuracy", "cer"),
    ),
    "sequence-classification": ModelKind(
        "text-classification",
        "AutoModelForSequenceClassification",
        "A text classifier on a pretrained encoder.",
    ),
}


def kind_of(config: dict, where: str) -> ModelKind:
    """The kind of a model's `config.json`; UserError for an architecture that no card is written for."""
    if config.get("model_type") == "piglatin":
        return MODEL_KINDS["encoder-decoder" if config.get("is_encoder_decoder") else "decoder-only"]
    architecture = architecture_of(config) or "none"
    if architecture.endswith("ForSequenceClassification"):
        return MODEL_KINDS["sequence-classification"]
    raise UserError(f"{where}: no card for the architecture '{architecture}'; translators and classifiers have one")


def architecture_of(config: dict) -> str:
    """The class that a model's `config.json` names first; '' if it names none."""
    named = config.get("architectures")
    return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""


@dataclass(frozen=True)
class MeanScore:
    """One metric of one split, over one or more seeds.

    Attributes:
        deviation: sample standard deviation; None for a single seed.
        n: seeds.
    """

    split: str
    name: str
    mean: float
    deviation: float | None
    n: int

    @property
    def label(self) -> str:
        return metric_name(self.name)

    @property
    def unit(self) -> str:
        return UNITS.get(self.name, "")

    @property
    def text(self) -> str:
        """`0.9985 ± 0.0003 (n = 3 seeds)`"""
        if self.deviation is None:
            return f"{self.mean:.4g} (n = 1 seed)"
        return f"{self.mean:.4g} ± {self.deviation:.2g} (n = {self.n} seeds)"


def read_runs(folders: list[Path]) -> list[RunResults]:
    """The results of a run and of the same run with other seeds.

    Raises:
        UserError: results that cannot be read, fewer than three runs beside one, a seed twice, or unlike runs.
    """
    runs = [RunResults.read(folder) for folder in folders]
    if len(runs) == 1:
        return runs
    if len(runs) < FEWEST_SEEDS:
        raise UserError(f"{len(runs)} runs are too few for a mean: give at least {FEWEST_SEEDS - 1} with --seed_runs")
    seeds = [run.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise UserError(f"the runs' seeds are {', '.join(map(str, seeds))}: each run needs a seed of its own")
    for folder, run in zip(folders, runs, strict=True):
        if (run.splits, run.parameters) != (runs[0].splits, runs[0].parameters):
            raise UserError(f"{folder}: other splits or parameters than {folders[0]}: not the same run, another seed")
    return runs


def summarise(runs: list[RunResults], needs: tuple[str, ...], where: Path) -> list[MeanScore]:
    """Every metric of the test and validation splits; UserError for one that is missing or no number.

    Where the test split has no labels (GLUE), what is told is of the validation split alone.
    """
    shown = runs[0].metrics.get("test") or ({} if needs else runs[0].metrics.get("validation")) or {}
    missing = [name for name in needs if name not in shown]
    if missing or not set(shown) - {"loss"}:
        name = (missing or ["…"])[0]
        raise UserError(f"{where / RESULTS_FILE}: no metrics.test.{name}, which the card needs; evaluate the run first")
    names = [(split, name) for split in ("test", "validation") for name in runs[0].metrics.get(split) or {}]
    return [_score(runs, split, name, where) for split, name in names]


def _score(runs: list[RunResults], split: str, name: str, where: Path) -> MeanScore:
    values = [run.metrics.get(split, {}).get(name) for run in runs]
    for value, run in zip(values, runs, strict=True):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise UserError(f"{where / RESULTS_FILE}: metrics.{split}.{name} of seed {run.seed} is {value}, no number")
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return MeanScore(split, name, statistics.fmean(values), deviation, len(values))


def model_card(repo_id: str, config: dict, runs: list[RunResults], dataset_id: str | None, where: Path) -> dict:
    """The files that a model's facts are shown in: `README.md`, and `.eval_results/igpay.yaml` if the data have an id.

    Args:
        config: the model's `config.json`.
        runs: the run that is published, then the same with other seeds.
        dataset_id: the Hub data set that the run was trained and tested on, if results.json does not say.
        where: the run's folder, for error messages.

    Returns:
        Path in the repository -> content in bytes.
    """
    kind = kind_of(config, str(where / "config.json"))
    scores = summarise(runs, kind.needs, where)
    facts = {**NO_FACTS, **(runs[0].facts or {})}
    dataset = facts["dataset"] or {}
    dataset_id = dataset_id or dataset.get("id")
    metadata = {
        "license": LICENCE,
        "language": ["en"] if dataset.get("generated") else None,
        "library_name": "transformers",
        "pipeline_tag": kind.pipeline_tag,
        "base_model": facts["base_model"],
        "datasets": [dataset_id] if dataset_id else None,
        "metrics": sorted({score.name for score in scores} - {"loss"}),
        "tags": _tags(config, dataset),
        "model-index": _model_index(repo_id, kind, scores, dataset, dataset_id, runs),
    }
    curve = thin(facts["curve"] or [])
    scored = [key for key in curve[0] if key != "step"] if curve else []
    context = {
        "kind": kind,
        "config": config,
        "trust": "auto_map" in config,
        "scores": scores,
        "runs": runs,
        "run": runs[0],
        "facts": facts,
        "dataset_id": dataset_id,
        "words": _example_words(facts),
        "has_curves": (where / "curves.png").is_file(),
        "splits": {name: runs[0].splits[name] for name in ("train", "validation", "test") if name in runs[0].splits},
        "curve": curve,
        "curve_columns": {key: f"validation {metric_name(key.removeprefix('validation_'))}" for key in scored},
        "architecture": architecture_of(config),
    }
    files = {"README.md": render("model.md", repo_id, metadata, context)}
    if dataset_id:
        files[".eval_results/igpay.yaml"] = _eval_results(scores, dataset_id, facts)
    return files


def _tags(config: dict, dataset: dict) -> list[str]:
    tags = ["igpay"]
    if config.get("model_type") == "piglatin":
        tags += ["character-level", "word-to-word"]
    if dataset.get("generated"):
        tags.append("pig-latin")
    return tags


def _model_index(repo_id: str, kind: ModelKind, scores: list[MeanScore], dataset: dict, dataset_id, runs) -> list[dict]:
    """The Hub's `model-index`; a mean's name says of how many seeds, and its standard deviation."""
    name = dataset.get("name") or dataset_id or "unnamed data"
    data = {"type": dataset_id or _slug(name), "name": name}
    results = []
    for split in dict.fromkeys(score.split for score in scores):
        metrics = [
            {"type": s.name, "value": s.mean, "name": s.label + (f", mean of seeds: {s.text}" if s.deviation else "")}
            for s in scores
            if s.split == split
        ]
        where = {**data, "split": split}
        results.append({"task": {"type": kind.pipeline_tag}, "dataset": where, "metrics": metrics})
    return [{"name": repo_id.split("/")[1], "results": results}]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"


def _eval_results(scores: list[MeanScore], dataset_id: str, facts: dict) -> bytes:
    """The test scores in the Hub's `.eval_results` format: one entry per metric, which is its task."""
    date = {"date": facts["date"]} if facts["date"] else {}
    entries = [
        {
            "dataset": {"id": dataset_id, "task_id": score.name},
            "value": score.mean,
            **date,
            "notes": f"test split, {score.text}",
        }
        for score in scores
        if score.split == "test"
    ]
    return _yaml(entries).encode()


def adapter_card(
    repo_id: str, adapter: dict, base: dict, own: dict, counts: dict, runs: list[RunResults], where: Path
) -> dict:
    """`README.md` of a PEFT adapter.

    Args:
        adapter: its `adapter_config.json`, with the base model's Hub id.
        base: the base model's `config.json`.
        own: the `config.json` beside the adapter, which knows a classifier's labels; empty if there is none.
        counts: `adapter` and, where known, `base`: numbers of parameters.
        runs: the run's results, if there are any.
    """
    auto_class, pipeline_tag = ADAPTER_CLASSES.get(adapter.get("task_type"), ("AutoModel", None))
    scores = summarise(runs, (), where) if runs else []
    facts = {**NO_FACTS, **((runs[0].facts if runs else None) or {})}
    dataset = facts["dataset"] or {}
    kind = ModelKind(pipeline_tag or "feature-extraction", auto_class, "")
    index = _model_index(repo_id, kind, scores, dataset, dataset.get("id"), runs) if scores else None
    method = adapter["peft_type"]
    metadata = {
        "license": LICENCE,
        "library_name": "peft",
        "pipeline_tag": pipeline_tag,
        "base_model": adapter["base_model_name_or_path"],
        "base_model_relation": "adapter",
        "datasets": [dataset["id"]] if dataset.get("id") else None,
        "tags": ["igpay", "adapter", method.lower()],
        "model-index": index,
    }
    settings = {name: value for name, value in adapter.items() if _is_setting(value) and name not in ADAPTER_NOISE}
    context = {
        "adapter": adapter,
        "auto_class": auto_class,
        "trust": "auto_map" in base,
        "has_config": bool(own),
        # A fusion's parts, and the heads of our own classifier, find their places in igpay alone.
        "needs_igpay": bool(adapter.get("adapters")) or "auto_map" in own,
        "method": method,
        "counts": counts,
        "settings": settings,
        "scores": scores,
        "runs": runs,
        "facts": facts,
    }
    return {"README.md": render("adapter.md", repo_id, metadata, context)}


ADAPTER_CLASSES = {
    "SEQ_2_SEQ_LM": ("AutoModelForSeq2SeqLM", "translation"),
    "CAUSAL_LM": ("AutoModelForCausalLM", "text-generation"),
    "SEQ_CLS": ("AutoModelForSequenceClassification", "text-classification"),
    "TOKEN_CLS": ("AutoModelForTokenClassification", "token-classification"),
    "FEATURE_EXTRACTION": ("AutoModel", "feature-extraction"),
}
ADAPTER_NOISE = frozenset({"base_model_name_or_path", "peft_type", "task_type", "inference_mode", "peft_version"})


def _is_setting(value) -> bool:
    """Whether a configuration's value was chosen: not empty, not off, and short enough to show."""
    return value not in (None, False, "", [], {}) and not isinstance(value, dict)


def dataset_card(repo_id: str, sizes: dict, examples: list[dict]) -> bytes:
    """`README.md` of the Pig Latin pairs.

    Args:
        sizes: configuration -> split -> rows; the first is the default.
        examples: some rows.
    """
    total = max(sum(splits.values()) for splits in sizes.values())
    configs = [
        {
            "config_name": name,
            **({"default": True} if name == next(iter(sizes)) else {}),
            "data_files": [{"split": split, "path": f"{name}/{split}.jsonl"} for split in splits],
        }
        for name, splits in sizes.items()
    ]
    metadata = {
        "license": DATASET_LICENCE,
        "language": ["en"],
        "pretty_name": "English words and their Pig Latin",
        "task_categories": ["translation"],
        "size_categories": [_size_category(total)],
        "tags": ["igpay", "pig-latin", "character-level", "word-to-word"],
        "configs": configs,
    }
    return render("dataset.md", repo_id, metadata, {"sizes": sizes, "examples": examples})


def augmented_card(repo_id: str, rows: int, transforms: list[str]) -> bytes:
    """`README.md` of transformed training examples; their licence is that of the texts, which only the owner knows."""
    metadata = {
        "license": "other",
        "task_categories": ["text-classification"],
        "size_categories": [_size_category(rows)],
        "tags": ["igpay", "augmentation", *transforms],
    }
    return render("augmented.md", repo_id, metadata, {"rows": rows, "transforms": transforms})


def _size_category(rows: int) -> str:
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    return next((name for bound, name in bounds if rows < bound), "100K<n<1M")


def _example_words(facts: dict) -> dict[str, str]:
    """Words for the snippet and what the model wrote for them, or two plain words and nothing."""
    rows = [row for row in facts["examples"] or [] if not re.search(r"[`\\\n]", row[0] + row[2])]
    return {row[0]: row[2] for row in rows[:2]} or {"street": "", "apple": ""}


def thin(rows: list, most: int = 8) -> list:
    """At most `most` of the rows, evenly, with the first and the last."""
    if len(rows) <= most:
        return rows
    return [rows[round(index * (len(rows) - 1) / (most - 1))] for index in range(most)]


def render(template: str, repo_id: str, metadata: dict, context: dict) -> bytes:
    """A card: the metadata that are not None as YAML, then the template's text."""
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": _cell, "number": _number, "python": _python, "plain": _plain, "hub": _hub}
    owner, name = repo_id.split("/")
    try:
        body = environment.get_template(template).render(repo_id=repo_id, owner=owner, name=name, **context)
    except (jinja2.TemplateError, TypeError) as error:
        raise UserError(f"{repo_id}: no card can be written of what its results and config say: {error}") from error
    block = _yaml({key: value for key, value in metadata.items() if value is not None})
    body = re.sub(r"\n{3,}", "\n\n", body)
    return f"---\n{block}---\n\n{body}".encode()


def _cell(value) -> str:
    """Text of the user's, safe in a Markdown table: no markup, no HTML, one line."""
    text = html.escape(one_line(str(value)), quote=False)
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)


def _plain(value) -> str:
    """Text of the user's, safe inside of a block of code."""
    return re.sub(r"[`{}\\]", "", one_line(str(value)))


def _hub(name: str, kind: str = "") -> str:
    """A link to a model on the Hub, or with `kind` to a data set; a name that none there can have, as text."""
    is_hub = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name)
    return f"[{_cell(name)}](https://huggingface.co/{kind}{name})" if is_hub else _cell(name)


def _number(value) -> str:
    if value is None:
        return "an unknown number of"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _python(value) -> str:
    """A Python literal, as `print` shows a list of strings."""
    return repr(value) if not isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _yaml(content) -> str:
    import yaml

    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
