"""Runs the texts that Athena gets in another engine, over the same archive, and compares the rows with those of DataFusion.

    e2e/statistics/run

Athena itself runs nowhere but in AWS. So each text is parsed in Athena's dialect by sqlglot, which refuses what is no SQL of it, translated
for DuckDB, and run over the lines of the archive as the table `events`. Every row has to be the same, digit by digit. The archive has
duplicates, late and early events, hostile names, units of another attribute, and amounts of every form that a double holds. (Objects as
dimensions are left out: Athena's `json_extract_scalar` gives NULL for them, and DuckDB's counterpart their text.)
"""

import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import sqlglot

ROOT = pathlib.Path(__file__).resolve().parents[2]
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
EVENTS = ["purchase", "view it's", "other"]
AMOUNTS = [1, 2.5, -3, 0.000001, 0.1234565, 1e3, 123456.654321, 0, "5", None, True, [1], 1e16, 12.3456789]
# The columns by which rows of parts are added up; the others are sums, but for two latest times.
KEYS = {"day", "kind", "metric", "phase", "variant", "dimension", "mixed"}
LATEST = {"arrived", "t"}
STAGED = {"the percentiles of caps", "the quantiles"}


def moment(time):
    text = time.strftime("%Y-%m-%dT%H:%M:%S")
    if time.microsecond:
        text += f".{time.microsecond:06d}".rstrip("0")
    return text + "Z"


def lines(chance, by_account):
    """Lines of an archive: the fields of the Glue table, with what was sent."""
    made = []
    for number in range(3000):
        arrived = START + timedelta(seconds=chance.randrange(10 * 86400), milliseconds=chance.choice([0, 0, 1, 500, 999]))
        sent_at = arrived - timedelta(seconds=chance.choice([0, 1, 3600, 86400]), microseconds=chance.choice([0, 250, 999999]))
        user, account = f"u{chance.randrange(300)}", chance.randrange(200)
        sent = {}
        if chance.random() < 0.5:
            sent["event_id"] = chance.choice([number % 50, str(number % 50), float(number % 50), f"id-{number % 70}", ""])
        line = {"_id": f"events/shard-{number % 4}:{number}", "arrived_at": moment(arrived)}
        if chance.random() < 0.3:
            variant = chance.choice(["control", "redesign", "third"] if chance.random() < 0.1 else ["control" if account % 2 else "redesign"])
            unit = str(account) if by_account else user
            line |= {"type": "exposure", "unit": unit, "experiment": chance.choice(["checkout"] * 9 + ["other"]), "variant": variant}
            sent |= {"type": "exposure", "unit": unit, "experiment": line["experiment"], "variant": variant}
            if chance.random() < 0.8:
                sent |= {"epoch": chance.choice([1, 1, 1, 2]), "revision": chance.choice([3, 7, 9, "x"])}
            if chance.random() < 0.8:
                sent["dimensions"] = {"app.platform": chance.choice(["ios", "it's", 7, True, None])}
        else:
            event = chance.choice(EVENTS)
            line |= {"type": "conversion", "unit": user, "event": event}
            sent |= {"type": "conversion", "user_id": user, "event": event}
            if chance.random() < 0.9:
                sent["properties"] = {"amount": chance.choice(AMOUNTS), "a \"b\"": chance.randrange(9)}
            if chance.random() < 0.9:
                sent["context"] = chance.choice([{"account": {"id": account}}, {"account": {"id": str(account)}},
                                                 {"account.id": float(account)}, {"account": {"id": " "}}, {"account": 7}])
        if chance.random() < 0.8:
            line["timestamp"] = sent["timestamp"] = moment(sent_at)
        line["sent"] = sent
        made.append(line)
        if chance.random() < 0.1:
            made.append(line)
    chance.shuffle(made)
    return made


def write(folder, made):
    days = defaultdict(list)
    for line in made:
        days[line["arrived_at"][:10]].append(json.dumps(line, separators=(",", ":"), ensure_ascii=False))
    for at, (day, texts) in enumerate(sorted(days.items())):
        partition = folder / f"day={day}"
        partition.mkdir(parents=True)
        data = ("\n".join(texts) + "\n").encode()
        (partition / "part").write_bytes(gzip.compress(data) if at % 2 else data)


def question(by_account):
    total = {"event": "purchase", "measure": "sum", "property": "amount"}
    hour = 3_600_000
    return {
        "experiment": "checkout", "unit": "account.id" if by_account else None, "dimension": "app.platform",
        "phases": [{"from_revision": 7, "from_time": "2026-03-04T00:00:00Z"}], "first_day": "2026-03-01",
        "metrics": [
            {"key": "conversion", "numerator": {"event": "purchase", "measure": "once"}, "to_ms": 72 * hour},
            {"key": "views", "numerator": {"event": EVENTS[1], "measure": "count"}, "covariate_ms": 48 * hour},
            {"key": "revenue", "numerator": total, "cap": 1000.5, "covariate_ms": 100 * hour},
            {"key": "capped", "numerator": total, "cap_percentile": 0.9, "from_ms": hour},
            {"key": "mean", "numerator": total, "denominator": {"event": "purchase", "measure": "count_usable", "property": "amount"}},
            {"key": "ratio", "numerator": {"event": EVENTS[1], "measure": "sum", "property": "a \"b\""},
             "denominator": {"event": "purchase", "measure": "once"}},
        ],
        "quantiles": [
            {"key": "of_events", "event": "purchase", "property": "amount", "q": 0.5, "per": "events"},
            {"key": "of_units", "event": "purchase", "property": "amount", "q": 0.9, "per": "units", "to_ms": 48 * hour},
        ],
    }


def same_rows(columns, rows, name):
    """Rows as a dictionary: one value for each key, whatever parts it came in, and whatever zeros a decimal ends with."""
    found = defaultdict(dict)
    for row in rows:
        named = dict(zip(columns, row))
        keys = tuple(str(named[column]) for column in columns if column in KEYS)
        for column, value in named.items():
            if column in KEYS or value is None:
                continue
            value = Decimal(str(value))
            known = found[keys].get(column)
            if known is not None and column != "size":
                value = max(known, value) if column in LATEST else known + value
            # A sum of doubles, which only says that nothing overflowed, and a root: all but the last digits.
            if column in ("size", "error"):
                value = round(value, 6) if column == "error" else Decimal(0)
            found[keys][column] = value.normalize() + 0
    return dict(found)


def run(seed, by_account):
    chance = random.Random(seed)
    made = lines(chance, by_account)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write(folder / "archive", made)
        (folder / "question.json").write_text(json.dumps(question(by_account)))
        command = os.environ.get("ABX_CELLS", "").split() or [
            "cargo", "run", "-q", "-p", "abx-analysis", "--features", "datafusion", "--example", "cells", "--"]
        printed = subprocess.run([*command, folder / "archive", folder / "question.json"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
        answer = json.loads(printed.stdout)
    assert answer["bad_lines"] == 0, answer["bad"]
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    columns = ["id", "arrived_at", "type", "unit", "event", "experiment", "flag", "variant", "timestamp", "sent", "day"]
    connection.execute("CREATE TABLE events (" + ", ".join(f'"{column}" VARCHAR' for column in columns) + ")")
    rows = [[line["_id"] if column == "id" else line["arrived_at"][:10] if column == "day"
             else json.dumps(line["sent"], separators=(",", ":")) if column == "sent" else line.get(column) for column in columns]
            for line in made]
    connection.executemany(f"INSERT INTO events VALUES ({', '.join('?' * len(columns))})", rows)
    compared = 0
    for statement in answer["statements"]:
        texts = sqlglot.transpile(statement["sql"], read="athena", write="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
        assert len(texts) == 1, "one statement became several"
        try:
            result = connection.execute(texts[0])
        except duckdb.Error:
            print(texts[0], file=sys.stderr)
            raise
        found = same_rows([it[0] for it in result.description], result.fetchall(), statement["name"])
        expected = same_rows(statement["columns"] or [], statement["rows"] or [], statement["name"])
        if found != expected:
            differing = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
            for key in sorted(differing)[:5]:
                print(statement["name"], key, "\n  DuckDB    ", found.get(key), "\n  DataFusion", expected.get(key), file=sys.stderr)
            sys.exit(f"{statement['name']}: {len(differing)} of {len(found)} rows differ")
        assert expected, f"{statement['name']} has no rows, so nothing was compared"
        compared += len(expected)
    return compared


if __name__ == "__main__":
    total = sum(run(seed, by_account) for seed in range(int(os.environ.get("ABX_SEEDS", "2"))) for by_account in (False, True))
    print(f"athena: {total} rows are the same in DuckDB, by Athena's text, and in DataFusion")
