-- Each quantile with its standard error in ranks, and the order statistics that bound its interval.
-- The units are the clusters: the share of values up to the quantile is a ratio of two totals per unit, and has the variance of one
-- (Deng, Knoblich and Lu, 2018: Applying the Delta Method in Metric Analytics, section 4).
WITH ranked AS (
  SELECT metric, variant, unit, v,
    row_number() OVER (PARTITION BY metric, variant ORDER BY v) AS place,
    count(*) OVER (PARTITION BY metric, variant) AS n
  FROM staged
),
fractions (metric, millionths, z) AS (
  VALUES {fractions}
),
estimates AS (
  SELECT r.metric, r.variant, r.v, r.n, f.millionths, f.z
  FROM ranked r
  JOIN fractions f ON r.metric = f.metric
  WHERE r.place * 1000000 >= r.n * f.millionths AND (r.place - 1) * 1000000 < r.n * f.millionths
),
clusters AS (
  SELECT s.metric, s.variant, count(*) AS n,
    sum(CASE WHEN s.v <= e.v THEN 1 ELSE 0 END) AS below
  FROM staged s
  JOIN estimates e ON s.metric = e.metric AND s.variant = e.variant
  GROUP BY s.metric, s.variant, s.unit
),
spreads AS (
  SELECT metric, variant, count(*) AS units, CAST(sum(n) AS double) AS n, CAST(sum(below) AS double) AS below,
    CAST(sum(n * n) AS double) AS nn, CAST(sum(below * below) AS double) AS bb, CAST(sum(n * below) AS double) AS nb
  FROM clusters
  GROUP BY metric, variant
),
errors AS (
  SELECT metric, variant, units,
    CASE WHEN units > 1 THEN sqrt(abs(bb - 2e0 * (below / n) * nb + (below / n) * (below / n) * nn)
      * CAST(units AS double) / CAST(units - 1 AS double)) / n END AS error
  FROM spreads
),
bounds AS (
  SELECT e.metric, e.variant, e.v, e.n, d.units, d.error,
    floor(CAST(e.n AS double) * (CAST(e.millionths AS double) / 1e6 - e.z * d.error)) AS low,
    ceil(CAST(e.n AS double) * (CAST(e.millionths AS double) / 1e6 + e.z * d.error)) AS high
  FROM estimates e
  JOIN errors d ON e.metric = d.metric AND e.variant = d.variant
)
SELECT b.metric, b.variant, b.n, b.units, b.v AS estimate, b.error,
  min(CASE WHEN r.place >= b.low THEN r.v END) AS low,
  coalesce(min(CASE WHEN r.place >= b.high THEN r.v END), CASE WHEN b.high IS NOT NULL THEN max(r.v) END) AS high
FROM bounds b
JOIN ranked r ON r.metric = b.metric AND r.variant = b.variant
GROUP BY b.metric, b.variant, b.n, b.units, b.v, b.error, b.high
