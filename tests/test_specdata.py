"""Finding the specification's data, installed and in a checkout."""

from pathlib import Path

import pytest

from fallbackkeys import specdata
from fallbackkeys.errors import FallbackKeysError
from fallbackkeys.specdata import SpecFileMissing, spec_file


@pytest.mark.parametrize("name", ["requirements.toml", "traceability.json", "trace.schema.json", "vectors"])
def test_every_file_of_the_package_is_found(name: str) -> None:
    place = spec_file(name)
    assert place.name == name
    assert place.is_dir() if name == "vectors" else place.read_bytes()


def test_the_installed_file_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "fallbackkeys"
    for folder in (package / "specs", tmp_path / "specs"):
        folder.mkdir(parents=True)
        (folder / "requirements.toml").write_text(str(folder))
    monkeypatch.setattr("fallbackkeys.specdata.resources.files", lambda _: package)
    monkeypatch.setattr(specdata, "__file__", str(package / "specdata.py"))
    assert spec_file("requirements.toml").read_text() == str(package / "specs")
    (package / "specs" / "requirements.toml").unlink()
    assert spec_file("requirements.toml").read_text() == str(tmp_path / "specs")


def test_neither_place_has_it() -> None:
    with pytest.raises(SpecFileMissing) as caught:
        spec_file("none.json")
    assert caught.value.name == "none.json"
    assert (
        str(caught.value)
        == "specs/none.json is neither in the installed package nor beside it; install it anew"
    )
    assert isinstance(caught.value, FallbackKeysError)
