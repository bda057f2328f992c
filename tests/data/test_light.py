"""What the command line needs of the data rooms comes without torch."""

from __future__ import annotations

import subprocess
import sys


def test_manifests_cards_and_splits_import_no_heavy_package() -> None:
    code = (
        "import sys, labelfree.data.manifest, labelfree.data.cards, labelfree.data.splits, labelfree.data.budgets, labelfree.data.folders\n"
        "print([name for name in ('torch', 'sklearn', 'scipy', 'pyarrow', 'rasterio', 'PIL') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
