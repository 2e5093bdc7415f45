"""optimum runs a small BERT with random weights, exported here."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

NAMES = ["input_ids", "attention_mask", "token_type_ids"]


def outputs() -> Any:
    """The logits of three batches."""
    from optimum.onnxruntime import ORTModelForSequenceClassification

    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        _export(Path(folder))
        model = ORTModelForSequenceClassification.from_pretrained(folder)
        return [model(**_batch(size)).logits.tolist() for size in (1, 2, 4)]


def _batch(size: int) -> dict[str, torch.Tensor]:
    ids = torch.arange(size * 12).reshape(size, 12) % 100
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}


def _export(folder: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(100, 64, 2, 2, 128, num_labels=3)
    network = _Logits(BertForSequenceClassification(config).eval())
    axes = {name: {0: "batch", 1: "length"} for name in NAMES}
    torch.onnx.export(
        network,
        tuple(_batch(2).values()),
        str(folder / "model.onnx"),
        input_names=NAMES,
        output_names=["logits"],
        dynamic_axes={**axes, "logits": {0: "batch"}},
        dynamo=False,
    )
    config.save_pretrained(folder)


class _Logits(torch.nn.Module):
    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        return self.network(input_ids=ids, attention_mask=mask, token_type_ids=kinds).logits
