"""An adapter goes out and comes in whole: peft loads what went out, and what comes in finds its base or is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from gistdesk.core.adapter import branches
from gistdesk.core.adapter_folder import FILES, export_adapter, import_adapter
from gistdesk.core.errors import UserError
from gistdesk.core.layout import encoder_rows
from gistdesk.core.load import find_model, load_model
from tests.core.tiny_models import N_GIST, Kind, every_kind, random_ids, write_model


def loose(tmp_path: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """A base without an adapter, and an adapter as it comes from another computer, where its base lay elsewhere."""
    base = write_model(tmp_path / "base", seed=seed)
    adapter = Path(shutil.move(base / "adapter", tmp_path / "contracts"))
    config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    config["base_model_name_or_path"] = "/elsewhere/base"
    (adapter / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    return base, adapter


def refusal(*arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        import_adapter(*arguments)  # type: ignore[arg-type]
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value.message


@every_kind
def test_peft_loads_an_exported_adapter_and_computes_the_same_logits(tmp_path: Path, kind: Kind) -> None:
    """On the encoding pass: a segment with its gist tokens behind it, the adapter on."""
    folder = write_model(tmp_path / "model", kind)
    export_adapter(str(folder), tmp_path / "exported")
    model = load_model(str(folder), device="cpu", precision="fp32")
    assert model.adapter is not None
    adapter, stack = model.adapter, model.causal_lm.model
    segment = random_ids(torch.Generator().manual_seed(3), 20, kind)
    ids = encoder_rows([segment], [N_GIST], bos_ids=model.bos_ids, gist_ids=adapter.gist_ids).input_ids
    with torch.no_grad(), branches(stack, adapter):
        ours = model.logits(stack(inputs_embeds=adapter.embed(stack, ids)).last_hidden_state)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    n_words = theirs.config.vocab_size  # columns of gist tokens are of no use to anybody
    theirs.resize_token_embeddings(max(n_words, adapter.gist_ids[-1] + 1), mean_resizing=False)
    theirs = PeftModel.from_pretrained(theirs, str(tmp_path / "exported"))
    with torch.no_grad():
        given = theirs(input_ids=ids).logits
        with theirs.disable_adapter():
            plain = theirs(input_ids=ids.clamp(max=n_words - 1)).logits
    words = min(n_words, adapter.gist_ids[0])
    assert torch.allclose(given[..., :words], ours[..., :words], rtol=1e-4, atol=1e-3)
    assert (given - plain)[..., :words].abs().max() > 0.5  # the adapter does something


def test_what_went_out_comes_in_where_its_base_is(tmp_path: Path) -> None:
    base, adapter = loose(tmp_path)
    (adapter / "config.yaml").write_text("steps: 7\n", "utf-8")
    (adapter / "notes.exe").write_text("not ours", "utf-8")
    assert "is not among the models on this computer" in refusal(adapter, tmp_path / "kept", ["starter"])
    assert not (tmp_path / "kept").exists()
    kept = import_adapter(adapter, tmp_path / "kept", ["starter", str(tmp_path / "nothing"), str(base)])
    assert kept == tmp_path / "kept" / "contracts"
    assert sorted(path.name for path in kept.iterdir()) == sorted([*FILES, "config.yaml"])
    found = find_model(str(kept))
    assert (found.base, found.adapter, found.adapter_alone) == (base, kept, True)
    assert load_model(str(kept), device="cpu").adapter is not None
    assert import_adapter(adapter, tmp_path / "kept", [str(base)]) == kept  # it is there already
    export_adapter(str(kept), tmp_path / "out")
    for name in ("adapter_model.safetensors", "gist.json"):
        assert (tmp_path / "out" / name).read_bytes() == (adapter / name).read_bytes()
    assert import_adapter(tmp_path / "out", tmp_path / "other", []) == tmp_path / "other" / "out"


def test_two_of_one_name_are_both_kept(tmp_path: Path) -> None:
    base, adapter = loose(tmp_path)
    other = write_model(tmp_path / "two" / "run", seed=5)
    shutil.move(other / "adapter", tmp_path / "two" / "contracts")
    first = import_adapter(adapter, tmp_path / "kept", [str(base)])
    second = import_adapter(tmp_path / "two" / "contracts", tmp_path / "kept", [])
    assert [first.name, second.name] == ["contracts", "contracts-2"]
    shutil.copytree(tmp_path / "two" / "contracts", tmp_path / "run-7" / "adapter")
    assert import_adapter(tmp_path / "run-7" / "adapter", tmp_path / "elsewhere", []).name == "run-7"


def test_an_adapter_of_another_base_is_refused_in_a_sentence(tmp_path: Path) -> None:
    _, adapter = loose(tmp_path)
    wrong = write_model(tmp_path / "wrong", seed=5)
    assert refusal(adapter, tmp_path / "kept", [str(wrong)]) == (
        f"The adapter in {adapter} was trained for /elsewhere/base, which is not among the models on this computer."
    )


def test_a_folder_that_is_no_adapter_is_refused(tmp_path: Path) -> None:
    base, adapter = loose(tmp_path)
    assert "cannot be read" in refusal(base, tmp_path / "kept", [])
    assert "cannot be read" in refusal(tmp_path / "nothing", tmp_path / "kept", [])
    (adapter / "adapter_model.safetensors").write_bytes(b"cut")
    assert "cannot be read" in refusal(adapter, tmp_path / "kept", [str(base)])
    assert not (tmp_path / "kept").exists()


def test_an_adapter_goes_to_a_new_folder_only(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "file").touch()
    for target in (tmp_path / "full", tmp_path / "file"):
        with pytest.raises(UserError, match="already exists"):
            export_adapter(str(folder), target)
    with pytest.raises(UserError, match=r"cannot be copied to .* \(Not a directory\)"):
        export_adapter(str(folder), tmp_path / "file" / "in")
    (tmp_path / "empty").mkdir()
    export_adapter(str(folder), tmp_path / "empty")
    assert len(list((tmp_path / "empty").iterdir())) == len(FILES)
    shutil.rmtree(folder / "adapter")
    with pytest.raises(UserError, match="no gist adapter"):
        export_adapter(str(folder), tmp_path / "new")
    with pytest.raises(UserError, match="is not on this computer"):
        export_adapter("nobody/nothing", tmp_path / "new")
    assert not list(tmp_path.glob(".*"))
