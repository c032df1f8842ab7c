"""A small file cannot order a large model: nothing is built beyond what the weights hold."""

import json
from pathlib import Path

import pytest
import torch
from support.encoder_folders import build, write_encoder
from torch import nn

from workbench.errors import UserError
from workbench.hub.sizes import bounded

SMALL = {"w": [8, 8]}


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Embedding(2**22, 64),
        lambda: nn.ModuleList(nn.Linear(8, 8) for _ in range(10**6)),
        lambda: nn.Module().register_buffer("mask", torch.empty(2**14, 2**14, dtype=torch.bool)),
        lambda: nn.Sequential(*(nn.Identity() for _ in range(10**5))),
    ],
)
def test_what_is_larger_than_the_weights_is_not_built(make):
    with pytest.raises(ValueError, match="its config asks for more"), bounded(SMALL):
        make()
    with bounded({"w": [2**22, 64]} | {str(number): [8, 8] for number in range(400)}):
        nn.Embedding(2**22, 64, device="meta")


def test_the_bound_ends_with_its_block():
    with bounded(SMALL):
        nn.Linear(8, 8)
    nn.Embedding(2**22, 64, device="meta")


@pytest.mark.parametrize(
    "fields",
    [
        {"vocab_size": 10**7, "hidden_size": 10**6},
        {"intermediate_size": 10**7},
        {"max_position_embeddings": 10**7},
        {"num_hidden_layers": 1000},
        {"num_hidden_layers": 1},
        {"vocab_size": 61},
    ],
)
@pytest.mark.parametrize("strategy", ["full", "scratch"])
def test_an_encoder_whose_config_is_not_of_its_weights_is_refused(tmp_path, fields, strategy):
    folder = Path(write_encoder(tmp_path / "encoder"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))
    if strategy == "scratch" and not max(fields.values()) > 1000:
        return  # another size, within the bound: nothing is read from the weights
    with pytest.raises(UserError) as no:
        build(str(folder), strategy)
    assert "\n" not in str(no.value)
