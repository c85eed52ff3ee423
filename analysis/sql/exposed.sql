-- The first exposure of each unit: its time, variant, phase and dimension.
-- Of several at one time the first variant in their order counts, so that the order of the lines never matters. Groups and a join do it,
-- because a window has a part for each unit, which costs the embedded engine several times as much.
firsts AS (
  SELECT unit, min(t) AS t, min(arrived) AS arrived,
    CASE WHEN min(variant) <> max(variant) THEN 1 ELSE 0 END AS mixed
  FROM archive
  WHERE kind = 'exposure' AND t <= {until}
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
  SELECT e.unit, e.t, e.variant, e.dimension, e.arrived, e.mixed, {phase} AS phase
  FROM exposures e
)
