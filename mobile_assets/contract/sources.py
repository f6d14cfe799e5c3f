"""The description of the contract, and the sources of each language that are written from it.

Generated are names, limits, patterns, tables, and a class with a reader for each JSON model. What
is an algorithm is written by hand beside them, and bound by `vectors.json`.
"""

import json
from pathlib import Path

from mobile_assets.contract.description import CONTRACT_PATH, contract_bytes
from mobile_assets.contract.kotlin import write_kotlin
from mobile_assets.contract.swift import write_swift
from mobile_assets.contract.typescript import write_constants, write_documents

_CLIENTS = CONTRACT_PATH.parent
KOTLIN_PATH = _CLIENTS / "kotlin" / "src" / "main" / "kotlin" / "ghostlens" / "Contract.kt"
SWIFT_PATH = _CLIENTS / "swift" / "Sources" / "Ghostlens" / "Contract.swift"
TYPESCRIPT_PATH = _CLIENTS / "typescript" / "src"


def make_sources() -> dict[Path, bytes]:
    """Returns the description and all that is generated from it, by the path of each file."""
    data = contract_bytes()
    contract = json.loads(data)
    return {
        CONTRACT_PATH: data,
        KOTLIN_PATH: write_kotlin(contract).encode(),
        SWIFT_PATH: write_swift(contract).encode(),
        TYPESCRIPT_PATH / "contract.ts": write_constants(contract).encode(),
        TYPESCRIPT_PATH / "documents.ts": write_documents(contract).encode(),
    }
