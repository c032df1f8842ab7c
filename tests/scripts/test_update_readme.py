"""README's tables are those of the studies, and a number that was changed by hand is noticed."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_says_what_the_studies_say(call):
    code, told = call("update_readme", "--check")
    assert code == 0 and "capacity" in told.out and "strategies" in told.out


def test_a_typed_number_is_noticed_and_written_over(tmp_path, call):
    readme = tmp_path / "README.md"
    shutil.copy(ROOT / "README.md", readme)
    right = readme.read_text()
    row = next(line for line in right.splitlines() if line.startswith("| lora |"))
    readme.write_text(right.replace(row, row.replace(" ± ", " ± 9", 1)))
    code, told = call("update_readme", "--readme", readme, "--check")
    assert code == 2 and told.err.startswith("error: ") and told.err.count("\n") == 1
    code, _ = call("update_readme", "--readme", readme)
    assert code == 0 and readme.read_text() == right


def test_a_study_that_is_not_there_is_one_line(tmp_path, call):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- study nowhere -->\n<!-- end -->\n")
    code, told = call("update_readme", "--readme", readme)
    assert code == 2 and "nowhere" in told.err and told.err.count("\n") == 1
    assert readme.read_text() == "<!-- study nowhere -->\n<!-- end -->\n"
