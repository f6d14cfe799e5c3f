"""What documents show must be what the code takes."""

import json
import re

from conversion.parity.confidences import ArtifactConfidence
from tests.conftest import ROOT


def test_the_example_of_a_confidence_has_every_key_and_no_other() -> None:
    text = (ROOT / "docs/adr/0006-confidence.md").read_text()
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    shown = json.loads(block)
    assert json.loads(json.dumps(ArtifactConfidence.from_json(shown).to_json())) == shown
