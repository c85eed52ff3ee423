-- How many lines the question is about, and how many events these are; exposures by their variant.
SELECT kind, variant, count(*) AS lines, count(DISTINCT identity) AS events
FROM archive
GROUP BY kind, variant
