"""Options: recipes, the command line over them, and mistakes that are named."""

from dataclasses import dataclass

import pytest

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError
from workbench.values import Value


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
    with pytest.raises(UserError, match="bf16: 'maybe'; give true or false"):
        parse("--bf16", "maybe")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("learing_rate: 1\n", "unknown option 'learing_rate'; did you mean 'learning_rate'?"),
        ("learning_rate: fast\n", "learning_rate: 'fast'; give a number"),
        ("hidden_size: 3.5\n", "hidden_size: 3.5; give a whole number"),
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
        (("--learning_rate", "fast"), "learning_rate: 'fast'; give a number"),
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
    allowed = {"optim": Value(), "torch_compile": Value(bool), "adam_epsilon": Value(float), "hub_token": "never"}
    path = recipe("optim: adafactor\n")
    parsed = parse("--config", path, "--adam_epsilon=1e-6", "--torch_compile", extra=allowed)
    assert parsed.extra == {"optim": "adafactor", "adam_epsilon": 1e-6, "torch_compile": True}
    with pytest.raises(UserError, match="unknown option 'optm'; did you mean 'optim'?"):
        parse("--optm", "adamw", extra=allowed)
    with pytest.raises(UserError, match="hub_token: .*never"):
        parse("--hub_token", "x", extra=allowed)


def test_help_shows_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse("--help")
    assert exit_.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "highest rate (default: 0.1)" in shown and "{encoder-decoder,decoder-only}" in shown and "A test." in shown


@pytest.mark.parametrize("argv", [("{}", "--seeds", "3"), ("--seeds", "3", "--config", "{}"), ("--bf16", "true", "{}")])
def test_a_recipe_may_stand_by_itself_or_behind_config(recipe, argv):
    path = recipe("learning_rate: 5e-4\n")
    assert parse(*(word.format(path) for word in argv)).learning_rate == 5e-4
    with pytest.raises(UserError, match="two recipes"):
        parse(path, "--config", path)


def test_a_value_of_another_librarys_option_is_no_recipe(recipe):
    path = recipe("seeds: [4]\n")
    parsed = parse("--optim", path, extra={"optim": Value()})
    assert parsed.extra == {"optim": path} and parsed.seeds == [0]


def test_a_mistake_in_a_recipe_names_its_file_and_line(recipe):
    path = recipe("# mine\nseeds: [1]\nlearing_rate: 1\n")
    with pytest.raises(UserError) as refusal:
        parse(path)
    assert str(refusal.value).startswith(f"{path}, line 3: unknown option 'learing_rate'; did you mean 'learning_rate'")
    for text in ("1: 2\n", "null: 2\n", "hidden_size: .inf\n", "[" * 3000):
        with pytest.raises(UserError, match="recipe.yaml"):
            parse(recipe(text))


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (("--lr", "1"), "learning_rate"),
        (("-lr", "1"), "learning_rate"),
        (("--epochs", "1"), "num_train_epochs"),
        (("--learning-rate", "1"), "learning_rate"),
        (("--recipe", "r.yaml"), None),
    ],
)
def test_other_programs_names_suggest_ours(argv, meant):
    with pytest.raises(UserError) as refusal:
        parse(*argv)
    assert (f"did you mean '{meant}'" in str(refusal.value)) == (meant is not None)


@pytest.mark.parametrize("usual", ["bs", "batch_size", "model", "data", "lr", "epochs", "resume", "output"])
def test_every_usual_name_leads_to_an_option_of_a_training_script(usual):
    from workbench.arguments import suggestion
    from workbench.classification.arguments import ClassifierArguments

    known = list(ClassifierArguments.__dataclass_fields__)
    assert suggestion(usual, known).split("'")[1] in known


@dataclass
class Schedule:
    """The schedule; a group of its own."""

    learning_rate: float = option(0.1, "highest rate")
    adam_beta2: float = option(0.98, "second moment", advanced=True)


@dataclass
class Grouped(Schedule):
    """The model. More about it."""

    hidden_size: int = option(8, "width")
    adam_beta2: float = option(0.9, "second moment of this script")


def shown(capsys, *argv: str) -> str:
    with pytest.raises(SystemExit):
        parse_arguments(Grouped, "Teaches first.", None, list(argv))
    return capsys.readouterr().out


def test_help_teaches_first_and_groups_options_by_their_dataclass(capsys):
    page = shown(capsys, "--help")
    order = [
        "Teaches first.",
        "usage:",
        "The model:",
        "--hidden_size",
        "The schedule:",
        "--learning_rate",
        "--help_all",
    ]
    places = [page.index(words) for words in order]
    assert places == sorted(places) and "adam_beta2" not in page and "1 more options" in page
    whole = shown(capsys, "--help_all")
    assert "second moment of this script (default: 0.9)" in whole
    assert whole.index("The schedule:") < whole.index("--adam_beta2")
