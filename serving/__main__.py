"""Entry point of `python -m serving`."""

import gc
import os
import sys


def _import_signers() -> None:
    """Imports what checks signatures, without what signs in Amazon's key store.

    That would import boto3 wherever it is installed, which takes a tenth of a server's start. Who
    keeps a repository in S3 imports it later.
    """
    sys.modules["boto3"] = None  # type: ignore[assignment]
    try:
        import securesystemslib.signer  # noqa: F401
    finally:
        del sys.modules["boto3"]


def _main() -> None:
    # Processes share out the cores. At its import numpy's linear algebra would start a thread for
    # each of them, which looks for work so hard that a start takes a twentieth more.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # of what is imported nothing is garbage, and looking takes a tenth of the time
    _import_signers()
    from serving.cli import main

    gc.enable()
    main()


if __name__ == "__main__":
    _main()
