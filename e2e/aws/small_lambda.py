"""A small Lambda: real bootstraps under the Runtime API and the Extensions API, called by Invoke or by HTTP.

An environment runs one invocation at a time, as Lambda's do, and is free again once its extension is done. One that ends is started
anew, and the invocation that it had ends in an error of the function.
"""

import base64
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
PATIENCE = 20.0


class Ended(Exception):
    """The process ended while it worked."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A process that was killed leaves its connections open; everything else is told."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """What all servers here share."""

    protocol_version = "HTTP/1.1"
    # An answer in two packets would wait for the acknowledgement of the first.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(handler, **attributes):
    """Serves on a free port; its address."""
    server = Server(("127.0.0.1", 0), type("Bound", (handler,), attributes))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_address[1]}"


class Invocation:
    def __init__(self, payload):
        self.id, self.payload = str(uuid.uuid4()), payload
        self.answered = threading.Event()
        self.answer, self.error = None, None

    def finish(self, answer=None, error=None):
        self.answer, self.error = answer, error
        self.answered.set()


class Environment:
    """A process of a function, and its two APIs."""

    def __init__(self, name, program, variables):
        self.name, self.program = name, program
        self.work, self.extension_work = queue.Queue(), queue.Queue()
        self.current, self.has_extension = None, False
        self.idle = threading.Event()
        self.log, self.init_ms = [], None
        address = serve(RuntimeApi, environment=self)
        self.variables = {
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            **variables,
        }
        self.process, self.stopping, self.starts = None, False, 0
        self.start()

    def start(self):
        self.work, self.extension_work = queue.Queue(), queue.Queue()
        self.has_extension = False
        self.idle.clear()
        self.started, self.starts, self.is_fresh = time.monotonic(), self.starts + 1, True
        self.process = subprocess.Popen(
            [self.program], env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self.follow, args=(self.process,), daemon=True).start()

    def follow(self, process):
        """Keeps what the process writes, and starts another one when it ends."""
        for line in process.stdout:
            self.log.append(line.decode(errors="replace").rstrip("\n"))
        process.wait()
        if self.stopping:
            return
        lost, self.current = self.current, None
        if self.starts > 20:
            raise SystemExit(f"{self.name} ends again and again:\n" + "\n".join(self.log[-20:]))
        self.start()
        if lost:
            lost.finish(error={"errorType": "Runtime.ExitError", "errorMessage": "the process ended"})

    def invoke(self, payload):
        """Runs an invocation; it, and the lines that were written meanwhile."""
        invocation, first = Invocation(payload), len(self.log)
        if not self.idle.wait(PATIENCE):
            raise SystemExit(f"{self.name} does not ask for work:\n" + "\n".join(self.log[-20:]))
        self.idle.clear()
        init, self.init_ms = self.init_ms, None
        self.current = invocation
        begun = time.monotonic()
        if self.has_extension:
            self.extension_work.put(invocation.id)
        self.work.put(invocation)
        if not invocation.answered.wait(PATIENCE):
            invocation.finish(error={"errorType": "Sandbox.Timedout", "errorMessage": "no answer in time"})
        took = (time.monotonic() - begun) * 1000
        return invocation, self.tail(invocation.id, took, init, first)

    def tail(self, request_id, took, init, first):
        lines = [f"START RequestId: {request_id} Version: $LATEST", *self.log[first:]]
        report = f"REPORT RequestId: {request_id}\tDuration: {took:.2f} ms\tBilled Duration: {int(took) + 1} ms"
        report += f"\tMemory Size: 256 MB\tMax Memory Used: {self.memory()} MB"
        if init is not None:
            report += f"\tInit Duration: {init:.2f} ms"
        return "\n".join([*lines, f"END RequestId: {request_id}", report]) + "\n"

    def memory(self):
        """The most that the process had, in MB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            peak = next((line for line in status if line.startswith("VmHWM:")), "VmHWM: 0")
        return int(peak.split()[1]) // 1024

    def kill(self):
        """As a machine that breaks: nothing of the process runs on."""
        self.process.kill()

    def stop(self):
        self.stopping = True
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


class RuntimeApi(Handler):
    environment = None

    def do_GET(self):
        here = self.environment
        if self.path == "/2018-06-01/runtime/invocation/next":
            if here.is_fresh:
                here.init_ms, here.is_fresh = (time.monotonic() - here.started) * 1000, False
            work = here.work
            if not here.has_extension:
                here.idle.set()
            invocation = work.get()
            deadline = str(int((time.time() + PATIENCE) * 1000))
            headers = [
                ("Lambda-Runtime-Aws-Request-Id", invocation.id),
                ("Lambda-Runtime-Deadline-Ms", deadline),
                ("Lambda-Runtime-Invoked-Function-Arn", ARN + here.name),
            ]
            self.answer(200, invocation.payload, headers)
        elif self.path == "/2020-01-01/extension/event/next":
            work = here.extension_work
            here.idle.set()
            request_id = work.get()
            event = {"eventType": "INVOKE", "deadlineMs": int((time.time() + PATIENCE) * 1000), "requestId": request_id}
            event["invokedFunctionArn"] = ARN + here.name
            event["tracing"] = {"type": "X-Amzn-Trace-Id", "value": "Root=1"}
            self.answer(200, json.dumps(event).encode())
        else:
            self.answer(404)

    def do_POST(self):
        here, body = self.environment, self.body()
        if self.path == "/2020-01-01/extension/register":
            here.has_extension = True
            told = {"functionName": here.name, "functionVersion": "$LATEST", "handler": "bootstrap"}
            self.answer(200, json.dumps(told).encode(), [("Lambda-Extension-Identifier", "extension-1")])
            return
        invocation, is_error = here.current, self.path.endswith("/error")
        if invocation and invocation.id in self.path:
            here.current = None
            if is_error:
                invocation.finish(error=json.loads(body or b"{}"))
            else:
                invocation.finish(answer=body)
        self.answer(202)


class Function:
    """A function with so many environments."""

    def __init__(self, name, program, variables, count=1):
        self.name = name
        self.environments = [Environment(name, program, variables) for _ in range(count)]
        self.free = queue.Queue()
        for environment in self.environments:
            self.free.put(environment)

    def invoke(self, payload):
        environment = self.free.get(timeout=PATIENCE)
        try:
            return environment.invoke(payload)
        finally:
            self.free.put(environment)

    def stop(self):
        for environment in self.environments:
            environment.stop()


class Front(Handler):
    """The Invoke API, and an HTTP API in front of the functions."""

    functions = {}
    # The mappings of every function, as Lambda lists them.
    mappings = []

    def do_GET(self):
        if urlsplit(self.path).path.rstrip("/") == "/2015-03-31/event-source-mappings":
            self.answer(200, json.dumps({"EventSourceMappings": self.mappings}).encode())
        else:
            self.by_http(b"")

    def do_POST(self):
        body, path = self.body(), urlsplit(self.path).path
        if path.startswith("/2015-03-31/functions/"):
            self.by_invoke(unquote(path.split("/")[3]), body)
        else:
            self.by_http(body)

    def by_invoke(self, name, payload):
        # A stage names its functions `abx-STAGE-flags`, and this world has one stage without a name.
        function = self.functions.get(name.split("function:")[-1].split(":")[0].removeprefix("abx-"))
        if not function:
            told = json.dumps({"Message": f"Function not found: {ARN}{name}", "Type": "User"}).encode()
            return self.answer(404, told, [("x-amzn-errortype", "ResourceNotFoundException")])
        if self.headers.get("x-amz-invocation-type") == "DryRun":
            return self.answer(204)
        invocation, log = function.invoke(payload or b"{}")
        headers = [("x-amzn-requestid", invocation.id), ("X-Amz-Executed-Version", "$LATEST")]
        if self.headers.get("x-amz-log-type") == "Tail":
            headers.append(("X-Amz-Log-Result", base64.b64encode(log.encode()[-4096:]).decode()))
        if invocation.error is not None:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
            return self.answer(200, json.dumps(invocation.error).encode(), headers)
        return self.answer(200, invocation.answer, headers)

    def by_http(self, body):
        url = urlsplit(self.path)
        name = "assignment" if url.path.startswith("/assign") else "flags"
        event = {
            "version": "2.0",
            "rawPath": url.path,
            "rawQueryString": url.query,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "requestContext": {"stage": "$default", "http": {"method": self.command}},
            "isBase64Encoded": False,
            "body": body.decode(),
        }
        invocation, _ = self.functions[name].invoke(json.dumps(event).encode())
        if invocation.error is not None:
            return self.answer(502, json.dumps(invocation.error).encode())
        envelope = json.loads(invocation.answer)
        headers = [(key, value) for key, value in envelope.get("headers", {}).items() if key != "content-length"]
        return self.answer(envelope["statusCode"], (envelope.get("body") or "").encode(), headers)


def front(functions, mappings=()):
    """Serves functions by their names; the address."""
    return "http://" + serve(Front, functions=functions, mappings=list(mappings))
