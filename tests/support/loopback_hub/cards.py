"""What the Hub reads and refuses in the metadata block of a README.md."""

import datetime
import re

import yaml

_BLOCK = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n?---[ \t]*(\r?\n|\Z)", re.DOTALL)
_COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
_SDKS = {"gradio", "docker", "static", "streamlit"}
_TEXTS = ("library_name", "pipeline_tag", "title", "emoji", "app_file", "license_name", "license_link")
_TEXT_LISTS = ("tags", "datasets", "metrics", "language", "license", "base_model", "models")


def metadata(readme: str) -> dict | None:
    """The metadata block as a dictionary; None when there is none. Raises yaml.YAMLError when it is not YAML."""
    block = _BLOCK.match(readme)
    loaded = yaml.safe_load(block.group(1)) if block else None
    return None if loaded is None else _plain(loaded)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def validate(readme: str, kind: str) -> tuple[list[str], list[str]]:
    """(errors, warnings) of the card of a repository of `kind`."""
    try:
        card = metadata(readme)
    except yaml.YAMLError as error:
        return [f"invalid YAML: {' '.join(str(error).split())}"], []
    if not card:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(card, dict):
        return ["the metadata must be a mapping"], []
    errors = _wrong_types(card) + _model_index_errors(card.get("model-index"))
    return errors + (_space_errors(card) if kind == "space" else []), []


def _wrong_types(card: dict) -> list[str]:
    texts = [f'"{key}" must be a string' for key in _TEXTS if not isinstance(card.get(key, ""), str)]
    lists = []
    for key in _TEXT_LISTS:
        values = card.get(key, [])
        values = values if isinstance(values, list) else [values]
        if not all(isinstance(value, str) and value for value in values):
            lists.append(f'"{key}" must be a string or a list of strings')
    return texts + lists


def _space_errors(card: dict) -> list[str]:
    errors = [f'"{key}" must be one of {sorted(_COLORS)}' for key in ("colorFrom", "colorTo")
              if card.get(key, "red") not in _COLORS]  # fmt: skip
    if card.get("sdk") not in _SDKS:
        errors.append(f'"sdk" must be one of {sorted(_SDKS)}')
    if len(str(card.get("short_description", ""))) > 60:
        errors.append('"short_description" must be at most 60 characters')
    return errors


def _model_index_errors(index: object) -> list[str]:
    if index is None:
        return []
    if not isinstance(index, list):
        return ['"model-index" must be a list']
    errors = []
    for number, entry in enumerate(index):
        where = f'"model-index[{number}]'
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            errors.append(f'{where}.name" is required')
            continue
        for place, result in enumerate(entry.get("results") or []):
            errors += _result_errors(result, f"{where}.results[{place}]")
    return errors


def _result_errors(result: object, where: str) -> list[str]:
    if not isinstance(result, dict):
        return [f'{where}" must be a mapping']
    missing = [f"{part}.{key}" for part, keys in (("task", ["type"]), ("dataset", ["type", "name"])) for key in keys
               if not (isinstance(result.get(part), dict) and result[part].get(key))]  # fmt: skip
    for place, metric in enumerate(result.get("metrics") or [{}]):
        missing += [f"metrics[{place}].{key}" for key in ("type", "value") if metric.get(key) is None]
    return [f'{where}.{name}" is required' for name in missing]
