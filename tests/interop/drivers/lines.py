"""How a driver is talked to: a JSON object a line in, one a line out, until there are no more.

In: `do`, the operation, and its arguments. Out: `value`, or `error` (the exception's class), `text`, and `code` if the
exception has one. Drivers run in the environment of the SDK that they drive and import nothing of ours but this.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any


def serve(operations: Mapping[str, Callable[..., Any]]) -> None:
    """Answer until the input ends. What SDKs print themselves goes to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        arguments = json.loads(line)
        try:
            said: dict[str, Any] = {"value": operations[arguments.pop("do")](**arguments)}
        except Exception as error:  # noqa: BLE001 - how an SDK fails is what is asked for
            said = {"error": type(error).__name__, "text": str(error)[:300]}
            if hasattr(error, "code"):
                said["code"] = str(error.code)
        out.write(json.dumps(said) + "\n")
        out.flush()
