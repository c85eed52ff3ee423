"""The unmodified provider for Python."""

import os
import socket
import time
import unittest

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

URL = os.environ["ABX_URL"]
TOO_DEEP = {"a": {"b": {"c": {"d": {"e": 1}}}}}
GERMAN = EvaluationContext("user_1", {"country": "DE"})


def client(name, url=URL, **options):
    api.set_provider(OFREPProvider(url, **options), name)
    return api.get_client(name)


def save(name, text):
    """Writes a file of documents, whole at once, because the server watches the folder."""
    whole = os.path.join(os.environ["ABX_DOCUMENTS"], name)
    with open(whole + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(whole + ".new", whole)


class Provider(unittest.TestCase):
    def setUp(self):
        self.addCleanup(api.clear_providers)

    def test_each_type(self):
        flags = client("types")
        on = flags.get_boolean_details("greeting_on", False, GERMAN)
        self.assertEqual((on.value, on.variant, on.reason), (True, "on", "STATIC"))
        off = flags.get_boolean_details("greeting_off", True, GERMAN)
        self.assertEqual((off.value, off.variant, off.reason), (False, "off", "DISABLED"))
        text = flags.get_string_details("greeting", "?", GERMAN)
        self.assertEqual((text.value, text.reason), ("Guten Tag", "TARGETING_MATCH"))
        self.assertEqual(flags.get_string_value("greeting", "?", EvaluationContext("user_1")), "Hello")
        self.assertEqual(flags.get_integer_value("columns", 0, GERMAN), 3)
        rate = flags.get_float_details("rate", 0.25, GERMAN)
        self.assertEqual((rate.value, rate.error_code), (1.0, None))
        self.assertEqual(flags.get_object_value("settings", {}, GERMAN), {"size": 3, "colour": "red"})
        self.assertEqual(flags.get_boolean_details("drawn", False, GERMAN).reason, "SPLIT")

    def test_each_error_gives_the_default(self):
        flags = client("errors")
        # A socket that listens and never answers; and one that is closed.
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            away = client("away", "http://127.0.0.1:%d" % closed.getsockname()[1])
        slow = client("slow", "http://127.0.0.1:%d" % silent.getsockname()[1], timeout=0.3)
        for code, flag, context, of in [
            ("FLAG_NOT_FOUND", "no_such_flag", GERMAN, flags),
            ("TYPE_MISMATCH", "settings", GERMAN, flags),
            ("TARGETING_KEY_MISSING", "drawn", EvaluationContext(), flags),
            ("INVALID_CONTEXT", "drawn", EvaluationContext(7.5), flags),
            ("INVALID_CONTEXT", "drawn", EvaluationContext("user_1", TOO_DEEP), flags),
            ("GENERAL", "drawn", GERMAN, slow),
            ("GENERAL", "drawn", GERMAN, away),
        ]:
            with self.subTest(code):
                details = of.get_string_details(flag, "mine", context)
                self.assertEqual((details.value, details.error_code and details.error_code.value), ("mine", code))
        self.assertEqual(flags.get_float_details("columns", 0.5, GERMAN).error_code.value, "TYPE_MISMATCH")

    def test_a_change_is_seen_live(self):
        flags = client("live")
        for enabled in [True, False]:
            save("live_python.yaml", f"flag: live_python\nenabled: {str(enabled).lower()}\n")
            end = time.monotonic() + 30
            while flags.get_boolean_value("live_python", not enabled) != enabled:
                self.assertLess(time.monotonic(), end, f"enabled: {enabled} is not seen")
                time.sleep(0.025)


if __name__ == "__main__":
    unittest.main()
