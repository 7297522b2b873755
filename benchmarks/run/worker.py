"""One function, one process: calls it and prints what it returns as a JSON line.

    python -m benchmarks.run.worker MODULE FUNCTION SETTINGS_AS_JSON

Started by `harness.ask`. It imports little, since the seconds to a first answer are among what is measured.
"""

from __future__ import annotations

import importlib
import json
import sys


def main() -> None:
    """Call the function."""
    module, function, settings = sys.argv[1:]
    print(json.dumps(getattr(importlib.import_module(module), function)(json.loads(settings))))


if __name__ == "__main__":
    main()
