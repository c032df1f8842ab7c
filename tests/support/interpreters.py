"""The Python interpreters of both transformers lines."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# This transformers line, and the other one where its environment is set up.
INTERPRETERS = [sys.executable] + [
    str(path)
    for path in (ROOT / ".venv" / "bin" / "python", ROOT / ".venv-v5" / "bin" / "python")
    if path.exists() and path.parents[1] != Path(sys.prefix)
]
