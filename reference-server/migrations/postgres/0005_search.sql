-- What SQLite's indexes of this step are for, PostgreSQL has since its first one; the versions of both stay the same.
SELECT 1;
