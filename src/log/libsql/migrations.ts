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
    hash: "392e1976f8552ec98fb81bc47186fb683e7729b61a37e58ef4a31a0d5770ee78",
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
      "CREATE TABLE deliveries (\n  hook TEXT NOT NULL,\n  delivery_id TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  received_at INTEGER NOT NULL,\n  headers TEXT NOT NULL,\n  body BLOB NOT NULL,\n  PRIMARY KEY (hook, delivery_id)\n) STRICT",
      "CREATE TABLE kv (\n  scope TEXT NOT NULL,\n  key TEXT NOT NULL,\n  value TEXT,\n  version INTEGER NOT NULL,\n  expires_at INTEGER,\n  PRIMARY KEY (scope, key)\n) STRICT",
      "CREATE TABLE operations (\n  run_id TEXT NOT NULL,\n  key TEXT NOT NULL,\n  version INTEGER NOT NULL,\n  note TEXT\n) STRICT",
      "CREATE UNIQUE INDEX operations_call ON operations (run_id, key)",
      "CREATE TABLE locks (\n  ticket INTEGER PRIMARY KEY AUTOINCREMENT,\n  name TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  key TEXT NOT NULL,\n  slots INTEGER NOT NULL,\n  requested_at INTEGER NOT NULL,\n  granted_at INTEGER,\n  -- A place that has ended stays until its run ends: a request that arrives late takes no other.\n  ended_at INTEGER\n) STRICT",
      "CREATE UNIQUE INDEX locks_call ON locks (run_id, key)",
      "CREATE INDEX locks_line ON locks (name, ticket) WHERE ended_at IS NULL",
      "CREATE INDEX locks_slots ON locks (name, slots) WHERE ended_at IS NULL",
      "CREATE TABLE api_keys (\n  id TEXT PRIMARY KEY NOT NULL,\n  name TEXT NOT NULL,\n  hash TEXT NOT NULL UNIQUE,\n  scopes TEXT NOT NULL,\n  created_at INTEGER NOT NULL,\n  revoked_at INTEGER\n) STRICT",
      "CREATE TABLE messages (\n  position INTEGER PRIMARY KEY AUTOINCREMENT,\n  topic TEXT NOT NULL,\n  id TEXT NOT NULL,\n  payload TEXT NOT NULL,\n  tags TEXT NOT NULL,\n  at INTEGER NOT NULL,\n  -- The call of publish that wrote it.\n  token TEXT NOT NULL,\n  published_at INTEGER NOT NULL,\n  dispatched_at INTEGER\n) STRICT",
      "CREATE UNIQUE INDEX messages_id ON messages (topic, id)",
      "CREATE INDEX messages_topic ON messages (topic, position)",
      "CREATE INDEX messages_undispatched ON messages (position) WHERE dispatched_at IS NULL",
      "CREATE TABLE subscriptions (\n  workflow TEXT NOT NULL,\n  name TEXT NOT NULL,\n  version TEXT NOT NULL,\n  text TEXT NOT NULL,\n  PRIMARY KEY (workflow, name)\n) STRICT",
      "CREATE TABLE ends_cursor (\n  one INTEGER PRIMARY KEY CHECK (one = 1),\n  position INTEGER NOT NULL\n) STRICT",
      "CREATE TABLE waits (\n  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  run_id TEXT NOT NULL,\n  key TEXT NOT NULL,\n  topic TEXT NOT NULL,\n  match TEXT,\n  -- Later messages come to it; null: it looks back at earlier ones first.\n  after INTEGER,\n  given INTEGER,\n  ended_at INTEGER\n) STRICT",
      "CREATE UNIQUE INDEX waits_call ON waits (run_id, key)",
      "CREATE INDEX waits_open ON waits (topic, id) WHERE ended_at IS NULL",
      "CREATE TABLE dispatches (\n  position INTEGER NOT NULL,\n  subject TEXT NOT NULL,\n  decision TEXT NOT NULL,\n  reason TEXT,\n  run_id TEXT,\n  gathering INTEGER\n) STRICT",
      "CREATE INDEX dispatches_message ON dispatches (position)",
      "CREATE INDEX dispatches_run ON dispatches (run_id, position) WHERE run_id IS NOT NULL",
      "CREATE INDEX dispatches_gathering ON dispatches (gathering, position) WHERE gathering IS NOT NULL",
      "CREATE TABLE gatherings (\n  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  subject TEXT NOT NULL,\n  key TEXT NOT NULL,\n  kind TEXT NOT NULL,\n  opened_at INTEGER NOT NULL,\n  due_at INTEGER NOT NULL,\n  count INTEGER NOT NULL,\n  length INTEGER NOT NULL,\n  is_open INTEGER NOT NULL,\n  fired_at INTEGER,\n  run_id TEXT,\n  reason TEXT\n) STRICT",
      "CREATE UNIQUE INDEX gatherings_open ON gatherings (subject, key) WHERE is_open = 1",
      "CREATE INDEX gatherings_key ON gatherings (subject, key, id)",
      "CREATE INDEX gatherings_due ON gatherings (due_at) WHERE fired_at IS NULL",
      "CREATE INDEX gatherings_fired ON gatherings (fired_at) WHERE fired_at IS NOT NULL",
      "CREATE VIEW v_runs AS\nSELECT\n  id, workflow, version, status, idempotency_key, tags,\n  CASE WHEN status = 'completed' THEN result -> '$.value' END AS output,\n  CASE WHEN status = 'failed' THEN result ->> '$.message' END AS error,\n  created_at, started_at, ended_at, available_at, deadline_at,\n  owner AS worker, epoch, head AS event_count, parent_id\nFROM runs",
      "CREATE VIEW v_attempts AS\nSELECT\n  a.run_id, a.key, a.attempt, a.epoch, a.started_at,\n  e.at AS ended_at,\n  CASE e.type\n    WHEN 'step.completed' THEN 'completed'\n    WHEN 'step.failed' THEN 'failed'\n    WHEN 'attempt.failed' THEN 'failed'\n    WHEN 'attempt.interrupted' THEN 'interrupted'\n    ELSE 'open'\n  END AS status,\n  e.data ->> '$.error.message' AS error,\n  c.worker\nFROM (\n  SELECT\n    run_id, key, attempt,\n    max(CASE type WHEN 'attempt.started' THEN epoch END) AS epoch,\n    max(CASE type WHEN 'attempt.started' THEN at END) AS started_at,\n    min(CASE WHEN type <> 'attempt.started' THEN seq END) AS end_seq\n  FROM events\n  WHERE type IN ('attempt.started', 'step.completed', 'step.failed', 'attempt.failed', 'attempt.interrupted')\n  GROUP BY run_id, key, attempt\n) a\nJOIN (\n  SELECT run_id, epoch, max(data ->> '$.worker') AS worker\n  FROM events\n  WHERE type IN ('run.created', 'run.claimed')\n  GROUP BY run_id, epoch\n) c ON c.run_id = a.run_id AND c.epoch = a.epoch\nLEFT JOIN events e ON e.run_id = a.run_id AND e.seq = a.end_seq\nWHERE a.started_at IS NOT NULL",
      "CREATE VIEW v_steps AS\nSELECT\n  run_id, key,\n  max(CASE type WHEN 'attempt.started' THEN attempt END) AS attempts,\n  min(CASE type WHEN 'attempt.started' THEN at END) AS started_at,\n  max(CASE WHEN type <> 'attempt.started' THEN at END) AS ended_at,\n  coalesce(max(CASE type WHEN 'step.completed' THEN 'completed' WHEN 'step.failed' THEN 'failed' END), 'open') AS status,\n  max(CASE type WHEN 'step.completed' THEN data -> '$.value' END) AS output,\n  max(CASE type WHEN 'step.failed' THEN data ->> '$.error.message' END) AS error\nFROM events\nWHERE type IN ('attempt.started', 'step.completed', 'step.failed')\nGROUP BY run_id, key\nHAVING attempts IS NOT NULL",
      "CREATE VIEW v_timeline AS\nSELECT position, run_id, seq, at, type, key, attempt, epoch, data FROM events",
    ],
  },
];
