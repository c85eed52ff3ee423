-- The numerator of each unit that entered a metric, 0 without events.
staged AS (
  SELECT m.metric, CAST(coalesce(sum(t.x), CAST(0 AS decimal(38, 6))) AS decimal(38, 6)) AS x
  FROM exposed e
  CROSS JOIN metrics m
  LEFT JOIN totals t ON t.unit = e.unit AND t.metric = m.metric
  WHERE m.matures = 0 OR e.t + m.to_ms <= {matured_at}
  GROUP BY e.unit, m.metric
)
