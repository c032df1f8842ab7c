"""Repositories, files and commits as the JSON the Hub's clients read."""

from datetime import datetime

import yaml

from .cards import metadata
from .repository import Blob, Commit, Repository, UnsupportedError, below, folders_of, tree_id

PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}


def when(date: datetime) -> str:
    """A date as the Hub writes it: UTC, milliseconds, Z."""
    return date.strftime("%Y-%m-%dT%H:%M:%S.") + f"{date.microsecond // 1000:03d}Z"


def commit_line(commit: Commit) -> dict:
    """A commit in the history listing."""
    return {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.description,
        "date": when(commit.date),
        "authors": [{"user": commit.author}],
    }


def entry(path: str, commit: Commit, repository: Repository, expand: bool) -> dict | None:
    """A file or folder of the tree; None when `path` is neither."""
    blob = commit.files.get(path)
    inside = below(commit.files, path)
    if blob is None and not inside:
        return None
    line = _file_entry(path, blob) if blob else _folder_entry(path, inside)
    if expand:
        last = repository.last_change(path, commit)
        line["lastCommit"] = {"id": last.oid, "title": last.title, "date": when(last.date)}
    return line


def _folder_entry(path: str, inside: dict[str, Blob]) -> dict:
    return {"type": "directory", "oid": tree_id(inside), "size": 0, "path": path}


def _file_entry(path: str, blob: Blob) -> dict:
    line = {"type": "file", "oid": blob.oid, "size": blob.size, "path": path}
    if blob.lfs:
        line["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": blob.pointer_size}
    return line


def listing(commit: Commit, folder: str, recursive: bool) -> list[str]:
    """The paths the tree call lists under `folder`, folders included."""
    inside = below(commit.files, folder)
    paths = sorted({*inside, *folders_of(inside)})
    shown = [path for path in paths if recursive or "/" not in path]
    return [f"{folder}/{path}" if folder else path for path in shown]


def _sibling(path: str, blob: Blob, blobs: bool) -> dict:
    line: dict = {"rfilename": path}
    if blobs:
        line |= {"size": blob.size, "blobId": blob.oid}
    if blobs and blob.lfs:
        line["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": blob.pointer_size}
    return line


def _card(commit: Commit) -> dict:
    readme = commit.files.get("README.md")
    try:
        card = metadata(readme.content.read_text()) if readme else None
    except yaml.YAMLError:  # a card the Hub cannot read counts as no metadata
        card = None
    return card if isinstance(card, dict) else {}


def information(repository: Repository, commit: Commit, blobs: bool = False) -> dict:
    """What model_info, dataset_info and space_info answer."""
    card = _card(commit)
    answer = {
        "_id": repository.commits[repository.history("main")[-1].oid].oid[:24],
        "id": repository.id,
        "author": repository.owner,
        "sha": commit.oid,
        "lastModified": when(repository.resolve("main").date),
        "createdAt": when(repository.created),
        "private": repository.private,
        "gated": False,
        "disabled": False,
        "likes": 0,
        "tags": card.get("tags") or [],
        "cardData": {key: value for key, value in card.items() if key != "model-index"},
        "siblings": [_sibling(path, blob, blobs) for path, blob in sorted(commit.files.items())],
        "usedStorage": sum(blob.size for blob in commit.files.values()),
    }
    return answer | _by_kind(repository, card)


def _by_kind(repository: Repository, card: dict) -> dict:
    if repository.kind == "space":
        return {"sdk": repository.sdk, "models": card.get("models") or [], "datasets": card.get("datasets") or []}
    if repository.kind == "dataset":
        return {"downloads": 0, "description": ""}
    model = {"modelId": repository.id, "downloads": 0, "model-index": card.get("model-index")}
    return model | {key: card[key] for key in ("library_name", "pipeline_tag") if key in card}


def selected(answer: dict, wanted: list[str]) -> dict:
    """Only the properties asked for with `expand`, plus the ids that are always there."""
    for name in wanted:
        if name not in {*answer, "library_name", "pipeline_tag"}:
            raise UnsupportedError(f"the property {name!r} of a repository")
    return {name: answer[name] for name in ["_id", "id", *wanted] if name in answer}
