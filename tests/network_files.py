"""ONNX files of networks that were written before, for the exporter takes seconds for each."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from softcore_export.backbone import network as network_module
from softcore_export.backbone.onnx_file import write_onnx
from torch import nn

__all__ = ["keep_networks"]


@contextmanager
def keep_networks(folder: Path) -> Iterator[None]:
    """Keep in `folder` what `write_onnx` writes for an export, and copy it where the network comes again.

    It is known by its class, attributes, weights and crop, to the byte.
    """

    def write(network: nn.Module, crop: int, path: Path) -> None:
        kept = folder / f"{_digest(network, crop)}.onnx"
        if not kept.is_file():
            write_onnx(network, crop, path)
            draft = kept.with_suffix(f".{os.getpid()}")
            shutil.copyfile(path, draft)
            draft.replace(kept)
        try:
            shutil.copyfile(kept, path)
        except OSError as error:  # of a full disk, which is where the file goes
            error.filename = str(path)
            raise

    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_module, "write_onnx", write)
        yield


def _digest(network: nn.Module, crop: int) -> str:
    content = io.BytesIO()
    torch.save((network, crop), content)
    return hashlib.sha256(content.getbuffer()).hexdigest()
