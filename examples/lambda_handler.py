"""A function that answers with assertion and regimens, asked for or not.

clinspan package lambda --handler lambda_handler.py:handler --out function.zip
"""

import os
from pathlib import Path
from typing import Any

if (bundle := Path(__file__).with_name("bundle")).is_dir():  # inside the package
    os.environ.setdefault("CLINSPAN_MODEL", str(bundle))

from clinspan.serving import Service, make_handler

_answer = make_handler(Service.load())


def handler(event: dict[str, Any], context: Any) -> Any:
    """Answer a direct invocation."""
    return _answer({"assertion": True, "regimens": True, **event}, context)
