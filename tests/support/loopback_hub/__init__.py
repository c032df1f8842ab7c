"""A Hugging Face Hub on this machine, for tests: the real `huggingface_hub` client talks to it over HTTP.

    def test_push(hub):
        api = HfApi(endpoint=hub.url, token=hub.tokens.write)
        api.create_repo("tester/model")
        ...
        subprocess.run([...], env=hub.environment(token=hub.tokens.read))
        hub.control.fail("*/commit/main", 500)  # once
        assert hub.files("tester/model") == [...]

It keeps real revisions, refuses what the Hub refuses, fails when told to, and is strict: whatever it does not
implement is answered 501 and fails the test.
"""

from .faults import Control, Exchange
from .repository import Commit, Repository
from .server import LoopbackHub, hub

__all__ = ["Commit", "Control", "Exchange", "LoopbackHub", "Repository", "hub"]
