import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ganexp.files import checkpoint
from ganexp.files.checkpoint import CorruptCheckpointError

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(3, dtype=torch.int64), "c": torch.ones(4).bfloat16()}


def test_round_trip(tmp_path):
    checkpoint.save(tmp_path / "x.safetensors", TENSORS, {"epoch": 3, "history": [{"d_loss": 0.1, "cfd": None}]})
    tensors, meta = checkpoint.load(tmp_path / "x.safetensors")
    assert meta == {"epoch": 3, "history": [{"d_loss": 0.1, "cfd": None}]}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        torch.testing.assert_close(tensors[name], tensor)


@pytest.mark.parametrize("bit", [0x01, 0x10])
def test_a_flipped_bit_anywhere_is_noticed(tmp_path, bit):
    path = tmp_path / "x.safetensors"
    checkpoint.save(path, TENSORS, {"epoch": 3})
    content = path.read_bytes()
    for where in range(len(content)):
        path.write_bytes(content[:where] + bytes([content[where] ^ bit]) + content[where + 1 :])
        with pytest.raises(CorruptCheckpointError, match=r"x\.safetensors"):
            checkpoint.load(path)


def test_a_layout_under_a_damaged_name_is_noticed(tmp_path):
    checkpoint.save(tmp_path / "x.safetensors", TENSORS, {})
    content = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(content.replace(b'"layout"', b'"l\x71yout"'))
    with pytest.raises(CorruptCheckpointError, match=r"expected .*'layout'.* in its header, got \['lqyout'\] too"):
        checkpoint.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("length", [0, 5, 100])
def test_a_truncated_file_is_noticed(tmp_path, length):
    path = tmp_path / "x.safetensors"
    checkpoint.save(path, TENSORS, {})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CorruptCheckpointError):
        checkpoint.load(path)


def test_a_pickle_is_not_read(tmp_path):
    torch.save({"a": 1}, tmp_path / "x.safetensors")
    with pytest.raises(CorruptCheckpointError):
        checkpoint.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5),
        lambda p: torch.optim.NAdam(p),
    ],
)
def test_an_optimizer_goes_on_as_if_never_stopped(make, tmp_path):
    def steps(net, optimizer, first, last):
        for step in range(first, last):
            torch.manual_seed(step)
            optimizer.zero_grad()
            net(torch.randn(4, 3)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    straight = nn.Linear(3, 2)
    restored = nn.Linear(3, 2)
    restored.load_state_dict(straight.state_dict())
    whole, first = make(straight.parameters()), make(restored.parameters())
    steps(straight, whole, 0, 6)
    steps(restored, first, 0, 3)
    tensors, scalars = checkpoint.pack_optimizer("o", first)
    checkpoint.save(tmp_path / "o.safetensors", tensors, {"scalars": scalars})
    tensors, meta = checkpoint.load(tmp_path / "o.safetensors")
    second = make(restored.parameters())
    checkpoint.unpack_optimizer("o", second, tensors, meta["scalars"])
    steps(restored, second, 3, 6)
    assert checkpoint.weights_sha256(restored.state_dict()) == checkpoint.weights_sha256(straight.state_dict())


def test_a_checkpoint_of_the_first_format_can_still_be_read(tmp_path):
    path = tmp_path / "x.safetensors"
    meta = json.dumps({"epoch": 3})
    digest = hashlib.sha256(meta.encode() + checkpoint.weights_sha256(TENSORS).encode()).hexdigest()
    header = {"format": "1", "meta": meta, "digest": digest}
    save_file(TENSORS, path, metadata=header)
    tensors, found = checkpoint.load(path)
    assert found == {"epoch": 3}
    assert checkpoint.weights_sha256(tensors) == checkpoint.weights_sha256(TENSORS)
