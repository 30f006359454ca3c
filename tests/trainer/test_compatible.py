"""What does not go together is refused before work, with the reason."""

from dataclasses import replace

import numpy as np
import pytest

from ganexp.types.errors import ConfigError, DataError
from helpers import TINY, make_spec

NO_MLP_KEYS = ("dataset.num_images=48", "trainer.batch_size=20", "metrics=none")


@pytest.fixture(autouse=True)
def root(data_root, monkeypatch):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))


@pytest.mark.parametrize("loss", ["non_saturating", "minimax", "lsgan", "hinge", "relativistic"])
def test_clipping_is_for_wasserstein_critics(tmp_path, loss):
    with pytest.raises(ConfigError, match=rf"penalty=clip: expected .*loss=wgan.*got loss={loss}.*Arjovsky"):
        make_spec(tmp_path, *TINY, "penalty=clip", f"loss={loss}")
    make_spec(tmp_path, *TINY, "penalty=clip", "loss=wgan")


def test_clipping_normalised_weights_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"penalty=clip: expected model\.spectral_norm=false"):
        make_spec(tmp_path, *TINY, "penalty=clip", "loss=wgan", "model.spectral_norm=true")


@pytest.mark.parametrize("penalty", ["r1", "r2", "r1_r2", "wgan_gp"])
def test_gradient_penalties_are_for_discriminators_without_batch_statistics(tmp_path, penalty):
    with pytest.raises(ConfigError, match=rf"penalty={penalty}: .*batch.*statistics.*discriminator_norm=none"):
        make_spec(tmp_path, *NO_MLP_KEYS, "model=dcgan", "model.width=2", f"penalty={penalty}")
    make_spec(
        tmp_path, *NO_MLP_KEYS, "model=dcgan", "model.width=2", "model.discriminator_norm=none", f"penalty={penalty}"
    )


@pytest.mark.parametrize("penalty", ["r1", "r2", "r1_r2", "wgan_gp"])
def test_compiled_networks_have_no_second_derivatives(tmp_path, penalty):
    with pytest.raises(ConfigError, match=rf"trainer\.compile: expected null with penalty={penalty}.*got inductor"):
        make_spec(tmp_path, *TINY, "trainer.compile=inductor", f"penalty={penalty}")
    make_spec(tmp_path, *TINY, "trainer.compile=inductor", "loss=wgan", "penalty=clip")


def test_images_that_do_not_fit_the_model_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.depth: .*got 30 x 30"):
        make_spec(tmp_path, *NO_MLP_KEYS, "model=dcgan", "dataset.image_size=30", "model.depth=2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_labels": None}, "expected a dataset with labels, got digits without"),
        ({"reference_labels": None}, "expected a dataset with labels"),
        ({"reference_labels": np.array([3, 11])}, "expected labels from 0 to 9 in digits, got 3 to 11"),
    ],
)
def test_a_conditional_model_needs_labels(tmp_path, monkeypatch, change, message):
    from ganexp.trainer import compatible

    original = compatible.load_dataset
    monkeypatch.setattr(compatible, "load_dataset", lambda target: replace(original(target), **change))
    with pytest.raises(DataError, match=rf"model\.conditional: {message}"):
        make_spec(tmp_path, *TINY, "model.conditional=true")


def test_the_command_line_says_so_and_exits_with_2(ganexp):
    done = ganexp(*TINY, "penalty=clip")
    assert done.returncode == 2
    assert "loss=wgan" in done.stderr
    assert "Traceback" not in done.stderr


def test_networks_and_batches_beyond_the_machines_memory_are_refused_by_count(tmp_path, monkeypatch):
    from ganexp.trainer import compatible

    small = ("dataset.num_images=48", "trainer.batch_size=20", "trainer.d_steps=7", "metrics=none")
    spec = make_spec(tmp_path, *small)
    gan = spec.config.model.build(spec.dataset.image_shape)
    weights = sum(p.numel() for net in (gan.generator, gan.discriminator) for p in net.parameters())
    least = 4 * (2 * weights + 20 * 7 * 28 * 28)
    for there, refused in ((least, False), (least - 1, True)):
        monkeypatch.setattr(compatible, "total_memory", lambda there=there: there)
        compatible._CHECKED.clear()
        if refused:
            with pytest.raises(ConfigError, match=rf"got {weights:,} weights .* 140 generated images"):
                make_spec(tmp_path, *small)
        else:
            make_spec(tmp_path, *small)
