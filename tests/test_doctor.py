"""ganexp doctor: its block, what it finds wrong, and what it asks of a GPU, without one."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
import torch

from ganexp import doctor
from ganexp.trainer.devices import DrawnOnCpu
from ganexp.types.errors import ConfigError
from helpers import SMALL_NETWORKS

CPU, META = torch.device("cpu"), torch.device("meta")
SMALL = ("model=mlp", *SMALL_NETWORKS["mlp"])


@pytest.mark.slow
def test_a_block_to_paste_says_what_is_there_and_how_it_trains(ganexp: Any) -> None:
    done = ganexp(*SMALL, module="ganexp.doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    begin, versions, *found, end = done.stdout.splitlines()
    assert (begin, end) == ("```", "```") and f"torch {torch.__version__.split('+')[0]}" in versions
    text = "\n".join(found)
    assert re.search(r"^processor: .+ cores for ganexp; .*bfloat16 ", text, re.MULTILINE)
    assert re.search(r"^device: (cpu|cuda|mps).* \(.+\)$", text, re.MULTILINE)
    assert re.search(r"^losses of \d+ steps, .+: (equal|\S+ apart) \(bound \S+\)$", text, re.MULTILINE)
    assert re.search(r"^a step \(mlp, batch 32, d_steps 5, fp32\): \d{3} operators, .+ ms$", text, re.MULTILINE)
    assert re.search(r"^images/s by runs at once, one thread each: 1: [\d,]+", text, re.MULTILINE)
    assert found[-1] == "found wrong: nothing"


def test_keys_that_are_not_the_training_s_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^seed=1: expected a key of the training \(model"):
        doctor.random_images(["seed=1"])


def test_random_numbers_for_another_device_are_drawn_on_the_cpu() -> None:
    torch.manual_seed(0)
    expected = [torch.randn(3), torch.rand(2, 2), torch.empty(4).normal_()]
    after = torch.rand(1)
    torch.manual_seed(0)
    with DrawnOnCpu():
        drawn = [torch.randn(3, device=META), torch.rand(2, 2, device=META), torch.empty(4, device=META).normal_()]
        assert torch.equal(torch.rand(1), after), "as many numbers of the CPU's generator were taken"
    assert [each.device for each in drawn] == [META] * 3
    assert [each.shape for each in drawn] == [each.shape for each in expected]


@pytest.mark.parametrize("model", ["mlp", "dcgan"])
def test_a_device_that_computes_otherwise_is_found(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = doctor.random_images([f"model={model}", *SMALL_NETWORKS[model]])
    monkeypatch.setattr(doctor, "a_step", lambda *_: ())
    monkeypatch.setattr(doctor, "affordable", lambda spec: 2)
    healthy = list(doctor.examined(spec, CPU))
    assert not any(finding.wrong for finding in healthy)
    honest = doctor.losses

    def wrong(spec: Any, where: Any, steps: int, threads: int = 1, nudge: float = 0.0) -> torch.Tensor:
        return honest(spec, where, steps, threads=threads, nudge=nudge) * (1.01 if threads > 1 else 1.0)

    monkeypatch.setattr(doctor, "losses", wrong)
    monkeypatch.setattr(doctor, "cores", lambda: 2)
    *_, compared = doctor.examined(spec, CPU)
    assert compared.wrong and "apart (bound" in compared.text
    monkeypatch.setattr(doctor, "losses", lambda *_, threads=1, **__: torch.full((2, 2), float("nan")))
    *_, compared = doctor.examined(spec, CPU)
    assert compared.wrong and "nan apart" in compared.text


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_waits_for_a_gpu_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = doctor.random_images(SMALL)
    modes: list[str] = []

    def mode(name: str) -> None:
        modes.append(name)

    def on(spec: Any, where: Any) -> Any:
        training = real(spec, CPU)
        step = training.step

        def stepped() -> None:
            step()
            if modes[-1:] == ["warn"]:
                warnings.warn("called a synchronizing CUDA operation", stacklevel=1)

        training.step = stepped
        return training

    real = doctor.on_device
    monkeypatch.setattr(doctor, "on_device", on)
    monkeypatch.setattr("torch.cuda.set_sync_debug_mode", mode)
    monkeypatch.setattr("torch.cuda.synchronize", lambda device: None)
    (found,) = doctor.a_step(spec, torch.device("cuda"))
    assert found.wrong and ", 0 kernels, 1 waits for the GPU, " in found.text
    assert modes == ["warn", "default"]


def test_the_device_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = doctor.random_images(SMALL)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert doctor.why(spec, CPU) == "CUDA_VISIBLE_DEVICES='' hides GPUs"
    assert doctor.why(spec, torch.device("cuda")) == "trainer.device=auto takes a GPU where torch sees one"
    named = doctor.random_images([*SMALL, "trainer.device=cpu"])
    assert doctor.why(named, CPU) == "trainer.device=cpu"
