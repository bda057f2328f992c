"""`python -m labelfree.torchrun`: torchrun, with its own options, that ends with the code its run ended with.

torchrun itself raises an error of its own for every code but 0: it prints a traceback and a table, and exits with 1.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from labelfree.training.processes import CODE_FILE


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Start the processes and wait for them. The code is that of the process that told what is wrong; 128 + signal where none did."""
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)  # of torchrun's own: the processes have told what happened
    with tempfile.TemporaryDirectory(prefix="labelfree-") as folder:
        code_file = Path(folder) / "code"
        os.environ[CODE_FILE] = str(code_file)
        try:
            torchrun.run(torchrun.parse_args(arguments))
            code = 0
        except ChildFailedError as error:
            code = _code_told(code_file, error.get_first_failure()[1].exitcode)
        except SignalException as error:  # handed on to the processes, which have ended
            code = _code_told(code_file, -error.sigval)
        except Exception as error:
            print(f"torchrun: {error}", file=sys.stderr)
            code = 1
    sys.exit(code)


def _code_told(file: Path, otherwise: int) -> int:
    """The code in `file`; where no process wrote one, `otherwise`, with a signal (below 0) as shells have it."""
    if file.is_file():
        return int(file.read_text())
    return otherwise if otherwise >= 0 else 128 - otherwise


if __name__ == "__main__":
    main()
