-- The lines of each partition and type.
lines AS (
  SELECT day, type AS kind, count(*) AS lines, max({arrived}) AS arrived, max({time}) AS t
  FROM {table}
  WHERE {partitions}
  GROUP BY day, type
)
