-- run.sqlite, version 2 (user_version below, and meta.schema_version). A newer one is refused, an older one migrated
-- (store_file.c). One row of `invocation` is committed per finished process; nothing is ever updated in it but
-- by a repeat, which is a row of its own (attempt > 1). Raw samples stay raw; everything shown is computed on reading.
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
--   keys: schema_version, run_id, created_at, seed, matrix (flattened YAML), command, host (JSON), spanlab_version,
--   binaries (JSON: path -> xxh64, checked by resume), subject_order (given: by the user or the matrix; else empty)
CREATE TABLE IF NOT EXISTS cell (
  id INTEGER PRIMARY KEY,
  subject TEXT NOT NULL,             -- 'jemalloc', 'manual-tiny-sizeclass', 'x'
  knobs TEXT NOT NULL DEFAULT '',    -- 'dirty_decay_ms=0,preset=faithful', sorted by name
  workload TEXT NOT NULL,
  params TEXT NOT NULL,              -- 'chunks=1000,threads=2', every parameter, sorted by name
  threads INTEGER NOT NULL,
  flavour TEXT NOT NULL,             -- manual | traced
  verdict INTEGER NOT NULL,          -- 1: verdict cell (>= 10 invocations), 0: screening
  warmup INTEGER NOT NULL DEFAULT 1, -- iterations of a throughput invocation that do not count
  iterations INTEGER NOT NULL DEFAULT 5,
  timeout_s INTEGER NOT NULL DEFAULT 60,
  UNIQUE (subject, knobs, workload, params, flavour)
);
CREATE TABLE IF NOT EXISTS planned (   -- the shuffled order; what is not in `invocation` is still to do
  position INTEGER PRIMARY KEY,
  cell_id INTEGER NOT NULL REFERENCES cell(id),
  mode TEXT NOT NULL,                -- throughput | memory
  number INTEGER NOT NULL,           -- 1.. within (cell, mode)
  layout_seed INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS invocation (
  id INTEGER PRIMARY KEY,
  position INTEGER NOT NULL,
  cell_id INTEGER NOT NULL REFERENCES cell(id),
  mode TEXT NOT NULL,
  number INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 1,
  session INTEGER NOT NULL,          -- 1 for `run`, +1 for each `resume`
  started_at TEXT NOT NULL,          -- ISO 8601 UTC
  wall_ns INTEGER NOT NULL,          -- of the whole process, as the runner saw it
  peak_bytes INTEGER NOT NULL,       -- the same: its largest resident set
  status TEXT NOT NULL,              -- ok | failed | crash | timeout | oom
  message TEXT NOT NULL DEFAULT '',  -- one line, why not ok
  exit_code INTEGER, signal INTEGER,
  stderr_tail TEXT NOT NULL DEFAULT '',
  reproduce TEXT NOT NULL,           -- a shell line
  disturbed INTEGER NOT NULL,        -- 1: outside the limits; kept, marked, repeated
  disturbance TEXT NOT NULL,         -- JSON: steal_ns, involuntary_switches, runqueue_ns, frequency_khz
  layout TEXT NOT NULL,              -- JSON: environment_bytes, stack_offset_bytes, aslr
  checksum TEXT NOT NULL DEFAULT '',
  record TEXT NOT NULL DEFAULT ''    -- the whole JSON record of the bench process (docs/record.md)
);
CREATE TABLE IF NOT EXISTS sample (  -- throughput mode
  invocation_id INTEGER NOT NULL REFERENCES invocation(id),
  iteration INTEGER NOT NULL,
  warmup INTEGER NOT NULL,
  wall_ns INTEGER NOT NULL, cpu_ns INTEGER NOT NULL, ops INTEGER NOT NULL, zero_bytes INTEGER NOT NULL,
  PRIMARY KEY (invocation_id, iteration)
);
CREATE TABLE IF NOT EXISTS absent (  -- subjects asked for that are not on this machine
  subject TEXT PRIMARY KEY, reason TEXT NOT NULL, remedy TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS invocation_attempt ON invocation(position, attempt);
CREATE INDEX IF NOT EXISTS invocation_cell ON invocation(cell_id, mode, status);
PRAGMA user_version = 2;
