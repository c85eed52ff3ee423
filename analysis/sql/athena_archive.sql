-- The columns of the archive that the statements use, from Glue's table.
archive AS (
  SELECT kind,
    CASE WHEN event_id <> '' THEN
      concat('id:', CAST(length(unit) AS varchar), ':', unit, ':', kind, ':',
        CAST(length(about) AS varchar), ':', about, ':', CAST(length(sender) AS varchar), ':', sender, ':', event_id)
      ELSE concat('line:', CAST(length(unit) AS varchar), ':', unit, ':', line) END AS identity,
    unit, t, arrived, event, variant, revision, dimension{amounts}
  FROM (
    SELECT id AS line, type AS kind, coalesce(event, experiment) AS about, unit AS sender,
      {event_id} AS event_id,
      {unit} AS unit,
      {time} AS t,
      {arrived} AS arrived,
      {event} AS event,
      variant,
      {revision} AS revision,
      {dimension} AS dimension{texts}
    FROM {table}
    WHERE {partitions} AND ({relevant})
  ) a
  WHERE unit IS NOT NULL AND trim(unit) <> '' AND t IS NOT NULL
)
