"""The whole of it over an emulated AWS: publish, assign, convert, count, compare with the truth, and operate. See `run`."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pages
from poller import Poller
from small_lambda import Function, front
from world import World

USERS, EXPERIMENT, STREAM = 5000, "checkout_redesign", "abx-events"
BUCKET, FAILURES = "abx-archive", "abx-failures"
TABLES = ["--table", "abx-catalog", "--metrics-table", "abx-metrics"]
NAMES = {"ABX_CATALOG_TABLE": "abx-catalog", "ABX_ASSIGNMENTS_TABLE": "abx-assignments"}
COUNTING = {"ABX_METRICS_TABLE": "abx-metrics", "ABX_MARKS_TABLE": "abx-marks", "ABX_ARCHIVE_STREAM": "abx-archive"}

table = []


def check(what, found, expected):
    """One line of the table, and the end of the run where it is not as expected."""
    if found != expected:
        show_table()
        sys.exit(f"{what}: {found!r} instead of {expected!r}")
    shown = json.dumps(found, default=str, sort_keys=True)
    table.append((what, shown if len(shown) <= 64 else shown[:63] + "…"))


def show_table():
    for what, value in table:
        print(f"  {what:<58} {value}")


class Abx:
    """The command, over the emulator."""

    def __init__(self, program, endpoint):
        self.program, self.endpoint = program, endpoint

    def __call__(self, *arguments, exits=0):
        arguments = [self.program, *arguments, "--format", "json"]
        ran = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
        if ran.returncode != exits:
            sys.exit(f"{' '.join(arguments)} ended with {ran.returncode}, not {exits}:\n{ran.stdout}\n{ran.stderr}")
        return json.loads(ran.stdout) if ran.stdout.strip() else ran.stderr

    def at_tables(self, *arguments, exits=0):
        return self(*arguments, *TABLES, "--endpoint", self.endpoint, exits=exits)


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


def make(world, tables):
    subprocess.run([tables, world.endpoint], check=True)
    world.call("kinesis", "CreateStream", {"StreamName": STREAM, "ShardCount": 2})
    world.request("PUT", f"/{BUCKET}", b"", "s3", {})
    to_s3 = {
        "RoleARN": "arn:aws:iam::000000000000:role/firehose",
        "BucketARN": f"arn:aws:s3:::{BUCKET}",
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 1},
        "CompressionFormat": "GZIP",
    }
    body = {"DeliveryStreamName": "abx-archive", "DeliveryStreamType": "DirectPut", "ExtendedS3DestinationConfiguration": to_s3}
    world.call("firehose", "CreateDeliveryStream", body)
    for state, name in (("ALARM", "abx-e2e-quarantine"), ("OK", "abx-e2e-errors")):
        alarm = {"AlarmName": name, "MetricName": "EventsQuarantined", "Namespace": "abx", "Statistic": "Sum", "Period": 60}
        alarm |= {"EvaluationPeriods": 1, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold"}
        world.query("monitoring", "PutMetricAlarm", **alarm)
        world.query("monitoring", "SetAlarmState", AlarmName=name, StateValue=state, StateReason="set by the test")


def assign(url, assignment):
    """Asks for every user; their variants. An environment is killed in the middle, and whoever asked it asks again."""
    kills = {USERS // 3: 0, USERS // 2: 1}

    def one(number):
        if number in kills:
            assignment.environments[kills[number]].kill()
        for _ in range(5):
            try:
                answer = get(f"{url}/assign?user_id=user_{number}&experiment_key={EXPERIMENT}")
                return answer["variant"], answer["persisted"]
            except (urllib.error.HTTPError, OSError):
                time.sleep(0.05)
        sys.exit(f"user_{number} is not answered")

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(USERS)))


def served(abx, variants):
    """`abx serve` over the same tables: it gives the variants that the function gave, also where a busy emulator has no answer within the time
    of a request, sends the same exposures, and loses none when it is told to end."""
    arguments = ["serve", "--table", "abx-catalog", "--stream", STREAM, "--endpoint", abx.endpoint, "--listen", "127.0.0.1:0", "--drain-delay", "0s"]
    server = subprocess.Popen([abx.program, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        url = "http://" + json.loads(server.stdout.readline())["address"]
        check("abx serve: ready, revision", list(get(f"{url}/ready").values())[:2], ["ready", 1])

        def one(number):
            return get(f"{url}/assign?user_id=user_{number}&experiment_key={EXPERIMENT}")["variant"]

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(one, range(500)))
        check("abx serve: variants that the function did not give", sum(a != b for a, b in zip(answers, variants)), 0)
        with urllib.request.urlopen(f"{url}/metrics", timeout=30) as metrics:
            lines = dict(line.rsplit(" ", 1) for line in metrics.read().decode().splitlines() if line[0] != "#")
        answered = 'abx_requests_total{method="GET",route="/assign",status="200"}'
        check("abx serve: its metrics", [lines[answered], lines["abx_catalog_revision"]], ["500", "1.0"])
        server.terminate()
        log, _ = server.communicate(timeout=30)
        lost = [line for line in log.splitlines() if "events_lost" in line]
        check("abx serve: exit code, events lost", [server.returncode, lost], [0, []])
    finally:
        server.kill()


def conversions(variants):
    """Events after the exposures, and what they must come to. Every tenth order comes twice, as producers repeat themselves."""
    events, truth = [], Counter()

    def put(user, event, number, **properties):
        body = {"event_id": f"{event}-{user}-{number}", "type": "conversion", "event": event, "user_id": user}
        events.append((user, json.dumps({**body, "properties": properties}).encode()))

    for number, variant in enumerate(variants):
        user = f"user_{number}"
        orders = 2 if number % 5 == 0 else 1 if number % 3 == 0 else 0
        for order in range(orders):
            euros = Decimal(number % 97) + Decimal("0.01") * (number % 10)
            put(user, "order_placed", order, total_eur=float(euros))
            truth[f"me#{variant}#order_placed"] += 1
            truth[f"ms#{variant}#revenue"] += euros
        if orders:
            truth[f"mu#{variant}#order_placed"] += 1
        if number % 11 == 0:
            put(user, "payment_failed", 0)
            truth[f"me#{variant}#payment_failed"] += 1
    events += [event for number, event in enumerate(events) if number % 10 == 0]
    for number in range(100):
        put(f"stranger_{number}", "order_placed", 0, total_eur=1000)
    return events, truth


BAD = [
    *[(b"no JSON at all, %d" % number, "not_json") for number in range(5)],
    *[(json.dumps({"type": "thought", "user_id": f"user_{number}"}).encode(), "unknown_type") for number in range(3)],
    (b"\xff\xfe\xfd", "not_utf8"),
]


def counters(world, partition):
    """The counters of a partition, summed over its rows, without those of groups."""
    sums = Counter()
    for item in world.partition("abx-metrics", partition):
        if not item["sk"].startswith("groups#"):
            for name, value in item.items():
                if name not in ("pk", "sk"):
                    sums[name] += Decimal(value)
    return sums


def converted(row):
    """The units of a variant that converted, those whose window is still open among them."""
    return row["converted"] + (row["pending_converted"] or 0)


def compare(world, abx, variants, truth, poller):
    """The counts in DynamoDB with the truth, exactly; and what `abx results` says of them."""
    counted, stream = counters(world, f"exp#{EXPERIMENT}"), counters(world, "stream")
    for variant, units in sorted(Counter(variants).items()):
        check(f"units that saw {variant}", int(counted[f"u#{variant}"]), units)
    events = [json.loads(data) for data in poller.events() if data[:1] == b"{"]
    exposures = {event["event_id"]: event["variant"] for event in events if event.get("type") == "exposure"}
    for variant, number in sorted(Counter(exposures.values()).items()):
        check(f"exposures to {variant}", int(counted[f"x#{variant}"]), number)
    for name, value in sorted(truth.items()):
        check(name, counted[name], value)
    accepted = {event["event_id"] for event in events if event.get("type") != "thought"}
    check("events that were taken", int(stream["accepted"]), len(accepted))
    check("conversions of strangers", int(stream["unattributed"]), 100)
    reasons = {name.split("#")[1]: int(value) for name, value in stream.items() if name.startswith("rejected#")}
    check("records that can never be processed", reasons, dict(Counter(reason for _, reason in BAD)))
    results = abx.at_tables("results", EXPERIMENT)
    units = {it["variant"]: it["units"] for it in results["variants"]}
    check("abx results: units", units, dict(Counter(variants)))
    orders = {it["variant"]: converted(it) for it in results["metrics"][0]["variants"]}
    expected = {it: truth[f"mu#{it}#order_placed"] for it in units}
    check("abx results: units that ordered", orders, expected)
    return len(accepted)


def archived(world, expected):
    """Waits until Firehose has written everything; the ids in the bucket are the events that were taken."""
    for _ in range(60):
        lines = [line for text in world.objects(BUCKET) for line in text.splitlines()]
        ids = {json.loads(line)["_id"] for line in lines}
        if len(ids) >= expected:
            break
        time.sleep(0.5)
    check("events in the archive", len(ids), expected)


def analyzed(abx, variants):
    """What `abx results` says of the objects that Firehose wrote, which it fetches from the bucket."""
    row = "abx results --archive s3://: units"
    arguments = [abx.program, "results", EXPERIMENT, *TABLES, "--endpoint", abx.endpoint, "--archive", f"s3://{BUCKET}/", "--format", "json"]
    ran = subprocess.run(arguments, capture_output=True, text=True)
    report = json.loads(ran.stdout)
    if report["kind"] == "error" and "built without the engine" in report["message"]:
        table.append((row, "skipped: abx was built without the feature `archive`"))
        return
    if ran.returncode not in (0, 1):
        sys.exit(f"{' '.join(arguments)} ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}")
    check(row, {it["variant"]: it["units"] for it in report["variants"]}, dict(Counter(variants)))
    check("abx results --archive s3://: lines that are no events", report["archive"]["bad"], [])
    wrong = subprocess.run([*arguments[:-3], f"s3://{BUCKET}-none/"], capture_output=True, text=True)
    check("abx results --archive s3://: no such bucket", [wrong.returncode, "it does not exist there" in wrong.stderr], [2, True])


def operate(abx, url, variants):
    """What an operator types, over the functions and the tables."""
    asked = abx("invoke", "assignment", "--unit", "user_7", "--experiment", EXPERIMENT, "--endpoint", url)
    check("abx invoke: status and variant", [asked["status"], asked["answer"]["variant"]], [200, variants[7]])
    check("abx invoke: it knows the bill", asked["platform"]["billed_ms"] > 0, True)
    flag = abx("invoke", "flags", "--unit", "u", "--flag", "new_navigation", "--endpoint", url, "--tail-log")
    check("abx invoke: a flag", [flag["answer"]["value"], flag["log"][0][:5]], [True, "START"])
    abx("invoke", "flags", "--unit", "u", "--flag", "none", "--endpoint", url, exits=1)
    abx("invoke", "no-such-function", "--endpoint", url, exits=2)
    abx("invoke", "events", "--payload", '{"no": "batch"}', "--endpoint", url, exits=1)
    payload = '{"user_id": "{unit}", "flag_key": "new_navigation"}'
    limits = ["--rate", "20", "--duration", "5s", "--p50", "10s", "--p99", "20s"]
    bench = abx("bench", "flags", "--endpoint", url, "--payload", payload, "--tail-log", *limits)
    check("abx bench: answered, failed", [bench["answered"], bench["failures"]], [100, {}])
    status = abx.at_tables("status", "--stream", STREAM, "--alarm-prefix", "abx-e2e", exits=1)
    told = {part: status[part]["told"] for part in ("head", "drift", "shards", "alarms", "quarantine")}
    check("abx status: revision, drift", [told["head"]["revision"], len(told["drift"]["documents"])], [1, 0])
    check("abx status: shards, behind", [it["behind"]["told"] for it in told["shards"]], [0.0, 0.0])
    check("abx status: alarms", [it["name"] for it in told["alarms"]], ["abx-e2e-quarantine"])
    expected = dict(Counter(reason for _, reason in BAD), no_position=1)
    check("abx status: quarantine", told["quarantine"]["reasons"], expected)


def take_care(world, abx, truth):
    """The quarantine: what lies there, and what becomes of it."""
    listed = abx.at_tables("quarantine", "list")
    check("abx quarantine list", len(listed["records"]), len(BAD) + 1)
    first = next(it for it in listed["records"] if it["reason"] == "not_json")
    shown = abx.at_tables("quarantine", "show", first["id"])
    check("abx quarantine show", shown["text"].startswith("no JSON at all"), True)
    abx.at_tables("quarantine", "show", "no/such:1", exits=2)
    redrive = ["redrive", "--quarantine", "--archive-stream", "abx-archive"]
    plan = abx.at_tables(*redrive, exits=1)
    check("abx redrive --quarantine: planned", [plan["records"], plan["redriven"]], [len(BAD) + 1, False])
    done = abx.at_tables(*redrive, "--yes", exits=1)
    check("abx redrive --quarantine --yes", [sum(done["refused"].values()), done["counted"]], [len(BAD), 1])
    again = abx.at_tables(*redrive, "--yes", exits=1)
    check("the same again", [again["records"], sum(again["refused"].values())], [len(BAD), len(BAD)])
    variant, name = truth["lost"], "me#{}#order_placed"
    counted = counters(world, f"exp#{EXPERIMENT}")
    check("it is counted once", counted[name.format(variant)], truth[name.format(variant)] + 1)


def story(programs, world, functions):
    """From an empty account to the end."""
    make(world, programs["tables"])
    abx = Abx(programs["abx"], world.endpoint)
    published = abx("publish", "experiments", "--yes", "--table", "abx-catalog", "--endpoint", world.endpoint)
    check("abx publish: revision", published["published"], 1)
    variables = {"ABX_ENDPOINT_URL": world.endpoint, **NAMES, "ABX_EVENT_STREAM": STREAM}
    sync = {**variables, "ABX_EXPOSURES": "sync"}
    functions["assignment"] = Function("assignment", programs["assignment"], sync, 2)
    functions["flags"] = Function("flags", programs["flags"], sync)
    functions["events"] = Function("events", programs["events"], {**variables, **COUNTING})
    mapping = {"UUID": "0a1b2c3d", "State": "Enabled", "LastProcessingResult": "OK"}
    mapping["EventSourceArn"] = f"arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"
    url = front(functions, [mapping])

    assigned = assign(url, functions["assignment"])
    variants = [variant for variant, _ in assigned]
    check("users that were assigned, with two processes killed", len(variants), USERS)
    served(abx, variants)
    waiting = abx.at_tables("status", "--stream", STREAM, "--max-lag", "1ms", exits=1)["shards"]["told"]
    check("abx status: shards where records wait", [it["behind"]["told"] > 0 for it in waiting], [True, True])
    poller = Poller(world, STREAM, functions["events"])
    # Batches, by their number, that are cut off by a kill, and those whose answer is lost.
    trouble = {3: "kill", 9: "forget", 20: "kill", 45: "forget", 60: "kill"}
    poller.drain(trouble.get)
    events, truth = conversions(variants)
    bad = [(f"bad_{number}", data) for number, (data, _) in enumerate(BAD)]
    world.put_records(STREAM, events[:2000] + bad + events[2000:])
    poller.drain(trouble.get)
    starts = {name: [it.starts for it in function.environments] for name, function in functions.items()}
    check("processes that were started", starts, {"assignment": [2, 2], "flags": [1], "events": [4]})
    check("batches that came again although they were counted", poller.forgotten, 2)
    lose_one(poller)
    taken = compare(world, abx, variants, truth, poller)
    archived(world, taken)
    analyzed(abx, variants)
    operate(abx, url, variants)
    truth["lost"] = variants[15]
    take_care(world, abx, truth)
    captured = os.path.join(programs["folder"], "captured.json")
    report = abx("capture", captured, "--stream", STREAM, "--endpoint", world.endpoint)
    check("abx capture: records that are no events", report["left_out"], len(BAD))
    # The flags that were asked since are on the stream as well.
    check("abx capture: it has all others", report["records"] >= len(poller.events()) - len(BAD), True)
    known = {"ID": abx.at_tables("quarantine", "list")["records"][0]["id"], "UUID": mapping["UUID"], "FAILURES": FAILURES, "N": "1", "URL": url}
    give_up(world, mapping["UUID"])
    redriven = given_up(world, abx, poller, mapping["UUID"], variants)
    deployed(pages.run(programs, world.endpoint, url, known, table), mapping)
    counted = counters(world, f"exp#{EXPERIMENT}")
    check("orders, with those that Lambda gave up", {name: int(counted[name]) for name in redriven}, redriven)
    if programs["cookie_cats"]:
        cookie_cats(abx, url, programs["cookie_cats"])


def cookie_cats(abx, url, file):
    """The players of the Cookie Cats test, delivered as on a bad day; the totals are those that are known of it."""
    columns = ["--unit", "userid", "--exposure", "cookie_cats_gate=version", "--conversion", "retention_1@1d"]
    columns += ["--conversion", "retention_7@7d", "--value", "gamerounds.rounds=sum_gamerounds@13d"]
    faults = ["--faults", "duplicate,reorder,bisect", "--seed", "7"]
    replayed = abx("replay", file, "--to", "events", "--yes", "--endpoint", url, *columns, *faults)
    table.append(("abx replay: records, seconds", f"{replayed['records']}, {replayed['seconds']:.0f}"))
    results = abx.at_tables("results", "cookie_cats_gate")
    units = {it["variant"]: it["units"] for it in results["variants"]}
    check("Cookie Cats: players", units, {"gate_30": 44700, "gate_40": 45489})
    for metric, expected in (("retention_1", [20034, 20119]), ("retention_7", [8502, 8279])):
        rows = next(it for it in results["metrics"] if it["metric"] == metric)["variants"]
        check(f"Cookie Cats: {metric}", [converted(it) for it in rows], expected)


def give_up(world, uuid):
    """What CloudWatch counts when Lambda gives three records up."""
    dimension = {"MetricData.member.1.Dimensions.member.1.Name": "EventSourceMappingUUID"}
    dimension["MetricData.member.1.Dimensions.member.1.Value"] = uuid
    metric = {"MetricData.member.1.MetricName": "OnFailureDestinationDeliveredEventCount", "MetricData.member.1.Value": 3}
    world.query("monitoring", "PutMetricData", Namespace="AWS/Lambda", **metric, **dimension)


def deployed(status, mapping):
    """What `abx status` says of mapping, given up records and archive."""
    told = {part: status[part]["told"] for part in ("mappings", "given_up", "archive")}
    check("abx status: the mapping", [[it["uuid"], it["state"]] for it in told["mappings"]], [[mapping["UUID"], "Enabled"]])
    given_up = [told["given_up"][it] for it in ("kept", "dropped", "failed_deliveries")]
    check("abx status: records that Lambda gave up", given_up, [3, 0, 0])
    check("abx status: the archive", told["archive"]["state"], "ACTIVE")


def given_up(world, abx, poller, uuid, variants):
    """Orders whose batches Lambda gives up: how many, and the count that they must come to once they are redriven."""
    world.request("PUT", f"/{FAILURES}", b"", "s3", {})
    orders = [number for number in range(200, 260)]
    events = []
    for number in orders:
        body = {"event_id": f"given-up-{number}", "type": "conversion", "event": "order_placed", "user_id": f"user_{number}"}
        events.append((f"user_{number}", json.dumps({**body, "properties": {"total_eur": 1}}).encode()))
    before = counters(world, f"exp#{EXPERIMENT}")
    world.put_records(STREAM, events)
    for shard in poller.shards():
        while found := poller.give_up(shard, uuid):
            world.request("PUT", f"/{FAILURES}/{found[0]}", found[1], "s3", {})
    # The heads pass what was given up.
    later = json.dumps({"type": "conversion", "event": "order_placed", "user_id": "stranger_0"}).encode()
    world.put_records(STREAM, [(f"later_{number}", later) for number in range(20)])
    poller.drain()
    added = Counter(variants[number] for number in orders)
    return {f"me#{it}#order_placed": int(before[f"me#{it}#order_placed"]) + added[it] for it in sorted(added)}


def lose_one(poller):
    """A record that Lambda hands over without its place: it cannot be counted exactly, and is kept."""
    event = {"event_id": "late-order", "type": "conversion", "event": "order_placed", "user_id": "user_15"}
    data = json.dumps({**event, "properties": {"total_eur": 1}}).encode()
    written = {"PartitionKey": "user_15", "SequenceNumber": "", "ApproximateArrivalTimestamp": time.time()}
    record = poller.record("", {**written, "Data": base64.b64encode(data).decode()})
    del record["eventID"]
    check("a record without its place is kept, not given back", poller.invoke({"Records": [record]}, None), [])


def main():
    programs = dict(argument.split("=", 1) for argument in sys.argv[1:])
    start, world, functions = time.monotonic(), World(programs["ministack"], programs["folder"]), {}
    try:
        story(programs, world, functions)
    finally:
        for function in functions.values():
            function.stop()
        world.stop()
    show_table()
    print(f"all of {len(table)} are as they should be, after {time.monotonic() - start:.0f} s")


main()
