"""What a network takes and gives by other servers' protocols, worked out once for each that is loaded."""

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from models.data.schema import USUAL, Images
from service.predict.inputs.arrays import Arrays
from service.predict.inputs.rows import Records
from service.predict.served import Served
from service.protocols.given import Form
from service.protocols.image_form import ImageForm
from service.protocols.outputs import Outputs
from service.protocols.table_form import TableForm


class Offer:
    """What one network takes, `form`, and what it gives, `outputs`."""

    def __init__(self, served: Served) -> None:
        schema = served.network.schema
        self.form: Form
        if isinstance(schema, Images):
            assert isinstance(served.input, Arrays), "as `input_of` gives it"
            self.form = ImageForm(schema, served.input, served.called)
        else:
            assert isinstance(served.input, Records), "as `input_of` gives it"
            self.form = TableForm(schema, served.input, served.called)
        # What takes MNIST's images counts its classes as digits, whatever they are called: clients of before ask so.
        has_digits = schema.classes == USUAL.classes or served.is_usual
        self.outputs = Outputs(schema.classes, has_digits=has_digits, are_digits=schema.classes == USUAL.classes)

    @property
    def inputs(self) -> Sequence[Mapping[str, Any]]:
        """Describe the tensors that go in, as the Open Inference Protocol does."""
        return self.form.inputs


_OFFERS: "WeakKeyDictionary[Served, Offer]" = WeakKeyDictionary()


def offer_of(served: Served) -> Offer:
    """Give what a network takes and gives; it is forgotten with the network."""
    offer = _OFFERS.get(served)
    if offer is None:
        offer = _OFFERS[served] = Offer(served)
    return offer
