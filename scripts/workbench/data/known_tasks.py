"""The tasks that igpay knows by name: GLUE, Houlsby's CrowdFlower sets, IMDB and verbal arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass, field

from workbench.errors import UserError, nearest

from .verbal_arithmetic import LABELS as ARITHMETIC_LABELS
from .verbal_arithmetic import verbal_arithmetic

METRICS = ("accuracy", "f1", "macro_f1", "matthews_correlation", "pearson", "spearman")


@dataclass(frozen=True)
class Task:
    """A task: its texts, their source, and its scores.

    Args:
        name: what `--task` takes.
        text_column, pair_column, label_column: as the Hub's data set calls them; `COLUMN_ALIASES` knows the names
            that files give them. `pair_column` is None where an example is one text.
        labels: names by id, as in the Hub's data set; None: those in the training split, sorted.
        is_regression: labels are numbers.
        metrics: of `METRICS`; the first one selects the best epoch.
        hub_id, hub_config: for `datasets.load_dataset`; None where the Hub has no such data set.
        files: split to the file names (or patterns) that may hold it in `data_dir`, the likeliest first.
        submission: file name that the GLUE server wants; such a task's own test split has no labels.
        folder: where the files lie below a `data_dir` that holds several tasks.
        header: columns of a file that comes without a header.
        hub_splits: split to its name on the Hub where that differs.
        ignored_labels: rows with these are dropped, and counted.
        max_length: tokens that an example needs, unless the user says otherwise.
        generate: makes the splits where nothing is read: split to (text, label name) rows.
    """

    name: str
    text_column: str = "text"
    pair_column: str | None = None
    label_column: str = "label"
    labels: tuple[str, ...] | None = None
    is_regression: bool = False
    metrics: tuple[str, ...] = ("accuracy", "macro_f1")
    hub_id: str | None = None
    hub_config: str | None = None
    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    submission: str | None = None
    folder: str | None = None
    header: tuple[str, ...] | None = None
    hub_splits: dict[str, str] = field(default_factory=dict)
    ignored_labels: tuple[str, ...] = ()
    max_length: int = 128
    generate: Callable[[], dict[str, list[tuple[str, str]]]] | None = None


TASKS: dict[str, Task] = {}

# Left the name on the Hub, right what files call the same column, the likeliest first.
COLUMN_ALIASES = {
    "sentence1": ("#1 String", "premise"),
    "sentence2": ("#2 String", "hypothesis"),
    "premise": ("sentence1",),
    "hypothesis": ("sentence2",),
    "label": ("gold_label", "is_duplicate", "score", "Quality"),
    "category": ("CATEGORY",),
    "title": ("TITLE",),
}
INDEX_COLUMNS = ("index", "idx", "id")


def register(task: Task) -> Task:
    """Makes a task known to `--task`; UserError if its name is taken or a metric unknown."""
    if task.name in TASKS:
        raise UserError(f"task '{task.name}' is registered already")
    for metric in task.metrics:
        if metric not in METRICS:
            raise UserError(
                f"task '{task.name}': unknown metric '{metric}'{nearest(metric, list(METRICS))}; there are "
                f"{', '.join(METRICS)}"
            )
    TASKS[task.name] = task
    return task


def find_task(name: str) -> Task:
    """The registered task; UserError names the nearest and lists all."""
    if name not in TASKS:
        raise UserError(f"unknown task '{name}'{nearest(name, list(TASKS))}; there are {', '.join(TASKS)}")
    return TASKS[name]


def _glue(name: str, folder: str, labels: tuple[str, ...] = (), columns=("sentence1", "sentence2"), **more) -> Task:
    splits = {"train": ("train.tsv", "train*.tsv"), "validation": ("dev.tsv",), "test": ("test.tsv",)}
    options = {
        "hub_id": "nyu-mll/glue",
        "hub_config": name,
        "files": splits,
        "submission": f"{folder}.tsv",
        "folder": folder,
        "metrics": ("accuracy",),
    }
    pair_column = columns[1] if len(columns) > 1 else None
    return register(Task(name, columns[0], pair_column, labels=labels or None, **{**options, **more}))


def _mnli(name: str, kind: str, submission: str) -> Task:
    files = {"train": ("train.tsv",), "validation": (f"dev_{kind}.tsv",), "test": (f"test_{kind}.tsv",)}
    return _glue(
        name,
        "MNLI",
        ("entailment", "neutral", "contradiction"),
        ("premise", "hypothesis"),
        hub_config="mnli",
        files=files,
        hub_splits={"validation": f"validation_{kind}", "test": f"test_{kind}"},
        submission=submission,
    )


def _crowdflower(name: str, label_column: str, *files: str, text_column: str = "text", **more) -> Task:
    return register(
        Task(name, text_column, None, label_column, files={"train": files}, **{"folder": "crowdflower", **more})
    )


# Label names and their order as in the Hub's nyu-mll/glue; measures as in Wang et al. 2019 (GLUE), table 1, of two the
# one first that Devlin et al. 2019, table 1, report.
_glue(
    "cola",
    "CoLA",
    ("unacceptable", "acceptable"),
    ("sentence",),
    metrics=("matthews_correlation", "accuracy"),
    header=("source", "label", "original_judgement", "sentence"),
)
_glue("sst2", "SST-2", ("negative", "positive"), ("sentence",))
_glue("mrpc", "MRPC", ("not_equivalent", "equivalent"), metrics=("f1", "accuracy"))
_glue("stsb", "STS-B", is_regression=True, metrics=("spearman", "pearson"))
_glue("qqp", "QQP", ("not_duplicate", "duplicate"), ("question1", "question2"), metrics=("f1", "accuracy"))
_mnli("mnli", "matched", "MNLI-m.tsv")
_mnli("mnli_mismatched", "mismatched", "MNLI-mm.tsv")
_glue("qnli", "QNLI", ("entailment", "not_entailment"), ("question", "sentence"))
_glue("rte", "RTE", ("entailment", "not_entailment"))

# Houlsby et al. 2019, table 3. The file names are those of CrowdFlower's "Data for Everyone" library, behind those of
# the copies that only have the relevant columns.
_crowdflower("airline", "airline_sentiment", "airline_sentiment.csv", "Airline-Sentiment-2-w-AA.csv", "Tweets.csv")
_crowdflower("corporate_messaging", "category", "corporate_messaging.csv", "Corporate-messaging-DFE.csv")
_crowdflower(
    "disasters",
    "choose_one",
    "disasters_relevant_cols.csv",
    "socialmedia-disaster-tweets-DFE.csv",
    ignored_labels=("Can't Decide",),
)
_crowdflower(
    "economic_news_relevance",
    "relevance",
    "economic_news_relevance.csv",
    "Full-Economic-News-DFE-839861.csv",
    ignored_labels=("not sure",),
)
_crowdflower("emotion", "sentiment", "emotion.csv", "text_emotion.csv", text_column="content")
_crowdflower("political_audience", "audience", "political_media.csv", "Political-media-DFE.csv")
_crowdflower("political_bias", "bias", "political_media.csv", "Political-media-DFE.csv")
_crowdflower("political_message", "message", "political_media.csv", "Political-media-DFE.csv")
_crowdflower(
    "primary_emotions",
    "emotion",
    "primary_emotions_plutchik.csv",
    "primary-plutchik-wheel-DFE.csv",
    text_column="sentence",
)
_crowdflower(
    "progressive_opinion",
    "q2_which_of_the_options_below_is_true_about_the_opinion_in_the_tweet",
    "progressive_opinion.csv",
    "progressive-tweet-sentiment.csv",
    text_column="tweet",
)
_crowdflower(
    "us_economic_performance",
    "relevance",
    "us_economic_performance.csv",
    "us-economic-newspaper.csv",
    ignored_labels=("not sure",),
)
_crowdflower(
    "news_aggregator",
    "category",
    "newsCorpora.csv",
    "uci-news-aggregator.csv",
    text_column="title",
    folder="NewsAggregatorDataset",
    header=("id", "title", "url", "publisher", "category", "story", "hostname", "timestamp"),
)
register(
    Task(
        "imdb",
        labels=("neg", "pos"),
        hub_id="stanfordnlp/imdb",
        files={
            "train": ("train.jsonl", "train.csv", "train*.parquet"),
            "validation": ("validation.jsonl", "validation.csv", "validation*.parquet"),
            "test": ("test.jsonl", "test.csv", "test*.parquet"),
        },
        folder="imdb",
        max_length=512,
    )
)
register(Task("verbal_arithmetic", labels=ARITHMETIC_LABELS, generate=verbal_arithmetic))
