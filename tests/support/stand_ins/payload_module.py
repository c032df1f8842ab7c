"""A module that anybody may have installed; whoever imports it because a stranger's file says so leaves a trace."""

import os
from pathlib import Path

with Path(os.environ["IGPAY_PAYLOAD"]).open("a") as file:
    file.write("imported\n")
