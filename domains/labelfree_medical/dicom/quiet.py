"""pydicom, imported on first use, its warnings silenced: they quote what headers hold, names of people among it."""

from __future__ import annotations

import logging
import warnings
from functools import cache
from typing import Any

from labelfree.errors import DataError


@cache
def quiet_pydicom() -> Any:
    """The package; values that break the standard are passed on as they are, and judged where they are used."""
    try:
        import pydicom
        from pydicom import config
    except ImportError as error:
        raise DataError('pydicom is needed to read DICOM: pip install "labelfree[medical]".') from error
    config.settings.reading_validation_mode = config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="pydicom")
    return pydicom
