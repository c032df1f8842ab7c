"""Mistakes that a visitor can cause."""


# The same as scripts/workbench/errors.py
class UserError(Exception):
    """A mistake in what the user gave; its text says what was got, what is allowed and what to do."""
