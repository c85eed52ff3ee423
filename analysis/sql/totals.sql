-- What each unit adds to each metric on each day.
-- A metric with the end of a window (`matures`) takes all of a unit on the day on which its window ends; any other takes an event on
-- its own day, and the covariate on the day of the exposure.
totals AS (
  SELECT unit, metric, day,
    coalesce(sum(x), CAST(0 AS decimal(38, 6))) AS x,
    coalesce(sum(y), CAST(0 AS decimal(38, 6))) AS y,
    coalesce(sum(c), CAST(0 AS decimal(38, 6))) AS c,
    sum(unusable) AS unusable, sum(early) AS early, sum(overtook) AS overtook
  FROM (
    SELECT unit, metric, overtook,
      CASE
        WHEN matures = 1 THEN exposed_at + to_ms - (exposed_at + to_ms) % 86400000
        WHEN counts = 1 THEN t - t % 86400000
        ELSE exposed_at - exposed_at % 86400000
      END AS day,
      CASE WHEN counts = 1 THEN
        CASE WHEN x_measure IN (1, 2) OR (x_measure = 4 AND x_amount IS NOT NULL)
          THEN CAST(1 AS decimal(22, 6)) WHEN x_measure = 3 THEN x_amount END
      END AS x,
      CASE WHEN counts = 1 THEN
        CASE WHEN y_measure IN (1, 2) OR (y_measure = 4 AND y_amount IS NOT NULL)
          THEN CAST(1 AS decimal(22, 6)) WHEN y_measure = 3 THEN y_amount END
      END AS y,
      CASE WHEN before = 1 THEN
        CASE WHEN x_measure IN (1, 2) OR (x_measure = 4 AND x_amount IS NOT NULL)
          THEN CAST(1 AS decimal(22, 6)) WHEN x_measure = 3 THEN x_amount END
      END AS c,
      CASE WHEN counts = 1
        AND ((x_measure = 3 AND x_amount IS NULL) OR (y_measure = 3 AND y_amount IS NULL))
        THEN 1 ELSE 0 END AS unusable,
      CASE WHEN t < exposed_at THEN 1 ELSE 0 END AS early
    FROM credited
    WHERE counts = 1 OR overtook = 1 OR t < exposed_at
  ) v
  GROUP BY unit, metric, day
)
