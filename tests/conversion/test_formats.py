"""What stands inside the converted files, besides the right answers."""

import json
import re
import subprocess
import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import number_types as numbers
from flatbuffers.table import Table

from conversion.formats.coreml_tools import Model_pb2
from conversion.formats.tflite_metadata import ModelCard, append_labels, build_metadata
from conversion.runners import open_runner
from tests.conversion import damage
from training.labels import LabelSet


class Fields:
    """Reads a flatbuffer table by field number: a second reading of the schema."""

    def __init__(self, table: Table) -> None:
        self.table = table

    @classmethod
    def root(cls, data: bytes) -> "Fields":
        return cls(Table(data, flatbuffers.encode.Get(numbers.UOffsetTFlags.packer_type, data, 0)))

    def at(self, number: int) -> int:
        offset = self.table.Offset(4 + 2 * number)
        assert offset, f"field {number} is absent"
        return offset

    def text(self, number: int) -> str:
        return self.table.String(self.at(number) + self.table.Pos).decode()

    def byte(self, number: int) -> int:
        return self.table.Get(numbers.Int8Flags, self.at(number) + self.table.Pos)

    def uint(self, number: int) -> int:
        return self.table.Get(numbers.Uint32Flags, self.at(number) + self.table.Pos)

    def child(self, number: int) -> "Fields":
        place = self.table.Indirect(self.at(number) + self.table.Pos)
        return Fields(Table(self.table.Bytes, place))

    def children(self, number: int) -> list["Fields"]:
        start, count = self.table.Vector(self.at(number)), self.table.VectorLen(self.at(number))
        places = [self.table.Indirect(start + 4 * index) for index in range(count)]
        return [Fields(Table(self.table.Bytes, place)) for place in places]

    def floats(self, number: int) -> list[float]:
        array = self.table.GetVectorAsNumpy(numbers.Float32Flags, self.at(number))
        return [float(value) for value in array]


def read_metadata(model: bytes) -> bytes:
    root = schema.Model.GetRootAs(model, 0)
    entries = [root.Metadata(index) for index in range(root.MetadataLength())]
    (entry,) = [entry for entry in entries if entry.Name() == b"TFLITE_METADATA"]
    return root.Buffers(entry.Buffer()).DataAsNumpy().tobytes()


def test_a_tflite_tells_how_to_feed_it_and_where_its_labels_are(paths, build):
    data = read_metadata(paths["litert"].read_bytes())
    assert data[4:8] == b"M001"
    model = Fields.root(data)
    assert (model.text(0), model.text(2)) == (build.model, build.version)
    (graph,) = model.children(3)
    (image,), (probabilities, known_score) = graph.children(2), graph.children(3)
    assert (probabilities.text(0), known_score.text(0)) == ("probabilities", "known_score")
    content = image.child(3)
    assert content.byte(0) == 2, "ImageProperties"
    assert content.child(1).byte(0) == 1, "RGB"
    size = content.child(1).child(1)
    assert (size.uint(0), size.uint(1)) == (64, 64)
    (unit,) = image.children(4)
    assert unit.byte(0) == 1, "NormalizationOptions"
    assert (unit.child(1).floats(0), unit.child(1).floats(1)) == ([0.0], [1.0])
    (file,) = probabilities.children(6)
    assert (file.text(0), file.byte(2)) == ("labels.txt", 2)


def test_unzip_lists_the_labels_of_a_tflite(paths, build):
    done = subprocess.run(["unzip", "-l", paths["litert"]], capture_output=True, text=True)
    assert re.search(r"1980-01-01 00:00 +labels\.txt", done.stdout), done.stdout + done.stderr
    with zipfile.ZipFile(paths["litert"]) as archive:
        assert archive.read("labels.txt").decode() == build.labels.to_text()


def test_weights_of_a_tflite_lie_at_multiples_of_16_bytes(paths):
    root = schema.Model.GetRootAs(paths["litert"].read_bytes(), 0)
    buffers = [root.Buffers(index) for index in range(root.BuffersLength())]
    starts = [part._tab.Vector(part._tab.Offset(4)) for part in buffers if part.DataLength()]
    assert len(starts) > 100
    assert not any(start % 16 for start in starts)


def test_metadata_and_labels_are_the_same_bytes_each_time():
    card = ModelCard("a", "1.0.0", "words", "MIT", 224)
    assert build_metadata(card) == build_metadata(card)
    labels = LabelSet(("ä", "b"))
    assert append_labels(b"TFL3" * 9, labels) == append_labels(b"TFL3" * 9, labels)


def test_a_pte_is_one_part_of_xnnpack(paths):
    from executorch.exir._serialize._program import deserialize_pte_binary

    program = deserialize_pte_binary(paths["executorch"].read_bytes()).program
    (plan,) = program.execution_plan
    assert [delegate.id for delegate in plan.delegates] == ["XnnpackBackend"]
    assert plan.operators == []


def test_a_package_says_what_it_is_and_what_it_needs(paths, build, checkpoint):
    data = (paths["coreml"] / damage.SPECIFICATION).read_bytes()
    model = Model_pb2.Model.FromString(data)
    description = model.description
    assert model.specificationVersion == 7, "Core ML 6, iOS 16"
    names = ["label", "probabilities", "known_score"]
    assert [feature.name for feature in description.output] == names
    assert description.predictedFeatureName == "label"
    assert description.predictedProbabilitiesName == "probabilities"
    assert description.metadata.versionString == "1.2.3"
    own = description.metadata.userDefined
    assert own["ghostlens.checkpoint_sha256"] == checkpoint.sha256
    assert json.loads(own["ghostlens.preprocess"]) == build.preprocess.to_json()
    outputs = list(damage.block_of(model).outputs)
    assert outputs == names
    assert list(damage.block_of(model).operations[-1].inputs) == ["probabilities", "classes"] or (
        set(damage.block_of(model).operations[-1].inputs) == {"probabilities", "classes"}
    )


def test_input_and_output_are_described_as_they_are(build, paths):
    specs = {entry.variant.key: (entry.input, entry.outputs) for entry in build.artifacts}
    assert specs["executorch-fp32"][0]["shape"] == [1, 3, 64, 64]
    assert specs["litert-fp32"][0]["shape"] == [1, 64, 64, 3]
    assert specs["coreml-fp16"][0]["shape"] == [64, 64, 3]
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_content=paths["litert"].read_bytes())
    (details,), results = model.get_input_details(), model.get_output_details()
    assert details["name"] == specs["litert-fp32"][0]["name"]
    assert list(details["shape"]) == specs["litert-fp32"][0]["shape"]
    assert details["dtype"] is np.float32
    described = [(output["name"], output["shape"]) for output in specs["litert-fp32"][1]]
    assert [(result["name"], list(result["shape"])) for result in results] == described
    (signature,) = model.get_signature_list().values()
    assert set(signature["outputs"]) == {"probabilities", "known_score"}


def test_every_precision_of_a_tflite_holds_its_weights_and_labels(paths, build):
    for key in ("litert-fp16", "litert-dynamic-int8", "litert-int8"):
        assert paths[key].stat().st_size > 0.25 * paths["litert"].stat().st_size
        with zipfile.ZipFile(paths[key]) as archive:
            assert archive.read("labels.txt").decode() == build.labels.to_text()


def test_smaller_precisions_are_smaller(build):
    size_bytes = {entry.variant.key: entry.size_bytes for entry in build.artifacts}
    for small, large, most in [
        ("executorch-int8", "executorch-fp32", 0.35),
        ("litert-fp16", "litert-fp32", 0.55),
        ("litert-dynamic-int8", "litert-fp32", 0.35),
        ("litert-int8", "litert-fp32", 0.4),
        ("coreml-int8-weights", "coreml-fp16", 0.65),
        ("coreml-palette8", "coreml-fp16", 0.65),
        ("coreml-palette6", "coreml-palette8", 0.85),
    ]:
        assert size_bytes[small] < most * size_bytes[large], small


def test_int8_files_take_and_give_floats(paths):
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(model_content=paths["litert-int8"].read_bytes())
    details = [*model.get_input_details(), *model.get_output_details()]
    assert [detail["dtype"] for detail in details] == 3 * [np.float32]


@pytest.mark.parametrize(
    ("key", "delegate"),
    [
        ("executorch-int8", "XnnpackBackend"),
        ("executorch-coreml-fp16", "CoreMLBackend"),
        ("executorch-vulkan-fp16", "VulkanBackend"),
    ],
)
def test_a_pte_is_one_part_of_its_delegate(paths, key, delegate):
    from executorch.exir._serialize._program import deserialize_pte_binary

    program = deserialize_pte_binary(paths[key].read_bytes()).program
    (plan,) = program.execution_plan
    assert [entry.id for entry in plan.delegates] == [delegate]
    assert plan.operators == []


def test_static_int8_answers_about_like_the_checkpoint(paths, checkpoint, photos):
    reference = checkpoint.answer(photos).probabilities
    for key in ("executorch-int8", "litert-int8"):
        answers = open_runner(paths[key], key.split("-")[0]).answer(photos).probabilities
        assert np.abs(answers - reference).mean() < 0.02, key
        assert (answers.argmax(axis=1) == reference.argmax(axis=1)).mean() > 0.8, key


def test_tool_versions_are_recorded(build):
    for entry in build.artifacts:
        assert "torch" in entry.tool_versions
        assert all(re.match(r"\d", version) for version in entry.tool_versions.values())
