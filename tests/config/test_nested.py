from ganexp.types.nested import dotted, short_keys


def test_dotted() -> None:
    tree = {"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None, "f": {}}
    assert dotted(tree) == {"a.b": 1, "a.c.d": [1, 2], "e": None, "f": {}}
    config = {"optim": {"lr": 1e-4, "generator": {"lr": None}}, "trust": ["a"], "seed": 0}
    assert dotted(config) == {"optim.lr": 1e-4, "optim.generator.lr": None, "trust": ["a"], "seed": 0}


def test_short_keys() -> None:
    keys = [
        "optim.lr",
        "optim.discriminator.lr",
        "model.g.width",
        "model.d.width",
        "seed",
        "optim/schedule",
        "a.b",
        "b",
    ]
    assert short_keys([*keys, "b"]) == {
        "optim.lr": "optim.lr",
        "optim.discriminator.lr": "discriminator.lr",
        "model.g.width": "g.width",
        "model.d.width": "d.width",
        "seed": "seed",
        "optim/schedule": "schedule",
        "a.b": "a.b",
        "b": "b",
    }
