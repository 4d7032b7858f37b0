"""Who answers predictions: for each account by the networks that its names mean, all within the same bounds."""

from typing import NamedTuple

from service.access.caller import Caller
from service.api.dependencies import Dependencies
from service.predict.asgi import Predict
from service.predict.pictures import Pictures
from service.predict.receive import Bodies
from service.protocols.asgi import Infer


class Answerers(NamedTuple):
    """What answers the predictions of an account: /predict, and what clients of other model servers ask."""

    predict: Predict
    infer: Infer


class Serving:
    """One limit for all long bodies, and for all pictures that are decoded, whoever sends them."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._bodies, self._pictures = Bodies(), Pictures()
        self._of: dict[str, Answerers] = {}

    def of(self, caller: Caller) -> Answerers:
        """Give what answers an account; it counts what that has asked, as long as this process lives."""
        if (its := self._of.get(caller.account)) is None:
            about = (self._dependencies.of(caller).predictor, self._bodies, self._pictures)
            its = self._of[caller.account] = Answerers(Predict(*about), Infer(*about))
        return its
