"""The suites of `scripts/benchmark.py`, one module each, with a `run(options) -> list[Comparison]`."""
