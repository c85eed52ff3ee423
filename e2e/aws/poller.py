"""What stands between a stream and the event function: batches of each shard, in order, and again what is given back.

This is the project's own, because ministack's mapping does not treat partial failures as AWS does.
"""

import base64
import json
import threading
import time
from uuid import uuid4

STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/"


class Poller:
    def __init__(self, world, stream, function, batch_size=100):
        self.world, self.stream, self.function, self.batch_size = world, stream, function, batch_size
        self.batches, self.forgotten = 0, 0
        # The records that came, by shard, in their order.
        self.records = {}
        self.at = {}

    def shards(self):
        answer = self.world.call("kinesis", "ListShards", {"StreamName": self.stream})
        return sorted(shard["ShardId"] for shard in answer["Shards"])

    def drain(self, on_batch=None):
        """Delivers until nothing waits."""
        for shard in self.shards():
            while self.deliver(shard, on_batch):
                pass

    def deliver(self, shard, on_batch):
        """Delivers the next batch of a shard until it is counted; whether there was one."""
        records = self.next_records(shard)
        known = self.records.setdefault(shard, [])
        known += records
        while records:
            self.batches += 1
            event = {"Records": [self.record(shard, record) for record in records]}
            failures = self.invoke(event, on_batch)
            if not failures:
                return True
            first = failures[0]["itemIdentifier"]
            # From the first that failed on; an id that is not in the batch would be all of it.
            place = next((i for i, it in enumerate(records) if it["SequenceNumber"].lstrip("0") == first), 0)
            records = records[place:]
        return False

    def give_up(self, shard, uuid):
        """Lets Lambda give up the next batch of a shard: the process is killed while it counts, so that it leaves marks behind. The object
        that Lambda would put into the bucket of failures, with its key; None without records."""
        records = self.next_records(shard)
        if not records:
            return None
        event = {"Records": [self.record(shard, record) for record in records]}
        self.invoke(event, lambda _: "kill")
        now = time.gmtime()
        numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
        about = {
            "requestContext": {
                "requestId": str(uuid4()),
                "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:abx-events:live",
                "condition": "RecordAgeExceeded",
                "approximateInvokeCount": 1,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", now),
            "KinesisBatchInfo": {
                "shardId": shard,
                "startSequenceNumber": numbers[0],
                "endSequenceNumber": numbers[-1],
                "approximateArrivalOfFirstRecord": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", now),
                "approximateArrivalOfLastRecord": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", now),
                "batchSize": len(numbers),
                "streamArn": STREAM_ARN + self.stream,
            },
            "payload": json.dumps(event),
        }
        key = time.strftime(f"aws/lambda/{uuid}/{shard}/%Y/%m/%d/%Y-%m-%dT%H.%M.%S-{uuid4()}", now)
        return key, json.dumps(about).encode()

    def invoke(self, event, on_batch):
        """Calls the function; which records it gives back, or all of them if it fails."""
        payload = json.dumps(event).encode()
        what = on_batch(self.batches) if on_batch else None
        if what == "kill":
            environment = self.function.environments[0]
            # While it works: the answer of DynamoDB to its first call takes about so long.
            threading.Timer(0.015, environment.kill).start()
        invocation, _ = self.function.invoke(payload)
        if invocation.error is None and what != "forget":
            return json.loads(invocation.answer)["batchItemFailures"]
        # It failed, or its answer is lost on the way: the whole batch comes again.
        self.forgotten += what == "forget"
        return [{"itemIdentifier": event["Records"][0]["kinesis"]["sequenceNumber"]}]

    def next_records(self, shard):
        body = {"StreamName": self.stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        if shard in self.at:
            body.update(ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=self.at[shard])
        iterator = self.world.call("kinesis", "GetShardIterator", body)["ShardIterator"]
        answer = self.world.call("kinesis", "GetRecords", {"ShardIterator": iterator, "Limit": self.batch_size})
        if answer["Records"]:
            self.at[shard] = answer["Records"][-1]["SequenceNumber"]
        return answer["Records"]

    def record(self, shard, record):
        """A record as Lambda writes it. Numbers of Kinesis never begin with a zero, and those of the emulator do."""
        number = record["SequenceNumber"].lstrip("0")
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": number,
                "data": record["Data"],
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{number}",
            "eventName": "aws:kinesis:record",
            "awsRegion": "us-east-1",
            "eventSourceARN": STREAM_ARN + self.stream,
        }

    def events(self):
        """All records that came, as bytes."""
        return [base64.b64decode(record["Data"]) for records in self.records.values() for record in records]
