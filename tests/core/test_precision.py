"""In how many bits a model is held: chosen the same way every time, said in its identity, refused in one sentence."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gistdesk.core import load
from gistdesk.core.adapter import read_adapter
from gistdesk.core.compress import compress_document
from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import model_fingerprint
from gistdesk.core.gist_file import check_identity, read_gist
from gistdesk.core.load import choose_precision, find_model, load_model, plain_precision
from gistdesk.core.plan import plan
from gistdesk.core.precision import PRECISIONS, check_precision, count_weights, trained_precision
from gistdesk.core.quantize import is_quantized, quantize
from gistdesk.folders import resource
from tests.core.tiny_models import PLAIN, TEXT, Kind, every_kind, tiny_base, write_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "model"))


def train_in(folder: Path, precision: object) -> None:
    """Say that the adapter was trained on a base held so."""
    path = folder / "adapter" / "gist.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "precision": precision}), "utf-8")


@pytest.mark.parametrize(("precision", "low", "high"), [("nf4", 0.03, 0.2), ("int8", 0.001, 0.03)])
def test_a_quantized_layer_computes_nearly_what_its_weights_say(precision: str, low: float, high: float) -> None:
    plain = tiny_base(PLAIN, hidden_size=64, intermediate_size=128, head_dim=16)
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    names = [name for name, module in plain.model.named_modules() if isinstance(module, torch.nn.Linear)]
    names = [name for name in names if plain.model.get_submodule(name).in_features == 64]
    with torch.no_grad():
        wanted = [plain.model.get_submodule(name)(x) for name in names]
        quantize(plain, precision, CPU)
        given = [plain.model.get_submodule(name)(x) for name in names]
    for ours, theirs in zip(given, wanted, strict=True):
        assert low < float((ours - theirs).norm() / theirs.norm()) < high


@every_kind
def test_weights_are_counted_from_the_files_as_they_are_held(tmp_path: Path, kind: Kind) -> None:
    counts = count_weights(write_model(tmp_path, kind))
    base = tiny_base(kind)
    linear = [m for m in base.model.modules() if isinstance(m, torch.nn.Linear)]
    assert counts.n_linear == sum(m.weight.numel() for m in linear)
    assert counts.n_linear + counts.n_other == sum(p.numel() for p in base.parameters())
    assert counts.n_bytes("fp32") == sum(p.numel() * 4 for p in base.parameters())
    sizes = [counts.n_bytes(precision) for precision in PRECISIONS[1:]]
    assert sizes == sorted(set(sizes))


def test_an_output_matrix_that_is_the_embedding_again_counts_once() -> None:
    """The starter's file has both: 9.3 million values, of which 7.2 million are parameters."""
    counts = count_weights(resource("starter"))
    assert counts.n_linear + counts.n_other == load_model("starter", device="cpu").n_parameters == 7_212_288


@every_kind
@pytest.mark.parametrize("precision", ["nf4", "int8"])
def test_a_model_in_fewer_bits_has_its_adapter_and_an_identity_of_its_own(
    tmp_path: Path, kind: Kind, precision: str
) -> None:
    folder = write_model(tmp_path, kind)
    model = load_model(str(folder), device="cpu", precision=precision)
    assert is_quantized(model.causal_lm.model)
    assert model.adapter is not None and model.encoder is not None
    assert model.encoder.__qualname__.startswith("branched_encoder")
    assert model.identity.model_fingerprint == f"{model_fingerprint(folder)}-{precision}"
    assert not any(weight.requires_grad for weight in model.causal_lm.parameters())
    assert not any(module.training for module in model.causal_lm.modules())


@pytest.mark.release
def test_bitsandbytes_fetches_no_code_and_is_quiet(tmp_path: Path) -> None:
    """Where the package kernels is installed, it would ask it for some."""
    (tmp_path / "kernels.py").write_text("raise SystemExit('asked for code')\n", "utf-8")
    code = "from gistdesk.core.quantize import bitsandbytes; bitsandbytes()"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_adapter_is_checked_against_layers_that_are_quantized(folder: Path) -> None:
    """A quantized weight has another shape than its layer; that of another layer is refused all the same."""
    base = tiny_base(PLAIN)
    quantize(base, "nf4", CPU)
    assert read_adapter(folder / "adapter", base.model, model_fingerprint(folder)).lora
    wider = tiny_base(PLAIN, intermediate_size=64)
    quantize(wider, "nf4", CPU)
    with pytest.raises(UserError, match="does not fit the base model's layer"):
        read_adapter(folder / "adapter", wider.model, model_fingerprint(folder))


def test_a_gist_made_in_four_bits_is_not_read_in_sixteen(folder: Path, tmp_path: Path) -> None:
    """The two gists differ by far more than rounding, so they are not mixed without a word."""
    document = Document("Tale", (TEXT,), None, tmp_path / "tale.txt", "0" * 64)
    models = {name: load_model(str(folder), device="cpu", precision=name) for name in ("fp32", "bf16", "nf4", "int8")}
    records = {}
    for name, model in models.items():
        *_, last = compress_document(model, document, plan(model, document, ratio=6.0), tmp_path / f"{name}.gistkv")
        assert last.record is not None
        records[name] = read_gist(tmp_path / f"{name}.gistkv")
    exact = records["fp32"].gist.kv.float()
    off = {name: float((r.gist.kv.float() - exact).norm() / exact.norm()) for name, r in records.items()}
    assert off["bf16"] < 0.03 < 5 * off["bf16"] < off["nf4"]
    assert off["bf16"] < off["int8"]
    for made, record in records.items():
        for loaded, model in models.items():
            if {made, loaded} <= {"fp32", "bf16"} or made == loaded:
                check_identity(record, model.identity)
                continue
            with pytest.raises(UserError) as caught:
                check_identity(record, model.identity)
            bits = made if made in ("nf4", "int8") else "bf16"
            assert f"in {bits}; it is loaded in" in caught.value.message
            assert f"--precision {bits} " in caught.value.hint


def test_automatic_is_what_the_adapter_was_trained_on(folder: Path) -> None:
    found = find_model(str(folder))
    assert (found.adapter, trained_precision(found.adapter)) == (folder / "adapter", "")
    assert choose_precision("auto", "cpu", found) == plain_precision("cpu")
    for trained in ("nf4", "int8"):
        train_in(folder, trained)
        assert trained_precision(found.adapter) == trained
        assert choose_precision("auto", "cpu", found) == trained
        assert choose_precision("fp32", "cpu", found) == "fp32"
    assert load_model(str(folder), device="cpu").precision == "int8"
    for trained in ("bf16", "fp32", "nf3", 4, None):
        train_in(folder, trained)
        assert choose_precision("auto", "cpu", found) == plain_precision("cpu")


def test_automatic_takes_fewer_bits_where_more_do_not_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_model(str(folder))
    needed = count_weights(folder).n_bytes(plain_precision("cpu"))
    least = round((needed + 512 * 2**20) / 0.8)  # a fifth and half a gigabyte stay free
    for total, expected in ((least + 2, plain_precision("cpu")), (least - 2, "nf4")):
        monkeypatch.setattr(load, "total_bytes", lambda device, total=total: total)
        assert choose_precision("auto", "cpu", found) == expected
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    assert choose_precision("auto", "cpu", found) == plain_precision("cpu")  # it may yet fit; loading tells


def test_a_precision_that_there_is_not_or_not_here_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted in ("nf3", "", "4", "NF4"):
        with pytest.raises(UserError, match=r"^There is no precision") as caught:
            load_model(str(folder), device="cpu", precision=wanted)
        assert caught.value.hint == "Choose auto, nf4, int8, bf16 or fp32."
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # as where it is not installed
    for wanted in ("nf4", "int8"):
        with pytest.raises(UserError, match="needs bitsandbytes, which is not installed"):
            load_model(str(folder), device="cpu", precision=wanted)
    train_in(folder, "nf4")
    with pytest.raises(UserError, match="needs bitsandbytes"):
        load_model(str(folder), device="cpu")
    check_precision("bf16")
    assert load_model(str(folder), device="cpu", precision="bf16").precision == "bf16"


def test_weights_that_cannot_be_counted_are_told(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be loaded"):
        choose_precision("auto", "cpu", find_model(str(folder)))
