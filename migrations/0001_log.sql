-- The log: every event of every run, in one total order. Append-only; `position` is never used twice.
CREATE TABLE events (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  type TEXT NOT NULL,
  v INTEGER NOT NULL,
  key TEXT,
  scope TEXT,
  attempt INTEGER,
  at INTEGER NOT NULL,
  data TEXT
) STRICT;
--> statement
CREATE UNIQUE INDEX events_run_seq ON events (run_id, seq);
--> statement
-- Lets a reader leave out what lies within completed scopes. Runs that open no scope pay nothing for it.
CREATE INDEX events_scope ON events (run_id, scope, seq) WHERE scope IS NOT NULL;
--> statement
-- A run's row: a projection of its events, and its place in the work queue.
CREATE TABLE runs (
  id TEXT PRIMARY KEY NOT NULL,
  workflow TEXT NOT NULL,
  version TEXT NOT NULL,
  status TEXT NOT NULL,
  available_at INTEGER,
  owner TEXT,
  epoch INTEGER NOT NULL,
  head INTEGER NOT NULL,
  unclean INTEGER NOT NULL,
  idempotency_key TEXT,
  tags TEXT NOT NULL,
  result TEXT,
  stuck TEXT,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  deadline_at INTEGER,
  -- The run that started it.
  parent_id TEXT
) STRICT;
--> statement
CREATE UNIQUE INDEX runs_idempotency ON runs (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;
--> statement
-- The work queue: runs that can be claimed, now or later, by program.
CREATE INDEX runs_due ON runs (workflow, version, available_at) WHERE available_at IS NOT NULL;
--> statement
CREATE INDEX runs_owner ON runs (owner) WHERE owner IS NOT NULL;
--> statement
-- Runs that may have killed their workers: claimed alone (UNCLEAN_ALONE_FROM in src/log/port.ts).
CREATE INDEX runs_suspect ON runs (available_at) WHERE unclean >= 2;
--> statement
CREATE INDEX runs_status ON runs (status, id);
--> statement
CREATE INDEX runs_workflow ON runs (workflow, id);
--> statement
-- Children by their parent. Runs that nobody's code started pay nothing for it.
CREATE INDEX runs_parent ON runs (parent_id, id) WHERE parent_id IS NOT NULL;
--> statement
-- Messages to runs from those who do not own them, in order of arrival. `id` is never used twice.
CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  token TEXT NOT NULL UNIQUE,
  data TEXT,
  at INTEGER NOT NULL
) STRICT;
--> statement
CREATE INDEX inbox_run ON inbox (run_id, id);
--> statement
-- One row per incarnation of a worker. Its leases live until `expires_at`.
CREATE TABLE workers (
  id TEXT PRIMARY KEY NOT NULL,
  started_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- The last of its claims: an earlier one that arrives late, or again, does nothing.
  turn INTEGER NOT NULL DEFAULT 0
) STRICT;
--> statement
-- Webhook requests that were accepted, each stored in the write that started its run.
CREATE TABLE deliveries (
  hook TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  headers TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (hook, delivery_id)
) STRICT;
--> statement
-- Values that runs and others share. `version` only grows, so what was deleted stays as a row without a value.
CREATE TABLE kv (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT,
  version INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (scope, key)
) STRICT;
--> statement
-- What a run's call has done to such a value, until the run has recorded it: so it is done once.
CREATE TABLE operations (
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  note TEXT
) STRICT;
--> statement
CREATE UNIQUE INDEX operations_call ON operations (run_id, key);
--> statement
-- Places in line for locks, in order of arrival: `ticket` is never used twice.
CREATE TABLE locks (
  ticket INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  slots INTEGER NOT NULL,
  requested_at INTEGER NOT NULL,
  granted_at INTEGER,
  -- A place that has ended stays until its run ends: a request that arrives late takes no other.
  ended_at INTEGER
) STRICT;
--> statement
CREATE UNIQUE INDEX locks_call ON locks (run_id, key);
--> statement
-- The lines.
CREATE INDEX locks_line ON locks (name, ticket) WHERE ended_at IS NULL;
--> statement
-- How many may hold a lock at most: so far a line is looked at when a place in it ends.
CREATE INDEX locks_slots ON locks (name, slots) WHERE ended_at IS NULL;
--> statement
-- API keys, by the digest of their secret.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;
--> statement
-- What was published. `position` is never used twice.
CREATE TABLE messages (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL,
  id TEXT NOT NULL,
  payload TEXT NOT NULL,
  tags TEXT NOT NULL,
  at INTEGER NOT NULL,
  -- The call of publish that wrote it.
  token TEXT NOT NULL,
  published_at INTEGER NOT NULL,
  dispatched_at INTEGER
) STRICT;
--> statement
CREATE UNIQUE INDEX messages_id ON messages (topic, id);
--> statement
CREATE INDEX messages_topic ON messages (topic, position);
--> statement
CREATE INDEX messages_undispatched ON messages (position) WHERE dispatched_at IS NULL;
--> statement
-- What workflows listen to, as it was registered last.
CREATE TABLE subscriptions (
  workflow TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (workflow, name)
) STRICT;
--> statement
-- How far the log has been read for ends of runs that are listened to: one row, from the first such subscription on.
CREATE TABLE ends_cursor (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  position INTEGER NOT NULL
) STRICT;
--> statement
-- Calls that wait for messages: open, given one, or ended without.
CREATE TABLE waits (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  topic TEXT NOT NULL,
  match TEXT,
  -- Later messages come to it; null: it looks back at earlier ones first.
  after INTEGER,
  given INTEGER,
  ended_at INTEGER
) STRICT;
--> statement
CREATE UNIQUE INDEX waits_call ON waits (run_id, key);
--> statement
CREATE INDEX waits_open ON waits (topic, id) WHERE ended_at IS NULL;
--> statement
-- What became of each message, for each that listened.
CREATE TABLE dispatches (
  position INTEGER NOT NULL,
  subject TEXT NOT NULL,
  decision TEXT NOT NULL,
  reason TEXT,
  run_id TEXT,
  gathering INTEGER
) STRICT;
--> statement
CREATE INDEX dispatches_message ON dispatches (position);
--> statement
CREATE INDEX dispatches_run ON dispatches (run_id, position) WHERE run_id IS NOT NULL;
--> statement
CREATE INDEX dispatches_gathering ON dispatches (gathering, position) WHERE gathering IS NOT NULL;
--> statement
-- Messages that are taken together. One a key is open; it keeps its row until its messages are forgotten.
CREATE TABLE gatherings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subject TEXT NOT NULL,
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  count INTEGER NOT NULL,
  length INTEGER NOT NULL,
  is_open INTEGER NOT NULL,
  fired_at INTEGER,
  run_id TEXT,
  reason TEXT
) STRICT;
--> statement
CREATE UNIQUE INDEX gatherings_open ON gatherings (subject, key) WHERE is_open = 1;
--> statement
CREATE INDEX gatherings_key ON gatherings (subject, key, id);
--> statement
CREATE INDEX gatherings_due ON gatherings (due_at) WHERE fired_at IS NULL;
--> statement
CREATE INDEX gatherings_fired ON gatherings (fired_at) WHERE fired_at IS NOT NULL;
--> statement
-- The public views: see docs/FORMAT.md.
CREATE VIEW v_runs AS
SELECT
  id, workflow, version, status, idempotency_key, tags,
  CASE WHEN status = 'completed' THEN result -> '$.value' END AS output,
  CASE WHEN status = 'failed' THEN result ->> '$.message' END AS error,
  created_at, started_at, ended_at, available_at, deadline_at,
  owner AS worker, epoch, head AS event_count, parent_id
FROM runs;
--> statement
-- Each of the two in one pass over a run's events: a join of its attempts with their ends took minutes for a long run.
CREATE VIEW v_attempts AS
SELECT
  a.run_id, a.key, a.attempt, a.epoch, a.started_at,
  e.at AS ended_at,
  CASE e.type
    WHEN 'step.completed' THEN 'completed'
    WHEN 'step.failed' THEN 'failed'
    WHEN 'attempt.failed' THEN 'failed'
    WHEN 'attempt.interrupted' THEN 'interrupted'
    ELSE 'open'
  END AS status,
  e.data ->> '$.error.message' AS error,
  c.worker
FROM (
  SELECT
    run_id, key, attempt,
    max(CASE type WHEN 'attempt.started' THEN epoch END) AS epoch,
    max(CASE type WHEN 'attempt.started' THEN at END) AS started_at,
    min(CASE WHEN type <> 'attempt.started' THEN seq END) AS end_seq
  FROM events
  WHERE type IN ('attempt.started', 'step.completed', 'step.failed', 'attempt.failed', 'attempt.interrupted')
  GROUP BY run_id, key, attempt
) a
JOIN (
  SELECT run_id, epoch, max(data ->> '$.worker') AS worker
  FROM events
  WHERE type IN ('run.created', 'run.claimed')
  GROUP BY run_id, epoch
) c ON c.run_id = a.run_id AND c.epoch = a.epoch
LEFT JOIN events e ON e.run_id = a.run_id AND e.seq = a.end_seq
WHERE a.started_at IS NOT NULL;
--> statement
CREATE VIEW v_steps AS
SELECT
  run_id, key,
  max(CASE type WHEN 'attempt.started' THEN attempt END) AS attempts,
  min(CASE type WHEN 'attempt.started' THEN at END) AS started_at,
  max(CASE WHEN type <> 'attempt.started' THEN at END) AS ended_at,
  coalesce(max(CASE type WHEN 'step.completed' THEN 'completed' WHEN 'step.failed' THEN 'failed' END), 'open') AS status,
  max(CASE type WHEN 'step.completed' THEN data -> '$.value' END) AS output,
  max(CASE type WHEN 'step.failed' THEN data ->> '$.error.message' END) AS error
FROM events
WHERE type IN ('attempt.started', 'step.completed', 'step.failed')
GROUP BY run_id, key
HAVING attempts IS NOT NULL;
--> statement
CREATE VIEW v_timeline AS
SELECT position, run_id, seq, at, type, key, attempt, epoch, data FROM events;
