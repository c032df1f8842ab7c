"""What a stranger's run may say: types, lengths and magnitudes; what is wrong is one line that names file and key."""

import json
import math
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from workbench.errors import UserError
from workbench.escapes import one_line
from workbench.files import read_limited

MOST_BYTES, MOST_NODES, MOST_DEPTH = 10_000_000, 1_000_000, 12
MOST_NUMBER, MOST_COUNT = 1e100, 2**53  # sums and quotients stay finite; JSON's readers round larger counts
MOST_CHARACTERS = 5_000

Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[\w .,:@%()+/-]+$")]
Title = Annotated[str, StringConstraints(max_length=255)]  # perhaps a file's name
Text = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)]
HubName = Annotated[str, StringConstraints(max_length=200, pattern=r"^[\w.-]+(/[\w.-]+(:[\w.-]+)?)?$")]
Date = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Score = Annotated[float, Field(allow_inf_nan=False, ge=-MOST_NUMBER, le=MOST_NUMBER)]
Amount = Annotated[float, Field(allow_inf_nan=False, ge=0, le=MOST_NUMBER)]
Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]
Scalar = str | bool | int | Score | None


class Part(BaseModel):
    """A part of `results.json`; keys that are not named here stay as they are."""

    model_config = ConfigDict(strict=True, extra="allow")


class Parameters(Part):
    __pydantic_extra__: dict[str, Count]
    total: Count
    trainable: Count | None = None


class Dataset(Part):
    name: Title | None = None
    id: HubName | None = None
    columns: list[Text] | None = None
    labels: list[Text] | None = None
    metric: Name | None = None
    generated: bool | None = None
    text_column: Text | None = None
    pair_column: Text | None = None


class Majority(Part):
    """The commonest class, under `class`, and its scores by split."""

    __pydantic_extra__: dict[str, dict[Name, Score]]
    name: Text | None = Field(None, alias="class")


class Hardware(Part):
    processor: Text
    cores: Count | None
    memory_gib: Amount | None = None
    threads: Count | None = None
    accelerators: list[Text] = []


class Evaluation(Part):
    """A point of the curve: its step, and scores by name."""

    __pydantic_extra__: dict[str, Score]
    step: Count


class Facts(Part):
    date: Date | None = None
    dataset: Dataset | None = None
    majority: Majority | None = None
    hyperparameters: dict[Name, Scalar] | None = None
    hardware: Hardware | None = None
    energy_kwh: Amount | None = None
    processes: Count | None = None
    steps: Count | None = None
    epochs: Amount | None = None
    best_step: Count | None = None
    curve: list[Evaluation] | None = None
    examples: list[Annotated[list[Text], Field(min_length=3, max_length=3)]] | None = None
    wrong: list[Annotated[list[Text], Field(min_length=3, max_length=3)]] | None = None
    base_model: Text | None = None
    strategy: Name | None = None
    peak_memory_mib: Amount | None = None
    layer_weights: list[Score] | None = None
    tasks: dict[Text, dict[Name, Count]] | None = None
    shares: dict[Text, Score] | None = None


class Results(Part):
    """`results.json` as `RunResults` writes it."""

    metrics: dict[Name, dict[Name, Score]]
    splits: dict[Name, Count]
    parameters: Parameters
    seconds: dict[Name, Amount]
    seed: Annotated[int, Field(ge=-MOST_COUNT, le=MOST_COUNT)]
    fit: dict | None = None
    facts: Facts | None = None
    versions: dict[Name, Name] = {}
    schema_: Count = Field(0, alias="schema")


def read_results(path: Path, newest: int) -> dict:
    """The content of a `results.json`; UserError names the key that is not as `Results` has it.

    Args:
        newest: the schema's number, above which an igpay of today cannot know what the file means.
    """
    content = read_json(path)
    schema = content.get("schema", 0)
    if isinstance(schema, int) and schema > newest:
        raise UserError(f"{path}: schema {schema} is newer than this igpay's ({newest}); update igpay")
    try:
        Results.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise UserError(f"{path}: {_key(first['loc'])}: {first['msg'][0].lower()}{first['msg'][1:200]}") from error
    return content


def read_json(path: Path) -> dict:
    """A JSON object that `check_plain` passes; UserError for anything else."""
    content = read_limited(path, MOST_BYTES)
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise UserError(f"{path}: cannot read this JSON: nested too deeply") from error
    except ValueError as error:
        raise UserError(f"{path}: cannot read this JSON: {one_line(str(error))[:200]}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object but {type(value).__name__}")
    check_plain(value, str(path))
    return value


def check_plain(content, where: str) -> None:
    """UserError unless this is of a bounded size and depth, all numbers are finite and all texts can be shown."""
    waiting, nodes = [(content, ())], 0
    while waiting:
        value, keys = waiting.pop()
        nodes += 1
        problem = _problem(value)
        if len(keys) > MOST_DEPTH or nodes > MOST_NODES:
            problem = "nested too deeply" if len(keys) > MOST_DEPTH else f"more than {MOST_NODES:,} values"
        if problem:
            raise UserError(f"{where}: {_key(keys)}: {problem}")
        if isinstance(value, dict):
            waiting += ((name, (*keys, name)) for name in value)
            waiting += ((part, (*keys, name)) for name, part in value.items())
        elif isinstance(value, list):
            waiting += ((part, (*keys, place)) for place, part in enumerate(value))


def _problem(value) -> str | None:
    """The reason why a single value is refused; None if it is not."""
    if isinstance(value, str):
        if len(value) > MOST_CHARACTERS:
            return f"{len(value):,} characters; at most {MOST_CHARACTERS:,} are possible"
        if any(
            "\ud800" <= mark <= "\udfff" or (mark < " " and mark not in "\t\n\r") or mark == "\x7f" for mark in value
        ):
            return "a control character, or half of a character, in a text"
    elif isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    elif isinstance(value, (int, float)) and abs(value) > MOST_NUMBER:
        return "a number that is too large"
    return None


def _key(keys: tuple) -> str:
    """`metrics.test.loss`."""
    return one_line(".".join(str(key)[:60] for key in keys)) or "all of it"
