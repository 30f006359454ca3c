"""In a worker: reports what a run measured to its trial, and hears whether to go on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ganexp.sweep.search.address import Address, open_storage
from ganexp.sweep.search.optuna_private import stored, trial_numbered

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

log = logging.getLogger("ganexp")


class Judge:
    """Tells a trial of each scored epoch. A storage that does not answer is no reason to end a run.

    Args:
        address: of the study.
        number: of the trial.
        pruner: decides.
    """

    def __init__(self, address: Address, number: int, pruner: BasePruner) -> None:
        self.address, self.number, self.pruner = address, number, pruner
        self._trial: Trial | None = None

    def __call__(self, epoch: int, value: float) -> bool:
        """Report one scored epoch, once.

        Args:
            epoch: epochs done; the study's step.
            value: of the objective, on reference half A.

        Returns:
            Whether the run is to be pruned here.
        """
        try:
            trial = self._trial or self._open()
            if epoch not in stored(trial).intermediate_values:
                trial.report(value, epoch)
            return trial.should_prune()
        except Exception as error:
            log.warning("trial %d: epoch %d is not reported: %s: %s", self.number, epoch, type(error).__name__, error)
            return False

    def _open(self) -> Trial:
        import optuna
        from optuna.samplers import RandomSampler

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.load_study(
            study_name=self.address.name,
            storage=open_storage(self.address),
            sampler=RandomSampler(),
            pruner=self.pruner,
        )
        self._trial = trial_numbered(study, self.number)
        return self._trial
