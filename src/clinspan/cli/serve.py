"""`clinspan serve`: answer requests over HTTP until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from types import FrameType

from clinspan.cli.console import DONE, FAILED, UsageError, say
from clinspan.cli.load_flags import add_load_flags, load_any
from clinspan.serving import RequestLimits, Service, logs
from clinspan.serving.server.http import Server
from clinspan.serving.server.routes import Routes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan serve`."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all (%(default)s)"
    )
    parser.add_argument("--port", type=int, default=8080, help="port; 0 for any that is free (%(default)s)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="longest that a request may take (%(default)s)",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="wait for requests under way at the end (%(default)s)",
    )
    add_load_flags(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve as the options say; returns the exit code: done if every request under way was answered.

    Raises:
        UsageError: the address cannot be used.
        ClinspanError: the model cannot be used.
    """
    if options.timeout <= 0 or options.grace < 0:
        raise UsageError("--timeout and --grace are seconds, more than 0")
    logs.configure(os.environ.get("CLINSPAN_LOG_LEVEL", "INFO"))
    model = load_any(options)
    routes = Routes(Service(model, RequestLimits.read(os.environ)))
    try:
        server = Server(routes, options.host, options.port, seconds=options.timeout)
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot listen on {options.host}, port {options.port}: {error}") from error
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    threading.Thread(target=server.serve_forever, name="clinspan-serve", daemon=True).start()
    say(f"clinspan: http://{options.host}:{server.server_port}")
    while not stopping.wait(1.0):  # without a limit, a signal would not wake it on every system
        pass
    done = server.stop(seconds=options.grace)
    model.close()
    return DONE if done else FAILED
