-- SPDX-License-Identifier: MIT
--
-- chosen: the rows that the lab shows. A process that was disturbed or that failed is run again, so a position may have
-- two attempts; read_invocations (harness/lab/rundata.c) takes one of them by the same order. gc: NULL without a record.
CREATE TEMP VIEW chosen AS
SELECT i.*, subject, knobs, workload, params, CASE WHEN json_valid(record) THEN json_extract(record, '$.gc') END AS gc
FROM (SELECT *, row_number() OVER (PARTITION BY position ORDER BY status <> 'ok', disturbed, attempt) AS place
      FROM invocation) i JOIN cell ON cell.id = cell_id
WHERE place = 1;
