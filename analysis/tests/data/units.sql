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
metrics (metric, x_once, y_once, y_is_unit, cap, matures, to_ms) AS (
  VALUES (0, 1, 0, 1, CAST(NULL AS decimal(38, 6)), 1, 604800000), (1, 0, 0, 1, CAST(NULL AS decimal(38, 6)), 0, 4000000000000000), (2, 0, 0, 0, CAST(NULL AS decimal(38, 6)), 0, 4000000000000000), (3, 0, 0, 0, CAST(NULL AS decimal(38, 6)), 0, 4000000000000000), (-1, 0, 0, 1, CAST(NULL AS decimal(38, 6)), 0, 0)
)
SELECT e.phase, e.variant, m.metric,
  CASE WHEN m.matures = 1 THEN e.t + m.to_ms - (e.t + m.to_ms) % 86400000 ELSE e.t - e.t % 86400000 END AS day,
  e.dimension, e.mixed, count(*) AS units
FROM exposed e
CROSS JOIN metrics m
WHERE m.matures = 0 OR e.t + m.to_ms <= 1773100800000
GROUP BY e.phase, e.variant, m.metric,
  CASE WHEN m.matures = 1 THEN e.t + m.to_ms - (e.t + m.to_ms) % 86400000 ELSE e.t - e.t % 86400000 END,
  e.dimension, e.mixed
