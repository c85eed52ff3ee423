WITH lines AS (
  SELECT day, type AS kind, count(*) AS lines, max((CAST(to_unixtime(from_iso8601_timestamp(concat(substr(arrived_at, 1, 19), 'Z'))) AS bigint) * 1000 + CASE WHEN substr(arrived_at, 20, 1) = '.' THEN CAST(rpad(replace(substr(arrived_at, 21), 'Z', ''), 3, '0') AS bigint) ELSE 0 END)) AS arrived, max(coalesce((CAST(to_unixtime(from_iso8601_timestamp(concat(substr("timestamp", 1, 19), 'Z'))) AS bigint) * 1000 + CASE WHEN substr("timestamp", 20, 1) = '.' THEN CAST(rpad(replace(substr("timestamp", 21), 'Z', ''), 3, '0') AS bigint) ELSE 0 END), (CAST(to_unixtime(from_iso8601_timestamp(concat(substr(arrived_at, 1, 19), 'Z'))) AS bigint) * 1000 + CASE WHEN substr(arrived_at, 20, 1) = '.' THEN CAST(rpad(replace(substr(arrived_at, 21), 'Z', ''), 3, '0') AS bigint) ELSE 0 END))) AS t
  FROM events
  WHERE day BETWEEN '2026-02-15' AND '2026-03-11'
  GROUP BY day, type
)
SELECT day, kind, sum(lines) AS lines, max(arrived) AS arrived, max(t) AS t
FROM lines
GROUP BY day, kind
