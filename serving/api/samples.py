"""Examples of calls in three languages: whole programs, which the tests run against a server.

They are the same here, in the OpenAPI document, on its page and in docs/api.md.
"""

from functools import cache
from importlib.resources import files
from typing import Any

# How OpenAPI tools call a language, and the suffix of our files.
LANGUAGES = {"Shell": "sh", "Python": "py", "TypeScript": "ts"}
OPERATIONS = {
    "get_releases_list_models": "models",
    "post_releases_check": "check",
    "post_recognise_recognise": "recognise",
    "post_inference_infer": "infer",
    "post_reports_report": "report",
    "post_corrections_correct": "correct",
    "post_usage_report_usage": "usage",
}


def describe_in(operation: dict[str, Any]) -> None:
    """Adds its examples to an operation, where there are any."""
    name = OPERATIONS.get(operation.get("operationId", ""))
    if name is not None:
        operation["x-codeSamples"] = [
            {"lang": language, "label": _LABELS.get(language, language), "source": source}
            for language, source in read_examples(name).items()
        ]


@cache
def read_examples(name: str) -> dict[str, str]:
    """Returns the programs of one example by their language."""
    folder = files("serving.api") / "examples"
    return {
        language: (folder / f"{name}.{suffix}").read_text(encoding="utf-8")
        for language, suffix in LANGUAGES.items()
    }


_LABELS = {"Shell": "curl"}
