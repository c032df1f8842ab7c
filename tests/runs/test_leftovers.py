"""What is deleted with a run: all that a run writes, and nothing that anybody else has put beside it."""

import pytest
from support.published_runs import write_run

from workbench.errors import UserError
from workbench.runs.folder import delete_run
from workbench.runs.leftovers import foreign_file


@pytest.fixture
def run(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / ".env").unlink()
    for name in (
        "predictions.parquet",
        "test_predictions.tsv",
        ".results.json.4711",
        "runs/host/events.out.tfevents.1.2",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("ours")
    return folder


def test_all_that_a_run_writes_is_deleted(run):
    assert foreign_file(run) is None
    delete_run(run, {})
    assert list(run.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "thesis.docx",
        "notes.md",
        "mine.csv",
        "mine.tsv",
        "checkpoint-best/notes.txt",
        "data.json",
        "photo.png",
        "task/notes.txt",
        ".git/config",
        ".env",
        "train.py",
    ],
)
def test_a_file_of_somebody_elses_stays_and_so_does_the_run(run, name):
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_text("precious")
    before = sorted(run.rglob("*"))
    with pytest.raises(
        UserError, match=rf"would be deleted, with .*{name.split('/')[0]}.*, which is not a run's; move it"
    ):
        delete_run(run, {})
    assert sorted(run.rglob("*")) == before and (run / name).read_text() == "precious"


def test_what_a_link_leads_to_is_nobodys_to_delete(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (run / "results.tsv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="results.tsv, which is not a run's"):
        delete_run(run, {})
