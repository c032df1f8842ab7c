"""What is packed of a stranger's folder: nothing from outside of it, no secret, and nothing that cannot be read."""

import json

import pytest

from workbench.errors import UserError
from workbench.hub.packages import adapter_package, code_files, imports_that_stay, own_file, space_package

TOKEN = "hf_" + "a1B2" * 9


@pytest.fixture
def space(tmp_path):
    folder = tmp_path / "space"
    folder.mkdir()
    front = {"title": "A", "sdk": "gradio", "sdk_version": "6.0.0", "app_file": "app.py"}
    (folder / "README.md").write_text(f"---\n{json.dumps(front)}\n---\n# A\n")
    (folder / "requirements.txt").write_text("gradio==6.0.0\n")
    (folder / "app.py").write_text("print(1)\n")
    (tmp_path / "outside.txt").write_text("another's")
    return folder


@pytest.mark.parametrize(
    "name", ["token.txt", "key.pem", "hf_token", "id_ed25519", "my_password.txt", "prod.env", "sub/.env"]
)
def test_files_of_secrets_stay_at_home(space, name):
    (space / name).parent.mkdir(exist_ok=True)
    (space / name).write_text("secret")
    assert sorted(space_package(space, "a/b").files) == ["README.md", "app.py", "requirements.txt"]


@pytest.mark.parametrize("text", [f"TOKEN = '{TOKEN}'", "-----BEGIN RSA PRIVATE KEY-----"])
def test_a_key_inside_of_a_file_is_refused(space, text):
    (space / "settings.py").write_text(text)
    with pytest.raises(UserError, match="settings.py: holds what looks like a token or a private key"):
        space_package(space, "a/b")


@pytest.mark.parametrize("target", ["../outside.txt", "/etc/hostname", ".."])
def test_a_link_out_of_the_folder_is_refused_or_left_out(space, target):
    (space / "vocab.txt").symlink_to(target)
    if target == "..":
        assert "vocab.txt" not in space_package(space, "a/b").files
        return
    with pytest.raises(UserError, match="vocab.txt: leads to a file outside of the folder"):
        space_package(space, "a/b")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("README.md", b"\xff\xfe", "README.md: not UTF-8"),
        ("README.md", b"---\n[[[\n---\n", "the front matter is no YAML"),
        ("README.md", b"---\n- a\n---\n", "no front matter"),
        ("requirements.txt", b"\xff", "requirements.txt: not UTF-8"),
        (
            "README.md",
            b'---\n{"title": "A", "sdk": "gradio", "sdk_version": "6.0.0", "app_file": "../x.py"}\n---\n',
            "no ../x.py",
        ),
        ("README.md", b'---\n{"title": 3, "sdk": "gradio"}\n---\n', "no text for 'title'"),
    ],
)
def test_a_broken_space_is_one_line(space, name, content, says):
    (space / name).write_bytes(content)
    (space.parent / "x.py").write_text("1")
    with pytest.raises(UserError, match=says):
        space_package(space, "a/b")


@pytest.mark.parametrize(
    "entry",
    ["/etc/passwd.X", "../evil.X", "other/repo--module.X", "module", "a.b.C", 3, "a b.C", "", "\0.X", "sub/module.X"],
)
def test_an_auto_map_that_names_no_file_beside_it_is_refused(tmp_path, entry):
    with pytest.raises(UserError, match="config.json: its auto_map names"):
        code_files(tmp_path, {"auto_map": {"AutoConfig": entry}})


def test_an_auto_map_may_list_a_slow_and_a_fast_tokenizer(tmp_path):
    (tmp_path / "tokens.py").write_text("import torch\n")
    assert code_files(tmp_path, {"auto_map": {"AutoTokenizer": [None, "tokens.Fast"]}}) == [tmp_path / "tokens.py"]


@pytest.mark.parametrize(
    "code", [b"def f(:\n", b"\0", b"\xff\xfe", b"(" * 10_000, b"-" * 200_000 + b"1", b"x = " + b"1" * 5000]
)
def test_code_that_does_not_parse_is_one_line(tmp_path, code):
    (tmp_path / "model.py").write_bytes(code)
    with pytest.raises(UserError, match=r"model.py(, line \d+)?: does not parse as Python"):
        imports_that_stay(tmp_path / "model.py")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"adapters": ["../../elsewhere"]}, "adapters is"),
        ({"adapters": ["/etc"]}, "adapters is"),
        ({"adapters": 3}, "adapters is"),
        ({"peft_type": None}, "peft_type is"),
        ({"peft_type": "<b>"}, "peft_type is"),
        ({"task_type": ["SEQ_CLS"]}, "task_type is"),
        ({"base_model_name_or_path": 3}, "base_model_name_or_path is"),
        ({"base_model_name_or_path": "../x"}, "which is no Hub model's name"),
        ({"r": float("inf")}, "r: a number that is not finite"),
    ],
)
def test_an_adapters_config_of_another_form_is_refused(tmp_path, change, says):
    config = {"peft_type": "LORA", "base_model_name_or_path": "a/b", "task_type": "SEQ_CLS"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError, match=says):
        adapter_package(tmp_path, "a/c")


def test_a_file_of_ones_own_is_packed_through_a_link_inside(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").symlink_to("a.txt")
    assert own_file(tmp_path, tmp_path / "b.txt") == tmp_path / "b.txt"
