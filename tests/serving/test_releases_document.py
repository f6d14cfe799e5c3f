"""What docs/releases.md shows: the Python lines run as they stand, the commands can be pasted."""

import importlib
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from serving.app import create_app
from serving.settings import Settings
from tests.conftest import ROOT
from tests.mobile_assets.builds import MODEL, make_photo
from tests.mobile_assets.test_transfer import serve_app

DOCUMENT = (ROOT / "docs" / "releases.md").read_text()
PHONES = (ROOT / "docs" / "phones.md").read_text()
SHELL_LINES = [
    line
    for block in re.findall(r"```console\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
]


def test_the_python_lines_run_as_they_stand(
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(published / "metadata" / "1.root.json", "root.json")
    Path("photo.jpg").write_bytes(make_photo((200, 10, 10)))
    code, short = (re.findall(r"```python\n(.*?)```", x, re.DOTALL)[0] for x in (DOCUMENT, PHONES))
    with serve_app(create_app(Settings(published, state=tmp_path / "state"))) as url:
        exec(code.replace("fruit", MODEL).replace("http://127.0.0.1:8000", url), {})
    exec(short.replace("phone/fruit", f"models/{MODEL}"), {})
    decision, answer, again = capsys.readouterr().out.splitlines()
    assert decision.startswith("take 1.1.0 ")
    assert re.fullmatch(r"(sure|unsure|unknown|coarse) .*\b(red|green|blue)\b.* 0\.\d+", answer)
    assert again == answer


@pytest.mark.parametrize("line", SHELL_LINES)
def test_the_commands_can_be_pasted(line: str) -> None:
    (assignments,) = re.findall(r"```sh\n(R=.*)\n```", DOCUMENT)
    for assignment in assignments.split():
        name, _, value = assignment.partition("=")
        line = line.replace(f"${name}", value)
    room, *given = shlex.split(line)[2:]
    command: click.Command = importlib.import_module(f"{room}.cli").main
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), given[0])
        assert found is not None, given[0]
        command, given = found, given[1:]
    context = command.make_context(line, given)
    repository = context.params["repository"]
    assert str(getattr(repository, "path", repository)) == "out/fruit/repository"
