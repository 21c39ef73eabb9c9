-- What lets traces of deletions go. It only adds: programs that know the
-- migrations before alone go on working.

-- +goose Up

-- The last number at a time, about one row a day: what has a number up to it
-- is older. Where forgotten is true, tombstones up to the number may have been
-- removed, and who has not seen so far has to read everything again.
CREATE TABLE poolkeeper.marks (
	version   bigint PRIMARY KEY,
	at        timestamptz NOT NULL DEFAULT clock_timestamp(),
	forgotten boolean NOT NULL DEFAULT false
);
