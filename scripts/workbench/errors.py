"""What a user can cause ends in one line on stderr and exit code 2."""

import errno
import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake in what the user gave; its text says what was got, what is allowed and what to do."""


def run_main(main: Callable[[], None]) -> None:
    """Runs a script's `main`, turning what the user can cause into one line and exit code 2."""
    try:
        main()
    except UserError as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        sys.exit(_fail(f"{error.strerror}: {error.filename or 'the output folder'}; free some space or choose another"))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def nearest(name: str, known: list[str]) -> str:
    """'; did you mean NAME?' for the known name nearest to `name`, or ''."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
