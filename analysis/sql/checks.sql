-- How many lines the question is about, and how many events these are.
SELECT kind, count(*) AS lines, count(DISTINCT identity) AS events
FROM archive
GROUP BY kind
