-- The sums of all units, and of the squares and products of their totals: by how much each day changes them.
-- The square of a running total changes by the square after the day minus that before it.
SELECT phase, variant, metric, day, dimension, mixed,
  sum(x1 - x0) AS x, sum(y1 - y0) AS y, sum(c1 - c0) AS c,
  sum(x1 * x1 - x0 * x0) AS xx, sum(y1 * y1 - y0 * y0) AS yy, sum(c1 * c1 - c0 * c0) AS cc,
  sum(x1 * y1 - x0 * y0) AS xy, sum(x1 * c1 - x0 * c0) AS xc, sum(y1 * c1 - y0 * c0) AS yc,
  sum(unusable) AS unusable, sum(early) AS early, sum(overtook) AS overtook,
  sum(CASE WHEN x1 IS NULL OR x0 IS NULL OR y1 IS NULL OR y0 IS NULL OR c1 IS NULL OR c0 IS NULL
    THEN 1 ELSE 0 END) AS too_large,
  sum(CAST(x1 AS double) * CAST(x1 AS double) + CAST(x0 AS double) * CAST(x0 AS double)
    + CAST(y1 AS double) * CAST(y1 AS double) + CAST(y0 AS double) * CAST(y0 AS double)
    + CAST(c1 AS double) * CAST(c1 AS double) + CAST(c0 AS double) * CAST(c0 AS double)) AS size
FROM (
  SELECT e.phase, e.variant, e.dimension, e.mixed, r.metric, r.day, r.unusable, r.early, r.overtook,
    TRY_CAST(CASE WHEN m.x_once = 1 THEN CAST(CASE WHEN r.x1 > 0 THEN 1 ELSE 0 END AS decimal(38, 6))
      WHEN r.x1 > m.cap THEN m.cap ELSE r.x1 END AS decimal(19, 6)) AS x1,
    TRY_CAST(CASE WHEN m.x_once = 1 THEN CAST(CASE WHEN r.x1 - r.x > 0 THEN 1 ELSE 0 END AS decimal(38, 6))
      WHEN r.x1 - r.x > m.cap THEN m.cap ELSE r.x1 - r.x END AS decimal(19, 6)) AS x0,
    TRY_CAST(CASE WHEN m.y_is_unit = 1 THEN CAST(1 AS decimal(38, 6))
      WHEN m.y_once = 1 THEN CAST(CASE WHEN r.y1 > 0 THEN 1 ELSE 0 END AS decimal(38, 6))
      ELSE r.y1 END AS decimal(19, 6)) AS y1,
    TRY_CAST(CASE WHEN m.y_is_unit = 1 THEN CAST(1 AS decimal(38, 6))
      WHEN m.y_once = 1 THEN CAST(CASE WHEN r.y1 - r.y > 0 THEN 1 ELSE 0 END AS decimal(38, 6))
      ELSE r.y1 - r.y END AS decimal(19, 6)) AS y0,
    TRY_CAST(CASE WHEN m.x_once = 1 THEN CAST(CASE WHEN r.c1 > 0 THEN 1 ELSE 0 END AS decimal(38, 6))
      WHEN r.c1 > m.cap THEN m.cap ELSE r.c1 END AS decimal(19, 6)) AS c1,
    TRY_CAST(CASE WHEN m.x_once = 1 THEN CAST(CASE WHEN r.c1 - r.c > 0 THEN 1 ELSE 0 END AS decimal(38, 6))
      WHEN r.c1 - r.c > m.cap THEN m.cap ELSE r.c1 - r.c END AS decimal(19, 6)) AS c0
  FROM (
    SELECT unit, metric, day, x, y, c, unusable, early, overtook,
      sum(x) OVER (PARTITION BY unit, metric ORDER BY day ROWS UNBOUNDED PRECEDING) AS x1,
      sum(y) OVER (PARTITION BY unit, metric ORDER BY day ROWS UNBOUNDED PRECEDING) AS y1,
      sum(c) OVER (PARTITION BY unit, metric ORDER BY day ROWS UNBOUNDED PRECEDING) AS c1
    FROM totals
  ) r
  JOIN exposed e ON r.unit = e.unit
  JOIN metrics m ON r.metric = m.metric
) s
GROUP BY phase, variant, metric, day, dimension, mixed
