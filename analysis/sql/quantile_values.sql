-- The values that quantiles are of: a row for each event, or the total of each unit that entered, 0 without events.
staged AS (
  SELECT c.metric, e.variant, c.unit, CAST(c.x_amount AS decimal(38, 6)) AS v
  FROM credited c
  JOIN exposed e ON c.unit = e.unit
  JOIN metrics m ON c.metric = m.metric
  WHERE m.y_is_unit = 0 AND c.counts = 1 AND c.x_amount IS NOT NULL AND e.mixed = 0
  UNION ALL
  SELECT m.metric, e.variant, e.unit, CAST(coalesce(t.x, CAST(0 AS decimal(38, 6))) AS decimal(38, 6)) AS v
  FROM exposed e
  CROSS JOIN metrics m
  LEFT JOIN (SELECT unit, metric, sum(x) AS x FROM totals GROUP BY unit, metric) t
    ON t.unit = e.unit AND t.metric = m.metric
  WHERE m.y_is_unit = 1 AND e.mixed = 0 AND (m.matures = 0 OR e.t + m.to_ms <= {matured_at})
)
