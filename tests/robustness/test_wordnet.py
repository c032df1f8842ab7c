"""WordNet: found where it is, one line where it is not, and complete after its installation."""

import nltk
import pytest
from support.wordnet import with_wordnet

from workbench.errors import UserError
from workbench.robustness import wordnet
from workbench.robustness.catalogue import make_transforms


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No WordNet, and an empty folder in which it would be looked for."""
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    wordnet.reader.cache_clear()
    yield tmp_path / "nltk_data"
    wordnet.reader.cache_clear()


def test_without_wordnet_one_line_says_how_to_get_it(nowhere):
    with pytest.raises(
        UserError, match=r"WordNet is not installed.*make wordnet \(or python -m nltk.downloader wordnet"
    ):
        make_transforms(["synonyms"])


@with_wordnet
def test_debians_files_and_the_list_they_lack_are_a_whole_wordnet(nowhere, monkeypatch):
    """The files of the installed one stand for Debian's, which have no `lexnames`."""
    import shutil
    from pathlib import Path

    source = nowhere.parent / "debian"
    monkeypatch.undo()
    wordnet.reader.cache_clear()
    shutil.copytree(Path(str(wordnet.reader().root)), source, ignore=shutil.ignore_patterns("lexnames"))
    monkeypatch.setattr(nltk.data, "path", [str(nowhere)])
    wordnet.reader.cache_clear()
    wordnet.copy_dictionary(source, wordnet.data_folder() / "corpora" / "wordnet")
    film = wordnet.reader().synsets("film", "n")[0]
    assert "movie" in film.lemma_names() and film.lexname() == "noun.communication"
    assert wordnet.reader().synset("run.v.01").lexname() == "verb.motion"


@with_wordnet
def test_an_installed_wordnet_is_left_alone(monkeypatch, capsys):
    monkeypatch.setattr(wordnet.subprocess, "run", lambda *args, **options: pytest.fail("installed again"))
    wordnet.main()
    assert capsys.readouterr().out.startswith("WordNet is in ")


def test_a_machine_without_apt_has_nltk_download_it(nowhere, monkeypatch):
    commands = []
    monkeypatch.setattr(wordnet.shutil, "which", lambda name: None)
    monkeypatch.setattr(wordnet.subprocess, "run", lambda command, **options: commands.append(command))
    with pytest.raises(UserError, match="WordNet is not installed"):
        wordnet.main()
    assert [command[1:] for command in commands] == [["-m", "nltk.downloader", "--quiet", "wordnet"]]
