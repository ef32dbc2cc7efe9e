/** Compiled from `migrations/` by `npm run migrations`. Do not edit. */

/** One numbered migration. */
export interface Migration {
  readonly name: string;
  /** SHA-256 of the statements. */
  readonly hash: string;
  readonly statements: readonly string[];
}

export const MIGRATIONS: readonly Migration[] = [
  {
    name: "0001_log",
    hash: "8d5dea340a087a4a665cc0de2d75f4f797df881be2519f2b19ff11cf24b1ac4a",
    statements: [
      "CREATE TABLE events (\n  position INTEGER PRIMARY KEY AUTOINCREMENT,\n  run_id TEXT NOT NULL,\n  seq INTEGER NOT NULL,\n  epoch INTEGER NOT NULL,\n  type TEXT NOT NULL,\n  v INTEGER NOT NULL,\n  key TEXT,\n  scope TEXT,\n  attempt INTEGER,\n  at INTEGER NOT NULL,\n  data TEXT\n) STRICT",
      "CREATE UNIQUE INDEX events_run_seq ON events (run_id, seq)",
      "CREATE INDEX events_scope ON events (run_id, scope, seq) WHERE scope IS NOT NULL",
      "CREATE TABLE runs (\n  id TEXT PRIMARY KEY NOT NULL,\n  workflow TEXT NOT NULL,\n  version TEXT NOT NULL,\n  status TEXT NOT NULL,\n  available_at INTEGER,\n  owner TEXT,\n  epoch INTEGER NOT NULL,\n  head INTEGER NOT NULL,\n  unclean INTEGER NOT NULL,\n  idempotency_key TEXT,\n  tags TEXT NOT NULL,\n  result TEXT,\n  stuck TEXT,\n  created_at INTEGER NOT NULL,\n  started_at INTEGER,\n  ended_at INTEGER,\n  deadline_at INTEGER,\n  -- The run that started it.\n  parent_id TEXT\n) STRICT",
      "CREATE UNIQUE INDEX runs_idempotency ON runs (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL",
      "CREATE INDEX runs_due ON runs (workflow, version, available_at) WHERE available_at IS NOT NULL",
      "CREATE INDEX runs_owner ON runs (owner) WHERE owner IS NOT NULL",
      "CREATE INDEX runs_suspect ON runs (available_at) WHERE unclean >= 2",
      "CREATE INDEX runs_status ON runs (status, id)",
      "CREATE INDEX runs_workflow ON runs (workflow, id)",
      "CREATE INDEX runs_parent ON runs (parent_id, id) WHERE parent_id IS NOT NULL",
      "CREATE TABLE inbox (\n  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  run_id TEXT NOT NULL,\n  kind TEXT NOT NULL,\n  token TEXT NOT NULL UNIQUE,\n  data TEXT,\n  at INTEGER NOT NULL\n) STRICT",
      "CREATE INDEX inbox_run ON inbox (run_id, id)",
      "CREATE TABLE workers (\n  id TEXT PRIMARY KEY NOT NULL,\n  started_at INTEGER NOT NULL,\n  expires_at INTEGER NOT NULL,\n  -- The last of its claims: an earlier one that arrives late, or again, does nothing.\n  turn INTEGER NOT NULL DEFAULT 0\n) STRICT",
      "CREATE TABLE deliveries (\n  position INTEGER PRIMARY KEY AUTOINCREMENT,\n  hook TEXT NOT NULL,\n  delivery_id TEXT NOT NULL,\n  -- 0: the request itself, which has the content.\n  replay INTEGER NOT NULL,\n  received_at INTEGER NOT NULL,\n  decision TEXT NOT NULL,\n  run_id TEXT,\n  reason TEXT,\n  headers TEXT,\n  body BLOB\n) STRICT",
      "CREATE UNIQUE INDEX deliveries_id ON deliveries (hook, delivery_id, replay)",
      "CREATE INDEX deliveries_hook ON deliveries (hook, position)",
      "CREATE INDEX deliveries_received ON deliveries (received_at)",
      "CREATE TABLE kv (\n  scope TEXT NOT NULL,\n  key TEXT NOT NULL,\n  value TEXT,\n  version INTEGER NOT NULL,\n  expires_at INTEGER,\n  PRIMARY KEY (scope, key)\n) STRICT",
      "CREATE TABLE operations (\n  run_id TEXT NOT NULL,\n  key TEXT NOT NULL,\n  version INTEGER NOT NULL,\n  note TEXT\n) STRICT",
      "CREATE UNIQUE INDEX operations_call ON operations (run_id, key)",
      "CREATE TABLE locks (\n  ticket INTEGER PRIMARY KEY AUTOINCREMENT,\n  name TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  key TEXT NOT NULL,\n  slots INTEGER NOT NULL,\n  requested_at INTEGER NOT NULL,\n  granted_at INTEGER,\n  -- A place that has ended stays until its run ends: a request that arrives late takes no other.\n  ended_at INTEGER\n) STRICT",
      "CREATE UNIQUE INDEX locks_call ON locks (run_id, key)",
      "CREATE INDEX locks_line ON locks (name, ticket) WHERE ended_at IS NULL",
      "CREATE INDEX locks_slots ON locks (name, slots) WHERE ended_at IS NULL",
      "CREATE TABLE api_keys (\n  id TEXT PRIMARY KEY NOT NULL,\n  name TEXT NOT NULL,\n  hash TEXT NOT NULL UNIQUE,\n  scopes TEXT NOT NULL,\n  created_at INTEGER NOT NULL,\n  revoked_at INTEGER\n) STRICT",
      "CREATE TABLE schedules (\n  id TEXT PRIMARY KEY NOT NULL,\n  workflow TEXT NOT NULL,\n  version TEXT,\n  definition TEXT NOT NULL,\n  source TEXT NOT NULL,\n  generation INTEGER NOT NULL,\n  revision INTEGER NOT NULL,\n  token TEXT NOT NULL,\n  paused_at INTEGER,\n  note TEXT,\n  -- Every instant up to this one is decided.\n  cursor INTEGER NOT NULL,\n  next_at INTEGER,\n  -- Firings that wait for a run to end.\n  waiting INTEGER NOT NULL,\n  created_at INTEGER NOT NULL,\n  updated_at INTEGER NOT NULL\n) STRICT",
      "CREATE INDEX schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL",
      "CREATE INDEX schedules_waiting ON schedules (id) WHERE waiting > 0 AND paused_at IS NULL",
      "CREATE TABLE firings (\n  schedule_id TEXT NOT NULL,\n  at INTEGER NOT NULL,\n  lane TEXT NOT NULL,\n  until INTEGER,\n  instants INTEGER,\n  decision TEXT NOT NULL,\n  cause TEXT NOT NULL,\n  reason TEXT,\n  run_id TEXT,\n  generation INTEGER NOT NULL,\n  decided_at INTEGER,\n  is_open INTEGER NOT NULL,\n  PRIMARY KEY (schedule_id, at, lane)\n) STRICT",
      "CREATE INDEX firings_open ON firings (schedule_id, at) WHERE is_open = 1",
      "CREATE INDEX firings_decided ON firings (schedule_id, decided_at, at) WHERE is_open = 0",
      "CREATE TABLE endpoints (\n  name TEXT PRIMARY KEY NOT NULL,\n  position INTEGER NOT NULL,\n  holder TEXT,\n  expires_at INTEGER NOT NULL,\n  epoch INTEGER NOT NULL,\n  -- The receiver asked for no request before then.\n  rest_until INTEGER,\n  disabled_at INTEGER\n) STRICT",
      "CREATE TABLE notices (\n  endpoint TEXT NOT NULL,\n  position INTEGER NOT NULL,\n  run_id TEXT NOT NULL,\n  seq INTEGER NOT NULL,\n  type TEXT NOT NULL,\n  status TEXT NOT NULL,\n  tries INTEGER NOT NULL,\n  created_at INTEGER NOT NULL,\n  first_at INTEGER,\n  -- When it is tried next, while it is pending.\n  due_at INTEGER,\n  ended_at INTEGER,\n  note TEXT,\n  PRIMARY KEY (endpoint, position)\n) STRICT",
      "CREATE INDEX notices_due ON notices (endpoint, due_at) WHERE due_at IS NOT NULL",
      "CREATE INDEX notices_ended ON notices (status, ended_at) WHERE ended_at IS NOT NULL",
      "CREATE VIEW v_runs AS\nSELECT\n  id, workflow, version, status, idempotency_key, tags,\n  CASE WHEN status = 'completed' THEN result -> '$.value' END AS output,\n  CASE WHEN status = 'failed' THEN result ->> '$.message' END AS error,\n  created_at, started_at, ended_at, available_at, deadline_at,\n  owner AS worker, epoch, head AS event_count, parent_id\nFROM runs",
      "CREATE VIEW v_attempts AS\nSELECT\n  a.run_id, a.key, a.attempt, a.epoch, a.started_at,\n  e.at AS ended_at,\n  CASE e.type\n    WHEN 'step.completed' THEN 'completed'\n    WHEN 'step.failed' THEN 'failed'\n    WHEN 'attempt.failed' THEN 'failed'\n    WHEN 'attempt.interrupted' THEN 'interrupted'\n    ELSE 'open'\n  END AS status,\n  e.data ->> '$.error.message' AS error,\n  c.worker\nFROM (\n  SELECT\n    run_id, key, attempt,\n    max(CASE type WHEN 'attempt.started' THEN epoch END) AS epoch,\n    max(CASE type WHEN 'attempt.started' THEN at END) AS started_at,\n    min(CASE WHEN type <> 'attempt.started' THEN seq END) AS end_seq\n  FROM events\n  WHERE type IN ('attempt.started', 'step.completed', 'step.failed', 'attempt.failed', 'attempt.interrupted')\n  GROUP BY run_id, key, attempt\n) a\nJOIN (\n  SELECT run_id, epoch, max(data ->> '$.worker') AS worker\n  FROM events\n  WHERE type IN ('run.created', 'run.claimed')\n  GROUP BY run_id, epoch\n) c ON c.run_id = a.run_id AND c.epoch = a.epoch\nLEFT JOIN events e ON e.run_id = a.run_id AND e.seq = a.end_seq\nWHERE a.started_at IS NOT NULL",
      "CREATE VIEW v_steps AS\nSELECT\n  run_id, key,\n  max(CASE type WHEN 'attempt.started' THEN attempt END) AS attempts,\n  min(CASE type WHEN 'attempt.started' THEN at END) AS started_at,\n  max(CASE WHEN type <> 'attempt.started' THEN at END) AS ended_at,\n  coalesce(max(CASE type WHEN 'step.completed' THEN 'completed' WHEN 'step.failed' THEN 'failed' END), 'open') AS status,\n  max(CASE type WHEN 'step.completed' THEN data -> '$.value' END) AS output,\n  max(CASE type WHEN 'step.failed' THEN data ->> '$.error.message' END) AS error\nFROM events\nWHERE type IN ('attempt.started', 'step.completed', 'step.failed')\nGROUP BY run_id, key\nHAVING attempts IS NOT NULL",
      "CREATE VIEW v_timeline AS\nSELECT position, run_id, seq, at, type, key, attempt, epoch, data FROM events",
    ],
  },
];
