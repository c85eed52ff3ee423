WITH archive AS (
  SELECT kind,
    CASE WHEN event_id <> '' THEN
      concat('id:', CAST(length(unit) AS varchar), ':', unit, ':', kind, ':',
        CAST(length(about) AS varchar), ':', about, ':', CAST(length(sender) AS varchar), ':', sender, ':', event_id)
      ELSE concat('line:', CAST(length(unit) AS varchar), ':', unit, ':', line) END AS identity,
    unit, t, arrived, event, variant, revision, dimension,
    CASE WHEN abs(TRY_CAST(a0 AS double)) <= 1e15 THEN CASE WHEN regexp_like(a0, '^-?[0-9]+(\.[0-9]{1,6})?$') THEN TRY_CAST(a0 AS decimal(22, 6)) ELSE CAST(CAST(truncate(TRY_CAST(a0 AS double)) AS decimal(22, 6)) + CAST(CAST(round((TRY_CAST(a0 AS double) - truncate(TRY_CAST(a0 AS double))) * 1e6) AS bigint) AS decimal(19, 0)) * CAST('0.000001' AS decimal(7, 6)) AS decimal(22, 6)) END END AS p0,
    CASE WHEN abs(TRY_CAST(a1 AS double)) <= 1e15 THEN CASE WHEN regexp_like(a1, '^-?[0-9]+(\.[0-9]{1,6})?$') THEN TRY_CAST(a1 AS decimal(22, 6)) ELSE CAST(CAST(truncate(TRY_CAST(a1 AS double)) AS decimal(22, 6)) + CAST(CAST(round((TRY_CAST(a1 AS double) - truncate(TRY_CAST(a1 AS double))) * 1e6) AS bigint) AS decimal(19, 0)) * CAST('0.000001' AS decimal(7, 6)) AS decimal(22, 6)) END END AS p1,
    CASE WHEN abs(TRY_CAST(a2 AS double)) <= 1e15 THEN CASE WHEN regexp_like(a2, '^-?[0-9]+(\.[0-9]{1,6})?$') THEN TRY_CAST(a2 AS decimal(22, 6)) ELSE CAST(CAST(truncate(TRY_CAST(a2 AS double)) AS decimal(22, 6)) + CAST(CAST(round((TRY_CAST(a2 AS double) - truncate(TRY_CAST(a2 AS double))) * 1e6) AS bigint) AS decimal(19, 0)) * CAST('0.000001' AS decimal(7, 6)) AS decimal(22, 6)) END END AS p2
  FROM (
    SELECT id AS line, type AS kind, coalesce(event, experiment) AS about, unit AS sender,
      CASE WHEN substr(json_format(json_extract(sent, '$["event_id"]')), 1, 1) = '"' OR (regexp_like(json_extract_scalar(sent, '$["event_id"]'), '^-?[0-9]+$') AND json_extract_scalar(sent, '$["event_id"]') <> '-0') THEN json_extract_scalar(sent, '$["event_id"]') WHEN abs(TRY_CAST(json_extract_scalar(sent, '$["event_id"]') AS double)) <= 9007199254740992e0 AND TRY_CAST(json_extract_scalar(sent, '$["event_id"]') AS double) = floor(TRY_CAST(json_extract_scalar(sent, '$["event_id"]') AS double)) THEN CAST(CAST(TRY_CAST(json_extract_scalar(sent, '$["event_id"]') AS double) AS bigint) AS varchar) END AS event_id,
      CASE WHEN type = 'exposure' THEN unit ELSE coalesce(CASE WHEN substr(json_format(json_extract(sent, '$["context"]["account"]["id"]')), 1, 1) = '"' OR (regexp_like(json_extract_scalar(sent, '$["context"]["account"]["id"]'), '^-?[0-9]+$') AND json_extract_scalar(sent, '$["context"]["account"]["id"]') <> '-0') THEN json_extract_scalar(sent, '$["context"]["account"]["id"]') WHEN abs(TRY_CAST(json_extract_scalar(sent, '$["context"]["account"]["id"]') AS double)) <= 9007199254740992e0 AND TRY_CAST(json_extract_scalar(sent, '$["context"]["account"]["id"]') AS double) = floor(TRY_CAST(json_extract_scalar(sent, '$["context"]["account"]["id"]') AS double)) THEN CAST(CAST(TRY_CAST(json_extract_scalar(sent, '$["context"]["account"]["id"]') AS double) AS bigint) AS varchar) END, CASE WHEN substr(json_format(json_extract(sent, '$["context"]["account.id"]')), 1, 1) = '"' OR (regexp_like(json_extract_scalar(sent, '$["context"]["account.id"]'), '^-?[0-9]+$') AND json_extract_scalar(sent, '$["context"]["account.id"]') <> '-0') THEN json_extract_scalar(sent, '$["context"]["account.id"]') WHEN abs(TRY_CAST(json_extract_scalar(sent, '$["context"]["account.id"]') AS double)) <= 9007199254740992e0 AND TRY_CAST(json_extract_scalar(sent, '$["context"]["account.id"]') AS double) = floor(TRY_CAST(json_extract_scalar(sent, '$["context"]["account.id"]') AS double)) THEN CAST(CAST(TRY_CAST(json_extract_scalar(sent, '$["context"]["account.id"]') AS double) AS bigint) AS varchar) END) END AS unit,
      coalesce((CAST(to_unixtime(from_iso8601_timestamp(concat(substr("timestamp", 1, 19), 'Z'))) AS bigint) * 1000 + CASE WHEN substr("timestamp", 20, 1) = '.' THEN CAST(rpad(replace(substr("timestamp", 21), 'Z', ''), 3, '0') AS bigint) ELSE 0 END), (CAST(to_unixtime(from_iso8601_timestamp(concat(substr(arrived_at, 1, 19), 'Z'))) AS bigint) * 1000 + CASE WHEN substr(arrived_at, 20, 1) = '.' THEN CAST(rpad(replace(substr(arrived_at, 21), 'Z', ''), 3, '0') AS bigint) ELSE 0 END)) AS t,
      (CAST(to_unixtime(from_iso8601_timestamp(concat(substr(arrived_at, 1, 19), 'Z'))) AS bigint) * 1000 + CASE WHEN substr(arrived_at, 20, 1) = '.' THEN CAST(rpad(replace(substr(arrived_at, 21), 'Z', ''), 3, '0') AS bigint) ELSE 0 END) AS arrived,
      CASE event WHEN 'purchase' THEN 0 WHEN 'o''clock''; DROP TABLE events; --' THEN 1 WHEN 'view {until}' THEN 2 WHEN 'request' THEN 3 END AS event,
      variant,
      CASE WHEN type = 'exposure' THEN TRY_CAST(CASE WHEN NOT substr(json_format(json_extract(sent, '$["revision"]')), 1, 1) = '"' THEN json_extract_scalar(sent, '$["revision"]') END AS bigint) END AS revision,
      CASE WHEN type = 'exposure' THEN json_extract_scalar(sent, '$["dimensions"]["app.\"platform\\''"]') END AS dimension,
      CASE WHEN type = 'conversion' THEN CASE WHEN NOT substr(json_format(json_extract(sent, '$["properties"]["amount"]')), 1, 1) = '"' THEN json_extract_scalar(sent, '$["properties"]["amount"]') END END AS a0,
      CASE WHEN type = 'conversion' THEN CASE WHEN NOT substr(json_format(json_extract(sent, '$["properties"]["it''s \"quoted\" \\ {steps}"]')), 1, 1) = '"' THEN json_extract_scalar(sent, '$["properties"]["it''s \"quoted\" \\ {steps}"]') END END AS a1,
      CASE WHEN type = 'conversion' THEN CASE WHEN NOT substr(json_format(json_extract(sent, '$["properties"]["ms"]')), 1, 1) = '"' THEN json_extract_scalar(sent, '$["properties"]["ms"]') END END AS a2
    FROM events
    WHERE day BETWEEN '2026-02-15' AND '2026-03-11' AND (type = 'exposure' AND experiment = 'checkout''--' AND coalesce(TRY_CAST(json_extract_scalar(sent, '$["epoch"]') AS bigint), 1) = 2 OR type = 'conversion' AND event IN ('purchase', 'o''clock''; DROP TABLE events; --', 'view {until}', 'request'))
  ) a
  WHERE unit IS NOT NULL AND trim(unit) <> '' AND t IS NOT NULL
),
firsts AS (
  SELECT unit, min(t) AS t, min(arrived) AS arrived,
    CASE WHEN min(variant) <> max(variant) THEN 1 ELSE 0 END AS mixed
  FROM archive
  WHERE kind = 'exposure' AND t <= 1773100800000
  GROUP BY unit
),
exposures AS (
  SELECT f.unit, f.t, f.arrived, f.mixed,
    min(a.variant) AS variant, min(a.revision) AS revision, min(a.dimension) AS dimension
  FROM firsts f
  JOIN archive a ON a.unit = f.unit AND a.t = f.t
  WHERE a.kind = 'exposure'
  GROUP BY f.unit, f.t, f.arrived, f.mixed
),
exposed AS (
  SELECT e.unit, e.t, e.variant, e.dimension, e.arrived, e.mixed, CASE WHEN CASE WHEN e.revision IS NULL THEN e.t >= 1772496000000 ELSE e.revision >= 7 END THEN 1 ELSE 0 END AS phase
  FROM exposures e
),
occurrences AS (
  SELECT min(unit) AS unit, min(event) AS event, min(t) AS t, min(arrived) AS arrived,
    min(CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) + coalesce(CAST(p0 * CAST('1000000' AS decimal(7, 0)) AS decimal(22, 0)) + CAST('1000000000000000000000' AS decimal(22, 0)), CAST('9000000000000000000000' AS decimal(22, 0)))) AS k0,
    min(CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) + coalesce(CAST(p1 * CAST('1000000' AS decimal(7, 0)) AS decimal(22, 0)) + CAST('1000000000000000000000' AS decimal(22, 0)), CAST('9000000000000000000000' AS decimal(22, 0)))) AS k1,
    min(CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) + coalesce(CAST(p2 * CAST('1000000' AS decimal(7, 0)) AS decimal(22, 0)) + CAST('1000000000000000000000' AS decimal(22, 0)), CAST('9000000000000000000000' AS decimal(22, 0)))) AS k2
  FROM archive
  WHERE kind = 'conversion' AND t <= 1773100800000
  GROUP BY identity
),
conversions AS (
  SELECT unit, event, t, arrived,
    CASE WHEN CAST(k0 - CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) AS decimal(23, 0)) < CAST('9000000000000000000000' AS decimal(22, 0)) THEN CAST((CAST(k0 - CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) AS decimal(23, 0)) - CAST('1000000000000000000000' AS decimal(22, 0))) * CAST('0.000001' AS decimal(7, 6)) AS decimal(22, 6)) END AS p0,
    CASE WHEN CAST(k1 - CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) AS decimal(23, 0)) < CAST('9000000000000000000000' AS decimal(22, 0)) THEN CAST((CAST(k1 - CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) AS decimal(23, 0)) - CAST('1000000000000000000000' AS decimal(22, 0))) * CAST('0.000001' AS decimal(7, 6)) AS decimal(22, 6)) END AS p1,
    CASE WHEN CAST(k2 - CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) AS decimal(23, 0)) < CAST('9000000000000000000000' AS decimal(22, 0)) THEN CAST((CAST(k2 - CAST(t AS decimal(15, 0)) * CAST('10000000000000000000000' AS decimal(23, 0)) AS decimal(23, 0)) - CAST('1000000000000000000000' AS decimal(22, 0))) * CAST('0.000001' AS decimal(7, 6)) AS decimal(22, 6)) END AS p2
  FROM occurrences
),
steps (metric, event, x_measure, x_property, y_measure, y_property, from_ms, to_ms, matures, covariate_ms) AS (
  VALUES (1, 0, 3, 0, 0, -1, 0, 4000000000000000, 0, 1209600000)
),
credited AS (
  SELECT c.unit, s.metric, e.t AS exposed_at, c.t, s.to_ms, s.matures, s.x_measure, s.y_measure,
    CASE WHEN c.t >= e.t + s.from_ms AND c.t <= e.t + s.to_ms
      AND (s.matures = 0 OR e.t + s.to_ms <= 1773100800000) THEN 1 ELSE 0 END AS counts,
    CASE WHEN c.t < e.t AND c.t >= e.t - s.covariate_ms
      AND (s.matures = 0 OR e.t + s.to_ms <= 1773100800000) THEN 1 ELSE 0 END AS before,
    CASE WHEN c.t >= e.t + s.from_ms AND c.t <= e.t + s.to_ms AND c.arrived < e.arrived
      THEN 1 ELSE 0 END AS overtook,
    CASE s.x_property WHEN 0 THEN c.p0 WHEN 1 THEN c.p1 WHEN 2 THEN c.p2 END AS x_amount,
    CASE s.y_property WHEN 0 THEN c.p0 WHEN 1 THEN c.p1 WHEN 2 THEN c.p2 END AS y_amount
  FROM conversions c
  JOIN exposed e ON c.unit = e.unit
  JOIN steps s ON c.event = s.event
),
totals AS (
  SELECT unit, metric, day,
    coalesce(sum(x), CAST(0 AS decimal(38, 6))) AS x,
    coalesce(sum(y), CAST(0 AS decimal(38, 6))) AS y,
    coalesce(sum(c), CAST(0 AS decimal(38, 6))) AS c,
    sum(unusable) AS unusable, sum(early) AS early, sum(overtook) AS overtook
  FROM (
    SELECT unit, metric, overtook,
      CASE
        WHEN matures = 1 THEN exposed_at + to_ms - (exposed_at + to_ms) % 86400000
        WHEN counts = 1 THEN t - t % 86400000
        ELSE exposed_at - exposed_at % 86400000
      END AS day,
      CASE WHEN counts = 1 THEN
        CASE WHEN x_measure IN (1, 2) OR (x_measure = 4 AND x_amount IS NOT NULL)
          THEN CAST(1 AS decimal(22, 6)) WHEN x_measure = 3 THEN x_amount END
      END AS x,
      CASE WHEN counts = 1 THEN
        CASE WHEN y_measure IN (1, 2) OR (y_measure = 4 AND y_amount IS NOT NULL)
          THEN CAST(1 AS decimal(22, 6)) WHEN y_measure = 3 THEN y_amount END
      END AS y,
      CASE WHEN before = 1 THEN
        CASE WHEN x_measure IN (1, 2) OR (x_measure = 4 AND x_amount IS NOT NULL)
          THEN CAST(1 AS decimal(22, 6)) WHEN x_measure = 3 THEN x_amount END
      END AS c,
      CASE WHEN counts = 1
        AND ((x_measure = 3 AND x_amount IS NULL) OR (y_measure = 3 AND y_amount IS NULL))
        THEN 1 ELSE 0 END AS unusable,
      CASE WHEN t < exposed_at THEN 1 ELSE 0 END AS early
    FROM credited
    WHERE counts = 1 OR overtook = 1 OR t < exposed_at
  ) v
  GROUP BY unit, metric, day
),
metrics (metric, x_once, y_once, y_is_unit, cap, matures, to_ms) AS (
  VALUES (1, 0, 0, 1, CAST(NULL AS decimal(38, 6)), 0, 4000000000000000)
),
staged AS (
  SELECT m.metric, CAST(coalesce(sum(t.x), CAST(0 AS decimal(38, 6))) AS decimal(38, 6)) AS x
  FROM exposed e
  CROSS JOIN metrics m
  LEFT JOIN totals t ON t.unit = e.unit AND t.metric = m.metric
  WHERE m.matures = 0 OR e.t + m.to_ms <= 1773100800000
  GROUP BY e.unit, m.metric
)
SELECT r.metric, r.x AS cap
FROM (
  SELECT metric, x, row_number() OVER (PARTITION BY metric ORDER BY x) AS place,
    count(*) OVER (PARTITION BY metric) AS n
  FROM staged
) r
JOIN (VALUES (1, 990000)) f (metric, millionths) ON r.metric = f.metric
WHERE r.place * 1000000 >= r.n * f.millionths AND (r.place - 1) * 1000000 < r.n * f.millionths
