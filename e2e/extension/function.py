# A function in Python, as its runtime would run it: it takes invocations from the Runtime API, and asks the extension for a decision.
import json
import os
from urllib.request import Request, urlopen

RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
ABX = f"http://localhost:{os.environ.get('ABX_EXTENSION_PORT', '2772')}"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def ask(path: str, question: dict) -> dict:
    headers = {"content-type": "application/json", "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    with urlopen(Request(ABX + path, json.dumps(question).encode(), headers), timeout=5) as answer:
        return json.load(answer)


# In the init, before any invocation.
ask("/assign", {"user_id": "init", "experiment_key": "e", "peek": True})

while True:
    with urlopen(f"{RUNTIME}/next") as invocation:
        request_id = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(invocation)
    decision = ask("/assign", {"user_id": event["user_id"], "experiment_key": "e"})
    flag = ask("/flags/f", {"user_id": event["user_id"]})
    told = {key: decision[key] for key in ("user_id", "variant", "revision")}
    answer = json.dumps(told | {"flag": flag["value"]}).encode()
    urlopen(Request(f"{RUNTIME}/{request_id}/response", answer)).close()
