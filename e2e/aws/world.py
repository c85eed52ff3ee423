"""AWS in one process: ministack, and the few calls that this test makes itself."""

import base64
import gzip
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode

TARGETS = {"kinesis": "Kinesis_20131202", "firehose": "Firehose_20150804", "dynamodb": "DynamoDB_20120810"}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class World:
    """A running ministack."""

    def __init__(self, program, folder):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.log = open(os.path.join(folder, "ministack.log"), "wb")
        variables = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": folder}
        self.process = subprocess.Popen([program], env=variables, cwd=folder, stdout=self.log, stderr=self.log)
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                self.call("kinesis", "ListStreams", {})
                return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise SystemExit(f"ministack does not start: see {self.log.name}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def request(self, method, path, body, service, headers):
        # Emulators read of a signature only which service it is for.
        scope = f"local/20260101/us-east-1/{service}/aws4_request"
        signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        headers = {"Authorization": signature, "X-Amz-Date": "20260101T000000Z", **headers}
        request = urllib.request.Request(self.endpoint + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{service} {method} {path}: {error.code} {error.read().decode(errors='replace')}")

    def call(self, service, action, body):
        """A call in the JSON protocol of AWS."""
        version = "1.0" if service == "dynamodb" else "1.1"
        headers = {"X-Amz-Target": f"{TARGETS[service]}.{action}", "Content-Type": f"application/x-amz-json-{version}"}
        return json.loads(self.request("POST", "/", json.dumps(body).encode(), service, headers) or b"{}")

    def query(self, service, action, **fields):
        """A call in the query protocol of AWS."""
        body = urlencode({"Action": action, "Version": "2010-08-01", **fields}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", "/", body, service, headers)

    def put_records(self, stream, records):
        """Puts (partition key, bytes) on a stream, in their order."""
        for start in range(0, len(records), 500):
            entries = [
                {"PartitionKey": key, "Data": base64.b64encode(data).decode()}
                for key, data in records[start : start + 500]
            ]
            answer = self.call("kinesis", "PutRecords", {"StreamName": stream, "Records": entries})
            if answer["FailedRecordCount"]:
                raise SystemExit(f"PutRecords: {answer['FailedRecordCount']} records were refused")

    def partition(self, table, key):
        """All items of a partition, as plain values."""
        items, start = [], None
        while True:
            body = {"TableName": table, "KeyConditionExpression": "pk = :pk", "ConsistentRead": True}
            body["ExpressionAttributeValues"] = {":pk": {"S": key}}
            if start:
                body["ExclusiveStartKey"] = start
            answer = self.call("dynamodb", "Query", body)
            items += [{name: next(iter(it.values())) for name, it in item.items()} for item in answer["Items"]]
            start = answer.get("LastEvaluatedKey")
            if not start:
                return items

    def objects(self, bucket):
        """What is in a bucket, unpacked."""
        listed = self.request("GET", f"/{bucket}?list-type=2", None, "s3", {}).decode()
        texts = []
        for key in re.findall("<Key>([^<]*)</Key>", listed):
            data = self.request("GET", f"/{bucket}/{quote(key)}", None, "s3", {})
            texts.append(gzip.decompress(data).decode() if data[:2] == b"\x1f\x8b" else data.decode())
        return texts
