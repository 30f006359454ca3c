"""Three short trainings end with the weights that version 0.1.0 gave them.

On a machine with a line in weights.json the same bits; elsewhere within 1e-5. `python tests/pins/compare.py COMMIT`
compares bit for bit with any commit, on any machine.
"""

import json

import compare
import material
import numpy as np
import pytest

from ganexp.trainer import run
from helpers import make_spec


@pytest.mark.parametrize("name", material.TRAININGS)
def test_weights_are_what_they_were(tmp_path, data_root, monkeypatch, name):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    done = run.execute(make_spec(tmp_path, *material.training(name)))
    arrays = compare.tensors(done.directory)
    digests = json.loads(compare.DIGESTS.read_text()).get(compare.machine())
    if digests is not None:
        assert compare.digest(arrays) == digests[name]
        return
    with np.load(compare.ARRAYS) as recorded:
        names = {key.removeprefix(f"{name}/"): key for key in recorded.files if key.startswith(f"{name}/")}
        assert arrays.keys() == names.keys()
        for key, value in arrays.items():
            np.testing.assert_allclose(value, recorded[names[key]], atol=1e-5, rtol=1e-5)
