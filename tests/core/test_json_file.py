"""Small JSON of anybody's: an object of finite numbers, or an error that says what it is instead."""

from pathlib import Path

import pytest

from gistdesk.core.json_file import read_object


@pytest.mark.parametrize("content", [b'{"a": 1e999}', b'{"a": Infinity}', b'{"a": NaN}', b"[1]", b"[" * 10**5])
def test_what_is_no_object_of_finite_numbers_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"^(x\.json|1e999|Infinity|NaN) "):
        read_object(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b'{"a": 1e3}')
    assert read_object(tmp_path / "x.json") == {"a": 1000.0}
