-- The first exposure of each unit: its time, variant, phase and dimension.
-- The earliest counts. Of several at one time, the one that arrived first does; then the first in the order of their variants, so that the
-- order of the lines never matters.
exposures AS (
  SELECT unit, t, variant, revision, dimension,
    row_number() OVER (
      PARTITION BY unit
      ORDER BY t, arrived, variant, revision NULLS LAST, dimension NULLS LAST
    ) AS place
  FROM archive
  WHERE kind = 'exposure' AND t <= {until}
),
exposed_units AS (
  SELECT unit, min(arrived) AS arrived,
    CASE WHEN min(variant) <> max(variant) THEN 1 ELSE 0 END AS mixed
  FROM archive
  WHERE kind = 'exposure' AND t <= {until}
  GROUP BY unit
),
exposed AS (
  SELECT e.unit, e.t, e.variant, e.dimension, u.arrived, u.mixed, {phase} AS phase
  FROM exposures e
  JOIN exposed_units u ON e.unit = u.unit
  WHERE e.place = 1
)
