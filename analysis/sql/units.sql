-- The units of each metric on the day on which they enter it; metric -1 is the exposure itself.
SELECT e.phase, e.variant, m.metric,
  CASE WHEN m.matures = 1 THEN e.t + m.to_ms - (e.t + m.to_ms) % 86400000 ELSE e.t - e.t % 86400000 END AS day,
  e.dimension, e.mixed, count(*) AS units
FROM exposed e
CROSS JOIN metrics m
WHERE m.matures = 0 OR e.t + m.to_ms <= {matured_at}
GROUP BY e.phase, e.variant, m.metric,
  CASE WHEN m.matures = 1 THEN e.t + m.to_ms - (e.t + m.to_ms) % 86400000 ELSE e.t - e.t % 86400000 END,
  e.dimension, e.mixed
