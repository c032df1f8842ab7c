"""What `results.json` files hold: one row per run, split and metric, and the means over seeds."""

import json
import re
import statistics
from collections import defaultdict
from pathlib import Path

SCHEMA, MAX_BYTES, MAX_FILES = 1, 1_000_000, 5_000


class BrokenResultsError(ValueError):
    """A file that is not a run's results; the message says why."""


def read_results(path: Path) -> dict:
    """The content of a `results.json`, checked as far as this page reads it."""
    if path.stat().st_size > MAX_BYTES:
        raise BrokenResultsError(f"larger than {MAX_BYTES:,} bytes")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise BrokenResultsError("broken: not a JSON object")
        if content.get("schema", 0) > SCHEMA:
            raise BrokenResultsError(f"schema {content['schema']} is newer than this page's ({SCHEMA})")
        rows = [
            (split, name, float(value)) for split, part in content["metrics"].items() for name, value in part.items()
        ]
        rows += [("fit", name, float(value)) for name, value in (content.get("fit") or {}).items() if name != "ci"]
        return {"rows": rows, "seed": int(content["seed"]), "parameters": int(content["parameters"]["total"])}
    except BrokenResultsError:
        raise
    except KeyError as error:
        raise BrokenResultsError(f"broken: {error} is missing") from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BrokenResultsError(f"broken: {error}") from error


def read_folder(root: Path, name: str) -> tuple[list[dict], list[str]]:
    """One row per run, split and metric; and what was skipped, with the reason. `name` is what to call the root."""
    rows, skipped = [], []
    for path in sorted(root.rglob("results.json"))[:MAX_FILES]:
        study, run = study_of(root, path.parent.parent, name), name if path.parent == root else path.parent.name
        try:
            content = read_results(path)
        except BrokenResultsError as error:
            skipped.append(f"{path.relative_to(root)}: {error}")
            continue
        setting = re.sub(r"[-_.]?seed[-_=]?\d+", "", run) or run
        facts = {"study": study, "run": run, "setting": setting, "seed": content["seed"]}
        for split, metric, value in content["rows"]:
            rows.append(
                {**facts, "split": split, "metric": metric, "value": value, "parameters": content["parameters"]}
            )
    return rows, skipped


def study_of(root: Path, folder: Path, name: str) -> str:
    """A study's name: its folder's, seen from the root; the root's own is given, as a snapshot's is a commit's id."""
    return folder.relative_to(root).as_posix() if folder != root and folder.is_relative_to(root) else name


def average(rows: list[dict]) -> list[dict]:
    """Mean, sample standard deviation (None for one value) and n over the seeds of each setting, split and metric."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in ("study", "setting", "split", "metric", "parameters"))].append(row["value"])
    return [
        dict(zip(("study", "setting", "split", "metric", "parameters"), key, strict=True))
        | {"mean": statistics.fmean(values), "n": len(values)}
        | {"sd": statistics.stdev(values) if len(values) > 1 else None}
        for key, values in groups.items()
    ]
