"""Patience: training ends when what is measured on the validation part has not become better for so many epochs."""


class EarlyStopping:
    """Which epoch was the best so far, and whether there is any patience left.

    After Prechelt, "Early Stopping - But When?", 1998, https://doi.org/10.1007/3-540-49430-8_3.
    """

    def __init__(self, patience: int | None, *, best_epoch: int = 0, best_score: float | None = None) -> None:
        self._patience = patience
        self.best_epoch = best_epoch
        self.best_score = best_score

    def see(self, epoch: int, score: float) -> None:
        """Take in the score after an epoch, of which more is better; of equal ones the first is the best."""
        if self.best_score is None or score > self.best_score:
            self.best_epoch, self.best_score = epoch, score

    def is_exhausted(self, epoch: int) -> bool:
        """Whether, after this epoch, the best one is as many epochs ago as there is patience; None has no end."""
        return self._patience is not None and epoch > 0 and epoch - self.best_epoch >= self._patience
