"""Model bundles: what is saved comes back, the same bytes each time; each way to be damaged gets its own sentence."""

import hashlib
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from MSLesionSegLib import bundle_files
from MSLesionSegLib.bundle import load_bundle, save_bundle, verify_bundle
from MSLesionSegLib.bundle_schema import ModelDescription
from MSLesionSegLib.errors import ModelError, OutputError
from MSLesionSegLib.networks import build_network

ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8, 8, 8, 8, 8], "depths": [1, 1, 1, 1], "expansion": 2}
DESCRIPTION = {
    "format_version": 1,
    "kind": "lesion",
    "name": "tiny",
    "version": "1.0",
    "architecture": ARCHITECTURE,
    "contrasts": ["FLAIR", "T1w", "T2w"],
    "spacing_mm": 1.0,
    "normalisation": "robust",
    "threshold": 0.5,
    "min_lesion_mm3": 3.0,
    "patch": [64, 64, 64],
    "flip": True,
    "training": {
        "data": ["made up for a test"],
        "licence": "Apache-2.0",
        "case_hashes": ["ab" * 32],
        "recipe": {"learning_rate": 0.001, "steps": 10, "losses": ["dice", "bce"]},
    },
    "scores": [{"case": "one", "dice": 0.75}],
    "created": "2026-01-31T12:00:00Z",
}


def described(**changes):
    return ModelDescription.model_validate({**DESCRIPTION, **changes})


def weights():
    torch.manual_seed(7)
    return build_network(ARCHITECTURE).state_dict()


@pytest.fixture
def folder(tmp_path):
    return save_bundle(tmp_path / "tiny-1.0", described(), weights(), "# Tiny\n")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def seal(folder):
    """Make the sums right again after a change, as someone who builds a bundle by hand would."""
    (folder / "SHA256SUMS").write_text(bundle_files.sums_text(folder))


def edit(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    seal(folder)


def pack(folder, target, prefix="", extra=()):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, prefix + path.name)
        for name, data in extra:
            archive.writestr(name, data)
    return target


def refused(path, words):
    with pytest.raises(ModelError) as caught:
        load_bundle(path)
    assert words in caught.value.message
    assert str(path) in caught.value.message or Path(path).name in caught.value.message
    assert caught.value.hint
    assert verify_bundle(path)


def test_what_is_saved_comes_back(folder):
    assert sorted(content(folder)) == ["MODEL_CARD.md", "SHA256SUMS", "model.json", "weights.safetensors"]
    bundle = load_bundle(folder)
    assert bundle.model == described()
    assert bundle.model.patch == (64, 64, 64)
    assert bundle.sha256 == hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    network = bundle.load_network()
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    for name, value in weights().items():
        assert torch.equal(network.state_dict()[name], value), name
    assert verify_bundle(folder) == []


def test_sums_are_what_sha256sum_writes(folder):
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    expected = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}"
        for name in ("MODEL_CARD.md", "model.json", "weights.safetensors")
    ]
    assert lines == expected


def test_same_arguments_give_the_same_bytes(folder, tmp_path):
    state = weights()
    backwards = {name: state[name] for name in reversed(state)}
    turned = described(architecture={key: ARCHITECTURE[key] for key in reversed(ARCHITECTURE)})
    again = save_bundle(tmp_path / "again", turned, backwards, "# Tiny\n")
    assert content(again) == content(folder)


def test_loading_keeps_the_random_state(folder):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_bundle(folder).load_network()
    assert torch.equal(torch.rand(1), expected)


def test_nothing_is_overwritten_unasked(folder, tmp_path):
    before = content(folder)
    with pytest.raises(OutputError, match="is there already"):
        save_bundle(folder, described(), weights(), "other")
    assert content(folder) == before
    save_bundle(folder, described(), weights(), "other", overwrite=True)
    assert (folder / "MODEL_CARD.md").read_text() == "other"
    other = tmp_path / "holiday"
    other.mkdir()
    (other / "photo.jpg").write_text("x")
    with pytest.raises(OutputError, match="is not a model bundle"):
        save_bundle(other, described(), weights(), "card", overwrite=True)
    assert (other / "photo.jpg").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holiday", "tiny-1.0"]


def test_a_failed_save_leaves_nothing(folder, tmp_path):
    before = content(folder)
    with pytest.raises(UnicodeEncodeError):
        save_bundle(folder, described(), weights(), "\ud800", overwrite=True)
    with pytest.raises(UnicodeEncodeError):
        save_bundle(tmp_path / "new", described(), weights(), "\ud800")
    assert content(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-1.0"]


@pytest.mark.parametrize("prefix", ["", "tiny-1.0/"])
def test_a_zip_is_as_good_as_a_folder(folder, tmp_path, prefix, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = pack(folder, tmp_path / "tiny.zip", prefix, [("__MACOSX/._model.json", b"x")])
    bundle = load_bundle(path, kind="lesion")
    assert bundle.path == path
    assert bundle.sha256 == load_bundle(folder).sha256
    assert torch.equal(bundle.load_network().state_dict()["logit.bias"], weights()["logit.bias"])
    assert verify_bundle(path) == []
    del bundle
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny-1.0", "tiny.zip"]


def test_litter_of_file_managers_is_ignored(folder):
    (folder / ".DS_Store").write_bytes(b"x")
    assert verify_bundle(folder) == []


def test_not_there_and_not_a_bundle(tmp_path):
    refused(tmp_path / "none", "There is no model at")
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"a": 1}))
    refused(tmp_path / "model.pt", "neither a bundle folder nor a zip")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "model.json is missing")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no")
    refused(tmp_path / "broken.zip", "not a readable zip file")


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "MODEL_CARD.md", "SHA256SUMS"])
def test_missing_file(folder, name):
    (folder / name).unlink()
    refused(folder, f"{name} is missing")


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "MODEL_CARD.md"])
def test_one_changed_byte(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[-2] ^= 1
    (folder / name).write_bytes(data)
    refused(folder, f"{name} is damaged")


def test_unlisted_files(folder):
    (folder / "network.onnx").write_bytes(b"x")
    refused(folder, "network.onnx is not listed in SHA256SUMS")
    seal(folder)
    assert verify_bundle(folder) == []
    (folder / "network.onnx").unlink()
    refused(folder, "network.onnx is missing")


def test_strange_files(folder):
    (folder / "setup.py").write_text("print(1)")
    refused(folder, "setup.py does not belong into a bundle")
    (folder / "setup.py").unlink()
    (folder / "more").mkdir()
    refused(folder, "more is not a plain file")


def test_pickled_weights_beside_or_instead(folder):
    torch.save(weights(), folder / "weights.pt")
    refused(folder, "weights.pt may hold pickled objects, which are never opened")
    (folder / "weights.pt").replace(folder / "weights.safetensors")
    seal(folder)
    refused(folder, "are not safetensors: they are pickled")
    (folder / "weights.safetensors").write_bytes(b"nonsense")
    seal(folder)
    refused(folder, "are not safetensors")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{sum}  ../model.json", "points outside the bundle: ../model.json"),
        ("{sum}  /etc/passwd", "points outside the bundle: /etc/passwd"),
        ("{sum}  C:\\secret", "points outside the bundle: C:\\secret"),
        ("{sum}  sub\\..\\..\\x", "points outside the bundle"),
        ("{sum}  model.json", "lists model.json twice"),
        ("{sum}  run.sh", "lists run.sh, which does not belong"),
        ("abc  model.json", "line 4 of SHA256SUMS is not"),
    ],
)
def test_bad_lines_of_sums(folder, line, words):
    with open(folder / "SHA256SUMS", "a") as stream:
        stream.write(line.format(sum="0" * 64) + "\n")
    refused(folder, words)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links(folder, tmp_path):
    (folder / "MODEL_CARD.md").rename(tmp_path / "card")
    (folder / "MODEL_CARD.md").symlink_to(tmp_path / "card")
    refused(folder, "MODEL_CARD.md is a link")


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_zip_with_a_way_out(folder, tmp_path, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    refused(pack(folder, inner / "bad.zip", "", [(name, b"x")]), "not safe to unpack: it holds the path")
    assert not list(tmp_path.rglob("evil.txt"))


def test_zip_with_a_link(folder, tmp_path):
    link = zipfile.ZipInfo("network.onnx")
    link.external_attr = 0o120777 << 16
    refused(pack(folder, tmp_path / "bad.zip", "", [(link, b"/etc/passwd")]), "network.onnx is a link")


def test_zip_bombs(folder, tmp_path, monkeypatch):
    path = pack(folder, tmp_path / "bomb.zip", "", [("network.onnx", b"\0" * 3_000_000)])
    monkeypatch.setattr(bundle_files, "MAX_BUNDLE_BYTES", 2_000_000)
    refused(path, "is larger than 2 MB unpacked")
    # The header lies: it promises 10 bytes.
    data = path.read_bytes()
    size = (3_000_000).to_bytes(4, "little")
    assert data.count(size) >= 2
    (tmp_path / "liar.zip").write_bytes(data.replace(size, (10).to_bytes(4, "little")))
    refused(tmp_path / "liar.zip", "not a readable zip file: Bad CRC-32")
    many = [(f"file{number}", b"") for number in range(100)]
    refused(pack(folder, tmp_path / "many.zip", "", many), "holds 104 files")


def test_invalid_json(folder):
    (folder / "model.json").write_text("{ not json")
    seal(folder)
    refused(folder, "not valid JSON")
    (folder / "model.json").write_text("[" * 100_000)
    seal(folder)
    refused(folder, "not valid JSON")
    edit_text = json.dumps({**DESCRIPTION, "threshold": float("nan")})
    (folder / "model.json").write_text(edit_text)
    seal(folder)
    refused(folder, "NaN is not a number")


def test_format_versions(folder):
    edit(folder, format_version="1")
    refused(folder, "unknown format version '1'")
    edit(folder, format_version=0)
    refused(folder, "unknown format version 0")
    edit(folder, format_version=2, new_key=1)
    (folder / "weights.new").write_text("")
    refused(folder, "format 2, newer than this program's 1; update MSLesionSeg")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"kind": "liver"}, "kind: Input should be 'lesion' or 'brain'"),
        ({"threshold": 1.5}, "threshold: Input should be less than 1"),
        ({"threshold": "0.5"}, "threshold: Input should be a valid number"),
        ({"name": "../up"}, "name: String should match pattern"),
        ({"version": "v1"}, "version: String should match pattern"),
        ({"patch": [64, 64]}, "patch.2: Field required"),
        ({"patch": [64, 64, 10**6]}, "patch.2: Input should be less than or equal to 512"),
        ({"flip": 1}, "flip: Input should be a valid boolean"),
        ({"contrasts": ["FLAIR", "FLAIR"]}, "contrasts: a contrast is named twice"),
        ({"contrasts": ["DWI"]}, "contrasts.0: Input should be 'FLAIR', 'T1w' or 'T2w'"),
        ({"architecture": {"type": "os.system"}}, "the type 'os.system' is none of efficientnet3d_unet, unet3d"),
        ({"architecture": {"type": "unet3d", "__class__": 1}}, "'__class__' is not a plain argument name"),
        ({"architecture": {**ARCHITECTURE, "widths": [10**9]}}, "widths holds a number beyond 4096"),
        ({"architecture": {**ARCHITECTURE, "norm": "$import os"}}, "norm holds something else than numbers and words"),
        ({"architecture": {**ARCHITECTURE, "norm": {"a": 1}}}, "norm holds something else than numbers and words"),
        ({"scores": [{"a": [[[[1]]]]}]}, "nested deeper than 3"),
        ({"created": "yesterday"}, "created: String should match pattern"),
        ({"training": None}, "training: Input should be a valid dictionary"),
    ],
)
def test_descriptions_that_are_not_valid(folder, change, words):
    edit(folder, **change)
    refused(folder, words)


def test_a_description_in_python_is_as_strict():
    with pytest.raises(ValidationError):
        described(threshold="0.5")
    with pytest.raises(ValidationError):
        described(scores=[{"dice": float("inf")}])
    assert described(patch=(64, 64, 64)) == described()


def test_wrong_kind(folder):
    with pytest.raises(ModelError, match="is a lesion model; a brain model is needed"):
        load_bundle(folder, kind="brain")


def unfit(folder, words):
    with pytest.raises(ModelError) as caught:
        load_bundle(folder).load_network()
    assert words in caught.value.message and str(folder) in caught.value.message
    assert verify_bundle(folder) == [caught.value.message]


def test_weights_that_do_not_fit(folder):
    state = weights()
    bias = state.pop("logit.bias")
    save_file(state, folder / "weights.safetensors")
    seal(folder)
    unfit(folder, "do not fit its architecture: logit.bias is missing.")
    save_file({**state, "logit.bias": bias, "backdoor": bias.clone()}, folder / "weights.safetensors")
    seal(folder)
    unfit(folder, "backdoor is unexpected.")
    save_file({**state, "logit.bias": torch.zeros(2)}, folder / "weights.safetensors")
    seal(folder)
    unfit(folder, "logit.bias has shape [2] instead of [1].")
    save_file({**state, "logit.bias": torch.tensor([float("nan")])}, folder / "weights.safetensors")
    seal(folder)
    unfit(folder, "not finite in logit.bias")


def test_arguments_that_build_nothing(folder):
    edit(folder, architecture={"type": "efficientnet3d_unet", "colour": 3})
    unfit(folder, "colour")
    edit(folder, architecture={"type": "efficientnet3d_unet", "widths": [8], "depths": [1]})
    unfit(folder, "does not describe a network that can be built")


def test_a_huge_network_is_refused_without_its_memory(folder):
    """Widths of 4096 would take more than 100 GB."""
    edit(folder, architecture={**ARCHITECTURE, "widths": [4096] * 5, "expansion": 64})
    unfit(folder, "(and ")
