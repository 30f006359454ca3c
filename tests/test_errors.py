import pytest
import torch

from ganexp.types.errors import lack_of_memory


def test_a_lack_of_memory_is_told_with_what_was_asked_for():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert lack_of_memory(caught.value).startswith(f"out of memory: {2**62} bytes were asked for; smaller batches")
    assert lack_of_memory(MemoryError("Unable to allocate 2.50 GiB for an array")).startswith("out of memory: 2.50 GiB")
    assert lack_of_memory(MemoryError()).startswith("out of memory; smaller")
    assert lack_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")).startswith(
        "out of memory: 20.00 MiB"
    )


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("memory")])
def test_other_errors_are_none(error):
    assert lack_of_memory(error) is None
