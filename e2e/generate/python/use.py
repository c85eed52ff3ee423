"""A program over generated code, which is run as well as checked."""

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

import nasty
from abx import CheckoutRedesignPayload, CheckoutRedesignVariant, ExperimentKey, FlagKey, Flags

settings = {"provider": "alpinepay", "timeout_ms": 5, "retries": 0}
provider = InMemoryProvider(
    {
        FlagKey.NEW_NAVIGATION: InMemoryFlag("on", {"on": True}),
        FlagKey.PAYMENT_SETTINGS: InMemoryFlag("a", {"a": settings}),
    }
)
api.set_provider(provider)
flags = Flags(api.get_client())

is_new: bool = flags.new_navigation(EvaluationContext("user_1"))
assert is_new
assert flags.payment_settings()["provider"] == "alpinepay"
# The provider does not know it, so its default is that of the document.
limit: int = flags.upload_limit_mb()
assert limit == 10

variant: CheckoutRedesignVariant = "redesign"
payload: CheckoutRedesignPayload = {"layout": "steps", "express_buttons": True}
assert ExperimentKey.CHECKOUT_REDESIGN.value == "checkout_redesign"

others = nasty.Flags(api.get_client())
assert others.class_() is False
assert others.then() == 'y "z"'
assert others.hash_code() == "*/ \"\"\" \\ \n \u2028 \\u0022 ${x} \U0001f600"
name: str | None = others.str_()["name"]
assert name is None
