"""A tokenizer as transformers 5 saves it is exported under 4 and 5, into a bundle that both read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan.text.tokenizer import Tokenizer
from clinspan_export import export

pytestmark = pytest.mark.export

NOTE = "Patient presents with chest pain;  ECG ordered\n(aspirin 81 mg, œdème)."


@pytest.mark.parametrize("name", ["modernbert", "xlm-roberta", "bert-cased"])
def test_tokenizer_saved_by_transformers_5_gives_the_same_ids(tmp_path: Path, name: str) -> None:
    """The class `TokenizersBackend` and a list of extra special tokens change no id, in the runtime or in transformers."""
    from transformers import AutoTokenizer

    source = tiny_checkpoints.save(tmp_path / "checkpoint", name)
    expected = AutoTokenizer.from_pretrained(source)(NOTE)["input_ids"]
    path = source / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    for key in ("added_tokens_decoder", "additional_special_tokens", "extra_special_tokens"):
        settings.pop(key, None)
    settings |= {
        "tokenizer_class": "TokenizersBackend",
        "backend": "tokenizers",
        "extra_special_tokens": [settings["sep_token"]],
    }
    path.write_text(json.dumps(settings), encoding="utf-8")
    (source / "special_tokens_map.json").unlink(missing_ok=True)

    bundle = export(str(source), tmp_path / "bundle", precisions=("fp32",))

    said = json.loads((bundle.path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert said["tokenizer_class"] != "TokenizersBackend"
    assert not isinstance(said.get("extra_special_tokens"), list)
    theirs = AutoTokenizer.from_pretrained(bundle.path)(NOTE)["input_ids"]
    ours = Tokenizer(bundle.path / "tokenizer.json").encode(NOTE).ids.tolist()
    assert theirs[1:-1] == ours
    assert theirs == expected
