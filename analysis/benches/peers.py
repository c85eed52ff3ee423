"""Answers the question of `benches/archive.rs` with DuckDB and Polars, from the same files.

    pip install duckdb polars
    python analysis/benches/peers.py FOLDER duckdb
    python analysis/benches/peers.py FOLDER polars

Each prints seconds, peak memory and the totals, which are those of `cargo bench ... -- time FOLDER`. The queries are written for their
engines: duplicates by event id, first exposures, windows, caps, covariates, and changes of sums by day.
"""

import resource
import sys
import time

folder, engine = sys.argv[1:3]
pattern = f"{folder}/day=*/*.jsonl"
DAY = 86_400_000
start = time.monotonic()

if engine == "duckdb":
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET memory_limit = '8GB'; SET preserve_insertion_order = false")
    connection.execute(f"""
        CREATE TEMP TABLE archive AS
        SELECT type AS kind, unit, event, variant, sent.event_id AS event_id,
          epoch_ms(coalesce(timestamp, arrived_at)::TIMESTAMP) AS t, epoch_ms(arrived_at::TIMESTAMP) AS arrived,
          sent.dimensions.platform AS platform, sent.properties.amount AS amount
        FROM read_json('{pattern}', format = 'newline_delimited', columns = {{
          type: 'VARCHAR', unit: 'VARCHAR', event: 'VARCHAR', experiment: 'VARCHAR', variant: 'VARCHAR',
          timestamp: 'VARCHAR', arrived_at: 'VARCHAR',
          sent: 'STRUCT(event_id VARCHAR, dimensions STRUCT(platform VARCHAR), properties STRUCT(amount DECIMAL(18, 6)))'}})
        WHERE (type = 'exposure' AND experiment = 'checkout') OR (type = 'conversion' AND event IN ('purchase', 'view'))
    """)
    print(f"read in {time.monotonic() - start:.2f} s")
    rows = connection.execute(f"""
        WITH exposed AS (
          SELECT unit, min(t) AS t, arg_min(variant, t) AS variant, arg_min(platform, t) AS platform,
            min(variant) <> max(variant) AS mixed, max(max(arrived)) OVER () AS latest
          FROM archive WHERE kind = 'exposure' GROUP BY unit),
        occurrences AS (
          SELECT unit, event, event_id, min(t) AS t, arg_min(amount, t) AS amount
          FROM archive WHERE kind = 'conversion' GROUP BY unit, event, event_id),
        values_ AS (
          SELECT e.unit, m.metric, CASE WHEN m.metric = 4 THEN e.t + 3 * {DAY} - (e.t + 3 * {DAY}) % {DAY}
              WHEN c.t >= e.t THEN c.t - c.t % {DAY} ELSE e.t - e.t % {DAY} END AS day,
            sum(CASE WHEN c.t < e.t THEN 0 WHEN m.metric IN (0, 1) THEN 1
              WHEN m.metric IN (2, 3, 4) AND c.event = 'purchase' THEN c.amount ELSE 0 END)::DECIMAL(19, 6) AS x,
            sum(CASE WHEN c.t < e.t THEN 0 WHEN m.metric = 3 THEN 1
              WHEN m.metric = 4 AND c.event = 'view' THEN 1 ELSE 0 END)::DECIMAL(19, 6) AS y,
            sum(CASE WHEN m.metric = 2 AND c.t < e.t AND c.t >= e.t - 7 * {DAY} THEN c.amount ELSE 0 END)::DECIMAL(19, 6) AS c
          FROM occurrences c JOIN exposed e USING (unit)
          JOIN (VALUES (0, 'purchase'), (1, 'view'), (2, 'purchase'), (3, 'purchase'), (4, 'purchase'), (4, 'view')) m (metric, event)
            ON m.event = c.event
          WHERE CASE m.metric WHEN 4 THEN c.t BETWEEN e.t AND e.t + 3 * {DAY} AND e.t + 3 * {DAY} <= e.latest
            WHEN 2 THEN c.t >= e.t - 7 * {DAY} ELSE c.t >= e.t END
          GROUP BY ALL),
        running AS (
          SELECT unit, metric, day, sum(x) OVER w AS x1, sum(x) OVER w - x AS x0, sum(y) OVER w AS y1, sum(y) OVER w - y AS y0,
            sum(c) OVER w AS c1, sum(c) OVER w - c AS c0
          FROM values_ WINDOW w AS (PARTITION BY unit, metric ORDER BY day ROWS UNBOUNDED PRECEDING)),
        capped AS (
          SELECT unit, metric, day,
            CASE metric WHEN 0 THEN least(x1, 1) WHEN 2 THEN least(x1, 25000) ELSE x1 END::DECIMAL(19, 6) AS x1,
            CASE metric WHEN 0 THEN least(x0, 1) WHEN 2 THEN least(x0, 25000) ELSE x0 END::DECIMAL(19, 6) AS x0,
            y1::DECIMAL(19, 6) AS y1, y0::DECIMAL(19, 6) AS y0,
            least(c1, 25000)::DECIMAL(19, 6) AS c1, least(c0, 25000)::DECIMAL(19, 6) AS c0
          FROM running)
        SELECT c.metric, e.variant, e.platform, e.mixed, c.day, sum(x1 - x0) AS x, sum(y1 - y0) AS y, sum(c1 - c0) AS c,
          sum(x1 * x1 - x0 * x0) AS xx, sum(y1 * y1 - y0 * y0) AS yy, sum(c1 * c1 - c0 * c0) AS cc,
          sum(x1 * y1 - x0 * y0) AS xy, sum(x1 * c1 - x0 * c0) AS xc, sum(y1 * c1 - y0 * c0) AS yc
        FROM capped c JOIN exposed e USING (unit) GROUP BY ALL
    """).fetchall()
    totals = {}
    for metric, variant, platform, _, _, x, *_ in rows:
        key = (metric, platform, variant)
        totals[key] = totals.get(key, 0) + x
elif engine == "polars":
    import polars as pl

    text = pl.String
    lines = pl.scan_ndjson(pattern, schema={
        "type": text, "unit": text, "event": text, "experiment": text, "variant": text, "timestamp": text, "arrived_at": text,
        "sent": pl.Struct({"event_id": text, "dimensions": pl.Struct({"platform": text}), "properties": pl.Struct({"amount": pl.Float64})}),
    })
    ms = lambda column: pl.col(column).str.to_datetime("%+", time_unit="ms", time_zone="UTC").dt.timestamp("ms")
    archive = lines.filter(
        ((pl.col("type") == "exposure") & (pl.col("experiment") == "checkout"))
        | ((pl.col("type") == "conversion") & pl.col("event").is_in(["purchase", "view"]))
    ).select(
        "type", "unit", "event", "variant", pl.col("sent").struct.field("event_id"), ms("timestamp").alias("t"), ms("arrived_at").alias("arrived"),
        pl.col("sent").struct.field("dimensions").struct.field("platform"), pl.col("sent").struct.field("properties").struct.field("amount"),
    ).collect(engine="streaming").lazy()
    print(f"read in {time.monotonic() - start:.2f} s")
    exposed = archive.filter(pl.col("type") == "exposure").sort("t").group_by("unit").agg(
        pl.col("t").first().alias("t0"), pl.col("variant").first(), pl.col("platform").first(), (pl.col("variant").n_unique() > 1).alias("mixed"))
    latest = archive.filter(pl.col("type") == "exposure").select(pl.col("arrived").max()).collect().item()
    conversions = archive.filter(pl.col("type") == "conversion").group_by("unit", "event", "event_id").agg(
        pl.col("t").min(), pl.col("amount").first())
    steps = pl.LazyFrame({"metric": [0, 1, 2, 3, 4, 4], "event": ["purchase", "view", "purchase", "purchase", "purchase", "view"]})
    joined = conversions.join(exposed.select("unit", "t0"), on="unit").join(steps, on="event")
    after, end = pl.col("t") >= pl.col("t0"), pl.col("t0") + 3 * DAY
    metric, purchase = pl.col("metric"), pl.col("event") == "purchase"
    keep = pl.when(metric == 4).then(after & (pl.col("t") <= end) & (end <= latest)).when(metric == 2).then(
        pl.col("t") >= pl.col("t0") - 7 * DAY).otherwise(after)
    midnight = lambda expression: expression - expression % DAY
    values = joined.filter(keep).with_columns(
        pl.when(metric == 4).then(midnight(end)).when(after).then(midnight(pl.col("t"))).otherwise(midnight(pl.col("t0"))).alias("day"),
        pl.when(~after).then(0.0).when(metric <= 1).then(1.0).when(purchase).then(pl.col("amount")).otherwise(0.0).alias("x"),
        pl.when(~after).then(0.0).when((metric == 3) | ((metric == 4) & ~purchase)).then(1.0).otherwise(0.0).alias("y"),
        pl.when((metric == 2) & ~after).then(pl.col("amount")).otherwise(0.0).alias("c"),
    ).group_by("unit", "metric", "day").agg(pl.col("x", "y", "c").sum()).sort("unit", "metric", "day")
    over = lambda name: pl.col(name).cum_sum().over("unit", "metric").alias(f"{name}1")
    running = values.with_columns(over("x"), over("y"), over("c")).with_columns(
        *[(pl.col(f"{name}1") - pl.col(name)).alias(f"{name}0") for name in "xyc"])
    cap = lambda name: pl.when(metric == 0).then(pl.min_horizontal(name, 1.0)).when(metric == 2).then(
        pl.min_horizontal(name, 25000.0)).otherwise(pl.col(name)).alias(name)
    change = lambda a, b: (pl.col(f"{a}1") * pl.col(f"{b}1") - pl.col(f"{a}0") * pl.col(f"{b}0")).sum().alias(a + b)
    cells = running.with_columns(*[cap(f"{name}{at}") for name in "xc" for at in "10"]).join(
        exposed.select("unit", "variant", "platform", "mixed"), on="unit").group_by("metric", "variant", "platform", "mixed", "day").agg(
        *[(pl.col(f"{name}1") - pl.col(f"{name}0")).sum().alias(name) for name in "xyc"],
        *[change(a, b) for a, b in ("xx", "yy", "cc", "xy", "xc", "yc")]).collect(engine="streaming")
    totals = {}
    for row in cells.group_by("metric", "platform", "variant").agg(pl.col("x").sum()).iter_rows():
        totals[row[:3]] = row[3]
else:
    sys.exit("usage: peers.py FOLDER duckdb|polars")

usage = resource.getrusage(resource.RUSAGE_SELF)
print(f"answered in {time.monotonic() - start:.2f} s, busy {usage.ru_utime + usage.ru_stime:.2f} s, peak {usage.ru_maxrss // 1024} MiB")
for key in sorted(totals):
    print(*key, totals[key])
