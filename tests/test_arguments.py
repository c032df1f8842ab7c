"""Options: recipes, the command line over them, and mistakes that are named."""

from dataclasses import dataclass

import pytest

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError


@dataclass
class Arguments:
    learning_rate: float = option(0.1, "highest rate")
    num_train_epochs: float = option(3.0, "passes")
    seeds: list[int] = option(lambda: [0], "seeds")
    architecture: str = option("decoder-only", "which", choices=("encoder-decoder", "decoder-only"))
    bf16: bool = option(False, "bfloat16")
    hidden_size: int | None = option(None, "width")


def parse(*argv: str, extra=None):
    return parse_arguments(Arguments, "A test.", extra, list(argv))


@pytest.fixture
def recipe(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "recipe.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_the_command_line_overrides_the_recipe_and_the_recipe_the_defaults(recipe):
    path = recipe("learning_rate: 5e-4\nnum_train_epochs: 7\nbf16: true\nseeds: [1, 2]\n")
    parsed = parse("--config", path, "--learning_rate", "0.3")
    assert (parsed.learning_rate, parsed.num_train_epochs, parsed.bf16) == (0.3, 7.0, True)
    assert parsed.seeds == [1, 2] and parsed.hidden_size is None
    assert parse("--config", path).learning_rate == 5e-4
    assert parse("--config", path, "--bf16", "false").bf16 is False


def test_a_flag_needs_no_value_and_false_is_false():
    assert parse("--bf16").bf16 is True
    assert parse("--bf16", "False").bf16 is False
    with pytest.raises(UserError, match="'maybe' is neither true nor false"):
        parse("--bf16", "maybe")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("learing_rate: 1\n", "unknown option 'learing_rate'; did you mean 'learning_rate'?"),
        ("learning_rate: fast\n", "learning_rate: 'fast' is not of type float"),
        ("hidden_size: 3.5\n", "hidden_size: '3.5' is not of type int"),
        ("architecture: encoder\n", "choose one of encoder-decoder, decoder-only"),
        ("- learning_rate\n", "a recipe is a list of"),
        ("learning_rate: [\n", "cannot read this recipe"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(recipe, text, says):
    with pytest.raises(UserError) as refusal:
        parse("--config", recipe(text))
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--learing_rate", "1"), "unknown option 'learing_rate'; did you mean 'learning_rate'?"),
        (("--learning_rate", "fast"), "invalid float value: 'fast'"),
        (("stray",), "unexpected argument 'stray'"),
        (("--config", "absent.yaml"), "absent.yaml: cannot read this recipe"),
        (("--architecture", "decoder-onyl"), "did you mean 'decoder-only'?"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(argv, says):
    with pytest.raises(UserError) as refusal:
        parse(*argv)
    assert says in str(refusal.value)


def test_other_libraries_options_are_taken_and_checked(recipe):
    def allowed() -> dict[str, type]:
        return {"optim": str, "torch_compile": bool, "adam_epsilon": float}

    path = recipe("optim: adafactor\n")
    parsed = parse("--config", path, "--adam_epsilon=1e-6", "--torch_compile", extra=allowed)
    assert parsed.extra == {"optim": "adafactor", "adam_epsilon": 1e-6, "torch_compile": True}
    with pytest.raises(UserError, match="unknown option 'optm'; did you mean 'optim'?"):
        parse("--optm", "adamw", extra=allowed)


def test_help_shows_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse("--help")
    assert exit_.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "highest rate (default: 0.1)" in shown and "{encoder-decoder,decoder-only}" in shown and "A test." in shown
