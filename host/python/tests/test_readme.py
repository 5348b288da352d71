import pathlib
import re

import pytest

READMES = [pathlib.Path(__file__).resolve().parents[parents] / "README.md" for parents in (1, 3)]


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.parent.name))
def test_examples_run(path, tmp_path, monkeypatch):
    """Those that need no other package; together, as a reader would try them."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    ours = [block for block in blocks if "equalinfo.torch" not in block and "equalinfo.transformers" not in block]
    assert ours
    exec(compile("".join(ours), str(path), "exec"), {})
