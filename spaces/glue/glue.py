"""The metrics of the GLUE benchmark as an `evaluate` module over scikit-learn and scipy."""

import datasets
import evaluate
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

_DESCRIPTION = """
GLUE's metrics, by task: Matthews correlation for CoLA, Pearson and Spearman correlation for STS-B, accuracy and F1 for
MRPC and QQP, accuracy for SST-2, MNLI, QNLI, RTE and WNLI. As the Hub's `glue`, it loads by the task's name.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (list of int, or of float for stsb): the model's answers.
    references (list of int, or of float for stsb): the right ones, in the same order.

Returns:
    matthews_correlation (float): cola; -1 to 1.
    pearson, spearmanr (float): stsb; -1 to 1, NaN if either side is constant.
    accuracy (float): all other tasks; 0 to 1.
    f1 (float): mrpc and qqp, of the class 1; 0 to 1.

Examples:
    >>> evaluate.load("glue", "cola").compute(predictions=[1, 0, 1, 1], references=[1, 0, 0, 1])
    {'matthews_correlation': 0.5773502691896258}
    >>> evaluate.load("glue", "mrpc").compute(predictions=[1, 0, 1, 1], references=[1, 0, 0, 1])
    {'accuracy': 0.75, 'f1': 0.8}
    >>> scores = evaluate.load("glue", "stsb").compute(predictions=[0.0, 1.0, 4.5], references=[0.0, 1.0, 5.0])
    >>> {name: round(value, 4) for name, value in scores.items()}
    {'pearson': 0.9997, 'spearmanr': 1.0}
    >>> evaluate.load("glue", "sst2").compute(predictions=[1, 0], references=[1, 1])
    {'accuracy': 0.5}
"""

_CITATION = """
@inproceedings{wang2019glue,
  title = {{GLUE}: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding},
  author = {Wang, Alex and Singh, Amanpreet and Michael, Julian and Hill, Felix and Levy, Omer and Bowman, Samuel R.},
  booktitle = {International Conference on Learning Representations},
  year = {2019}
}
"""

ACCURACY_TASKS = ("sst2", "mnli", "mnli_matched", "mnli_mismatched", "qnli", "rte", "wnli", "hans")
F1_TASKS = ("mrpc", "qqp")
TASKS = ("cola", "stsb", *F1_TASKS, *ACCURACY_TASKS)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Glue(evaluate.Metric):
    """See the module's description."""

    def _info(self):
        if self.config_name not in TASKS:
            raise KeyError(f"GLUE has no task '{self.config_name}': choose one of {', '.join(TASKS)}")
        kind = "float32" if self.config_name == "stsb" else "int64"
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(dict.fromkeys(("predictions", "references"), datasets.Value(kind))),
            format="numpy",
        )

    def _compute(self, predictions, references):
        if self.config_name == "cola":
            return {"matthews_correlation": float(matthews_corrcoef(references, predictions))}
        if self.config_name == "stsb":
            pearson, spearman = pearsonr(predictions, references), spearmanr(predictions, references)
            return {"pearson": float(pearson.statistic), "spearmanr": float(spearman.statistic)}
        scores = {"accuracy": float(accuracy_score(references, predictions))}
        if self.config_name in F1_TASKS:
            scores["f1"] = float(f1_score(references, predictions))
        return scores
