-- The order statistic at a fraction, in millionths, of the totals of all units.
SELECT r.metric, r.x AS cap
FROM (
  SELECT metric, x, row_number() OVER (PARTITION BY metric ORDER BY x) AS place,
    count(*) OVER (PARTITION BY metric) AS n
  FROM staged
) r
JOIN (VALUES {fractions}) f (metric, millionths) ON r.metric = f.metric
WHERE r.place * 1000000 >= r.n * f.millionths AND (r.place - 1) * 1000000 < r.n * f.millionths
