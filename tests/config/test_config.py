import pytest

from ganexp.config.run_config import load
from ganexp.types.errors import ConfigError
from helpers import compose_config


def test_defaults_are_those_of_the_documentation():
    config = load(compose_config())
    trainer = config.trainer
    assert config.dataset.path == "ganexp.dataset.digits"
    assert config.dataset.params["image_size"] == 28
    assert (config.model.name, config.loss.name, config.penalty.name) == ("mlp", "non_saturating", "none")
    assert config.model.params["latent_dim"] == 100
    assert (config.optim_generator.name, config.lr, config.seed) == ("adam", 1e-4, 0)
    assert (trainer.batch_size, trainer.epochs, trainer.d_steps, trainer.real_batch) == (32, 50, 5, "reuse")
    assert (trainer.ema_kimg, trainer.precision, trainer.device, trainer.threads) == (None, "fp32", "auto", None)
    assert (config.metrics.every_epochs, config.metrics.num_samples, config.metrics.objective) == (None, 10_000, None)
    assert tuple(config.scores) == ("cfd", "precision", "recall", "density", "coverage", "rfd")
    assert config.trust == ()


@pytest.mark.parametrize(
    ("name", "dataset", "batch", "epochs", "lr"),
    [
        ("mnist", "mnist", 32, 50, 1e-4),
        ("fashion_mnist", "fashion_mnist", 32, 50, 1e-5),
        ("cifar10", "cifar10", 16, 20, 1e-4),
    ],
)
@pytest.mark.parametrize("as_coded", [False, True])
def test_presets_of_the_original_report(name, dataset, batch, epochs, lr, as_coded):
    config = load(compose_config(f"experiment=seed_{name}{'_as_coded' if as_coded else ''}"))
    assert config.dataset.name == dataset
    assert (config.trainer.batch_size, config.trainer.epochs, config.lr) == (batch, epochs, lr)
    assert (config.trainer.d_steps, config.trainer.real_batch) == (5, "reuse")
    if as_coded:
        assert config.loss.name == "non_saturating"
    else:
        assert (config.loss.name, config.loss.params["warmup_epochs"]) == ("minimax", 5)


def test_one_learning_rate_for_both_nets_unless_one_is_given():
    both = load(compose_config("optim.lr=0.5"))
    assert (both.optim_generator.params["lr"], both.optim_discriminator.params["lr"]) == (0.5, 0.5)
    one = load(compose_config("optim.lr=0.5", "optim.discriminator.lr=0.25", "optim.generator.betas=[0,0.9]"))
    assert (one.optim_generator.params["lr"], one.optim_discriminator.params["lr"]) == (0.5, 0.25)
    assert one.optim_generator.params["betas"] == (0.0, 0.9)
    assert one.optim_discriminator.params["betas"] == (0.9, 0.999)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optim.lr=-1"], r"optim\.lr: expected a value greater than 0, got -1"),
        (["optim.lr=[1,2]"], r"optim.lr: expected a valid number, got \[1, 2\]. Several values to try take commas"),
        (["optim.lr=abc"], r"optim\.lr: expected a valid number.*got 'abc'"),
        (["optim.lr=inf"], r"optim\.lr: expected"),
        (["optim.lr=nan"], r"optim\.lr: expected"),
        (["optim.betas=[0.9]"], r"optim\.betas"),
        (["optim.betas=[0.9,1.5]"], r"optim\.betas"),
        (["optim.discriminator.lr=-1"], r"optim\.discriminator\.lr: expected a value greater than 0, got -1"),
        (["trainer.batch_size=0"], r"trainer\.batch_size: expected a value greater than or equal to 1, got 0"),
        (
            ["trainer.epochs=10", "trainer.milestones=[20]"],
            r"trainer\.milestones: expected epochs up to 10, got \[20\]",
        ),
        (["model.dropout=1"], r"model\.dropout: expected a value less than 1"),
        (["model.generator_widths=[]"], r"model\.generator_widths"),
        (["+model.widht=3"], r"model\.widht: unknown key"),
        (["+modle=3"], r"modle: unknown key.*Did you mean 'model'"),
        (["metrics.objective=beauty"], r"metrics\.objective: expected one of the metrics cfd.*got 'beauty'"),
        (["metrics=none", "metrics.objective=cfd"], r"metrics\.objective: .*none"),
        (["loss._target_=os.system"], r"loss\._target_: .*trust"),
        (["trust=${seed}"], r"trust: expected a list, got a value of type int"),
        (["seed=${nope}"], r"seed: Interpolation key 'nope' not found"),
        (["seed=???"], r"seed: expected a value, got none"),
        (["dataset=image_folder"], r"dataset.path: expected a value \(the folder or zip\), got none"),
        (["model.latent_dim=1000000000"], r"model\.latent_dim: expected a value less than or equal to 65536"),
        (["trainer.threads=1000000"], r"trainer\.threads: expected a value less than or equal to 256"),
        (["optim.lr=1e39"], r"optim\.lr: expected a value less than or equal to 340282346638528"),
        (["seed=-1"], r"seed: expected a value greater than or equal to 0, got -1"),
    ],
)
def test_refused_with_key_expected_and_got(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load(compose_config(*overrides))


def test_trust_given_by_the_caller_replaces_the_configurations_own():
    cfg = compose_config("loss._target_=helpers.something", "trust=[helpers.*]")
    with pytest.raises(ConfigError, match="importable"):
        load(cfg)
    with pytest.raises(ConfigError, match="trust"):
        load(cfg, trust=())
