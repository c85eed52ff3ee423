-- The lines of each partition, by type, and the latest arrival and event.
SELECT day, kind, sum(lines) AS lines, max(arrived) AS arrived, max(t) AS t
FROM lines
GROUP BY day, kind
