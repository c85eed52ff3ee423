-- Conversions of exposed units, once each, beside every metric that takes them.
-- Of the lines of one event the earliest time and the earliest arrival count, and the amounts at the earliest time; of several, the
-- smallest. To find these in one pass, time and amount are one number: the time in steps of 10^22, and the amount in millionths, moved up
-- so that it is never negative; an amount that is missing comes last.
occurrences AS (
  SELECT min(unit) AS unit, min(event) AS event, min(t) AS t, min(arrived) AS arrived{packed_amounts}
  FROM archive
  WHERE kind = 'conversion' AND t <= {until}
  GROUP BY identity
),
conversions AS (
  SELECT unit, event, t, arrived{amounts}
  FROM occurrences
),
steps (metric, event, x_measure, x_property, y_measure, y_property, from_ms, to_ms, matures, covariate_ms) AS (
  VALUES {steps}
),
credited AS (
  SELECT c.unit, s.metric, e.t AS exposed_at, c.t, s.to_ms, s.matures, s.x_measure, s.y_measure,
    CASE WHEN c.t >= e.t + s.from_ms AND c.t <= e.t + s.to_ms
      AND (s.matures = 0 OR e.t + s.to_ms <= {matured_at}) THEN 1 ELSE 0 END AS counts,
    CASE WHEN c.t < e.t AND c.t >= e.t - s.covariate_ms
      AND (s.matures = 0 OR e.t + s.to_ms <= {matured_at}) THEN 1 ELSE 0 END AS before,
    CASE WHEN c.t >= e.t + s.from_ms AND c.t <= e.t + s.to_ms AND c.arrived < e.arrived
      THEN 1 ELSE 0 END AS overtook,
    {x_amount} AS x_amount,
    {y_amount} AS y_amount
  FROM conversions c
  JOIN exposed e ON c.unit = e.unit
  JOIN steps s ON c.event = s.event
)
