from ganexp.types.nested import dotted


def test_dotted() -> None:
    tree = {"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None, "f": {}}
    assert dotted(tree) == {"a.b": 1, "a.c.d": [1, 2], "e": None, "f": {}}
    config = {"optim": {"lr": 1e-4, "generator": {"lr": None}}, "trust": ["a"], "seed": 0}
    assert dotted(config) == {"optim.lr": 1e-4, "optim.generator.lr": None, "trust": ["a"], "seed": 0}
