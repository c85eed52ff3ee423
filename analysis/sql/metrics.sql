-- The metrics, by their places in the question.
metrics (metric, x_once, y_once, y_is_unit, cap, matures, to_ms) AS (
  VALUES {metrics}
)
