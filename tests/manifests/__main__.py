from __future__ import annotations

import sys

from tests.manifests.outcome import table

sys.stdout.write(table() + "\n")
