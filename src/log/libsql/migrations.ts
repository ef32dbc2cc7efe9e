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
    hash: "b301fec1fc376403e8b49c9b89484af4fbf26c073d5af1283e20e7dda6c9a44b",
    statements: [
      "CREATE TABLE events (\n  position INTEGER PRIMARY KEY AUTOINCREMENT,\n  run_id TEXT NOT NULL,\n  seq INTEGER NOT NULL,\n  epoch INTEGER NOT NULL,\n  type TEXT NOT NULL,\n  v INTEGER NOT NULL,\n  key TEXT,\n  scope TEXT,\n  attempt INTEGER,\n  at INTEGER NOT NULL,\n  data TEXT\n) STRICT",
      "CREATE UNIQUE INDEX events_run_seq ON events (run_id, seq)",
      "CREATE INDEX events_scope ON events (run_id, scope, seq) WHERE scope IS NOT NULL",
      "CREATE TABLE runs (\n  id TEXT PRIMARY KEY NOT NULL,\n  workflow TEXT NOT NULL,\n  version TEXT NOT NULL,\n  status TEXT NOT NULL,\n  available_at INTEGER,\n  owner TEXT,\n  epoch INTEGER NOT NULL,\n  head INTEGER NOT NULL,\n  unclean INTEGER NOT NULL,\n  idempotency_key TEXT,\n  tags TEXT NOT NULL,\n  result TEXT,\n  stuck TEXT,\n  created_at INTEGER NOT NULL,\n  started_at INTEGER,\n  ended_at INTEGER,\n  deadline_at INTEGER,\n  -- The run that started it.\n  parent_id TEXT,\n  -- What it needs a place in before it can be claimed, as JSON; and when it gets in line for it.\n  limits TEXT,\n  line_at INTEGER,\n  -- Of those that have it in common one is under way at a time.\n  singleton TEXT\n) STRICT",
      "CREATE UNIQUE INDEX runs_idempotency ON runs (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL",
      "CREATE INDEX runs_due ON runs (workflow, version, available_at) WHERE available_at IS NOT NULL",
      "CREATE INDEX runs_owner ON runs (owner) WHERE owner IS NOT NULL",
      "CREATE INDEX runs_suspect ON runs (available_at) WHERE unclean >= 2",
      "CREATE INDEX runs_status ON runs (status, id)",
      "CREATE INDEX runs_workflow ON runs (workflow, id)",
      "CREATE INDEX runs_parent ON runs (parent_id, id) WHERE parent_id IS NOT NULL",
      "CREATE TABLE inbox (\n  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  run_id TEXT NOT NULL,\n  kind TEXT NOT NULL,\n  token TEXT NOT NULL UNIQUE,\n  data TEXT,\n  at INTEGER NOT NULL\n) STRICT",
      "CREATE INDEX inbox_run ON inbox (run_id, id)",
      "CREATE TABLE workers (\n  id TEXT PRIMARY KEY NOT NULL,\n  started_at INTEGER NOT NULL,\n  expires_at INTEGER NOT NULL,\n  -- The last of its claims: an earlier one that arrives late, or again, does nothing.\n  turn INTEGER NOT NULL DEFAULT 0,\n  -- What it can run, as JSON.\n  programs TEXT\n) STRICT",
      "CREATE TABLE deliveries (\n  hook TEXT NOT NULL,\n  delivery_id TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  received_at INTEGER NOT NULL,\n  headers TEXT NOT NULL,\n  body BLOB NOT NULL,\n  PRIMARY KEY (hook, delivery_id)\n) STRICT",
      "CREATE TABLE kv (\n  scope TEXT NOT NULL,\n  key TEXT NOT NULL,\n  value TEXT,\n  version INTEGER NOT NULL,\n  expires_at INTEGER,\n  PRIMARY KEY (scope, key)\n) STRICT",
      "CREATE TABLE operations (\n  run_id TEXT NOT NULL,\n  key TEXT NOT NULL,\n  version INTEGER NOT NULL,\n  note TEXT\n) STRICT",
      "CREATE UNIQUE INDEX operations_call ON operations (run_id, key)",
      "CREATE TABLE locks (\n  ticket INTEGER PRIMARY KEY AUTOINCREMENT,\n  name TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  key TEXT NOT NULL,\n  slots INTEGER NOT NULL,\n  requested_at INTEGER NOT NULL,\n  granted_at INTEGER,\n  -- A place that has ended stays until its run ends: a request that arrives late takes no other.\n  ended_at INTEGER\n) STRICT",
      "CREATE UNIQUE INDEX locks_call ON locks (run_id, key)",
      "CREATE INDEX locks_line ON locks (name, ticket) WHERE ended_at IS NULL",
      "CREATE INDEX locks_slots ON locks (name, slots) WHERE ended_at IS NULL",
      "CREATE UNIQUE INDEX runs_singleton ON runs (singleton) WHERE singleton IS NOT NULL AND ended_at IS NULL",
      "CREATE INDEX runs_line ON runs (line_at, id) WHERE line_at IS NOT NULL",
      "CREATE TABLE places (\n  run_id TEXT NOT NULL,\n  line TEXT NOT NULL,\n  slots INTEGER NOT NULL,\n  -- The order of the line.\n  rank INTEGER NOT NULL,\n  -- Until when it is held: life, work or newest (src/kernel/place-limit.ts).\n  hold TEXT NOT NULL,\n  requested_at INTEGER NOT NULL,\n  granted_at INTEGER,\n  ended_at INTEGER\n) STRICT",
      "CREATE UNIQUE INDEX places_run ON places (run_id, line)",
      "CREATE INDEX places_held ON places (line) WHERE granted_at IS NOT NULL AND ended_at IS NULL",
      "CREATE INDEX places_line ON places (line, rank, run_id) WHERE granted_at IS NULL AND ended_at IS NULL",
      "CREATE TABLE lines (\n  line TEXT PRIMARY KEY NOT NULL,\n  slots INTEGER,\n  paused INTEGER NOT NULL\n) STRICT",
      "CREATE VIEW places_without_room AS\nSELECT p.run_id, p.line FROM places p\nWHERE p.granted_at IS NULL AND p.ended_at IS NULL AND (\n  SELECT count(*) FROM places h WHERE h.line = p.line AND h.granted_at IS NOT NULL AND h.ended_at IS NULL\n) >= coalesce((SELECT iif(l.paused, 0, coalesce(l.slots, p.slots)) FROM lines l WHERE l.line = p.line), p.slots)",
      "CREATE VIEW superseded AS\nSELECT o.run_id, p.run_id AS newest_id\nFROM places p CROSS JOIN places o ON o.line = p.line AND o.granted_at IS NOT NULL AND o.ended_at IS NULL\nWHERE p.hold = 'newest' AND p.granted_at IS NULL AND o.run_id < p.run_id\nUNION ALL\nSELECT o.run_id, p.run_id AS newest_id\nFROM places p CROSS JOIN places o ON o.line = p.line AND o.granted_at IS NULL AND o.ended_at IS NULL\nWHERE p.hold = 'newest' AND p.granted_at IS NULL AND o.run_id < p.run_id",
      "CREATE TABLE buckets (\n  bucket TEXT PRIMARY KEY NOT NULL,\n  used_until REAL NOT NULL\n) STRICT",
      "CREATE INDEX buckets_used ON buckets (used_until)",
      "CREATE VIEW admissions AS SELECT NULL AS run_id, NULL AS at",
      "CREATE TRIGGER admissions_insert INSTEAD OF INSERT ON admissions\nBEGIN\n  UPDATE places SET granted_at = NEW.at\n  WHERE run_id = NEW.run_id AND granted_at IS NULL AND ended_at IS NULL\n    AND NOT EXISTS (SELECT 1 FROM places_without_room w WHERE w.run_id = NEW.run_id);\n  UPDATE runs SET available_at = NEW.at\n  WHERE id = NEW.run_id AND +status = 'pending' AND owner IS NULL AND available_at IS NULL AND line_at IS NULL AND (\n    NOT EXISTS (SELECT 1 FROM places p WHERE p.run_id = NEW.run_id AND p.granted_at IS NULL AND p.ended_at IS NULL)\n    OR EXISTS (\n      SELECT 1 FROM inbox i\n      WHERE i.run_id = NEW.run_id AND (i.kind = 'terminate' OR i.kind = 'cancel' AND runs.head = 1)));\nEND",
      "CREATE VIEW openings AS SELECT NULL AS line, NULL AS at",
      "CREATE TRIGGER openings_insert INSTEAD OF INSERT ON openings\nBEGIN\n  INSERT INTO admissions (run_id, at)\n  SELECT c.run_id, NEW.at FROM (\n    SELECT p.run_id FROM places p\n    WHERE p.line = NEW.line AND p.granted_at IS NULL AND p.ended_at IS NULL\n    ORDER BY p.rank, p.run_id LIMIT 64\n  ) c\n  WHERE NOT EXISTS (SELECT 1 FROM places_without_room w WHERE w.run_id = c.run_id)\n  LIMIT 1;\nEND",
      "CREATE TRIGGER places_delete AFTER DELETE ON places\nBEGIN\n  INSERT INTO openings (line, at) VALUES (OLD.line, OLD.ended_at);\nEND",
      "CREATE VIEW arrivals AS SELECT NULL AS run_id, NULL AS at",
      "CREATE TRIGGER arrivals_insert INSTEAD OF INSERT ON arrivals\nBEGIN\n  UPDATE places SET ended_at = NEW.at\n  WHERE run_id = NEW.run_id AND hold = 'work' AND (SELECT r.status FROM runs r WHERE r.id = NEW.run_id) IN ('stuck', 'paused');\n  DELETE FROM places WHERE run_id = NEW.run_id AND ended_at IS NOT NULL;\n  INSERT INTO places (run_id, line, slots, rank, hold, requested_at)\n  SELECT r.id, l.value ->> 'line', l.value ->> 'slots', l.value ->> 'rank', l.value ->> 'hold', NEW.at\n  FROM runs r CROSS JOIN json_each(r.limits) l\n  WHERE r.id = NEW.run_id AND r.status IN ('pending', 'waiting')\n  ON CONFLICT (run_id, line) DO NOTHING;\n  INSERT INTO inbox (run_id, token, kind, data, at)\n  SELECT s.run_id, 'newest/' || NEW.run_id || '/' || s.run_id, 'cancel', json_object('reason', 'run ' || NEW.run_id || ' has taken its place'), NEW.at\n  FROM superseded s WHERE s.newest_id = NEW.run_id\n  ON CONFLICT (token) DO NOTHING;\n  UPDATE runs SET status = 'pending', line_at = NEW.at\n  WHERE id IN (SELECT s.run_id FROM superseded s WHERE s.newest_id = NEW.run_id)\n    AND +status IN ('waiting', 'pending', 'stuck', 'paused') AND owner IS NULL AND available_at IS NULL;\n  UPDATE runs SET status = iif(status = 'waiting', 'pending', status), line_at = NULL WHERE id = NEW.run_id;\n  INSERT INTO admissions (run_id, at) VALUES (NEW.run_id, NEW.at);\nEND",
      "CREATE VIEW rate_takes AS SELECT NULL AS run_id, NULL AS bucket, NULL AS interval_ms, NULL AS ahead_ms, NULL AS delays, NULL AS at",
      "CREATE TRIGGER rate_takes_insert INSTEAD OF INSERT ON rate_takes\nWHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.run_id = NEW.run_id)\nBEGIN\n  DELETE FROM runs WHERE id = NEW.run_id AND NOT NEW.delays\n    AND (SELECT b.used_until FROM buckets b WHERE b.bucket = NEW.bucket) - NEW.ahead_ms > NEW.at;\n  UPDATE runs SET line_at = max(line_at, coalesce((\n    SELECT CAST(b.used_until - NEW.ahead_ms AS INTEGER) + (CAST(b.used_until - NEW.ahead_ms AS INTEGER) < b.used_until - NEW.ahead_ms)\n    FROM buckets b WHERE b.bucket = NEW.bucket AND b.used_until - NEW.ahead_ms > max(line_at, NEW.at)), line_at))\n  WHERE id = NEW.run_id AND NEW.delays;\n  INSERT INTO buckets (bucket, used_until)\n  SELECT NEW.bucket, max(NEW.at, iif(NEW.delays, r.line_at, NEW.at)) + NEW.interval_ms FROM runs r WHERE r.id = NEW.run_id\n  ON CONFLICT (bucket) DO UPDATE SET used_until = max(used_until, excluded.used_until - NEW.interval_ms) + NEW.interval_ms;\n  -- One that is not used up says nothing.\n  DELETE FROM buckets WHERE bucket IN (SELECT b.bucket FROM buckets b WHERE b.used_until <= NEW.at ORDER BY b.used_until LIMIT 2);\nEND",
      "CREATE TABLE api_keys (\n  id TEXT PRIMARY KEY NOT NULL,\n  name TEXT NOT NULL,\n  hash TEXT NOT NULL UNIQUE,\n  scopes TEXT NOT NULL,\n  created_at INTEGER NOT NULL,\n  revoked_at INTEGER\n) STRICT",
      "CREATE VIEW v_runs AS\nSELECT\n  id, workflow, version, status, idempotency_key, tags,\n  CASE WHEN status = 'completed' THEN result -> '$.value' END AS output,\n  CASE WHEN status = 'failed' THEN result ->> '$.message' END AS error,\n  created_at, started_at, ended_at, available_at, deadline_at,\n  owner AS worker, epoch, head AS event_count, parent_id\nFROM runs",
      "CREATE VIEW v_attempts AS\nSELECT\n  a.run_id, a.key, a.attempt, a.epoch, a.started_at,\n  e.at AS ended_at,\n  CASE e.type\n    WHEN 'step.completed' THEN 'completed'\n    WHEN 'step.failed' THEN 'failed'\n    WHEN 'attempt.failed' THEN 'failed'\n    WHEN 'attempt.interrupted' THEN 'interrupted'\n    ELSE 'open'\n  END AS status,\n  e.data ->> '$.error.message' AS error,\n  c.worker\nFROM (\n  SELECT\n    run_id, key, attempt,\n    max(CASE type WHEN 'attempt.started' THEN epoch END) AS epoch,\n    max(CASE type WHEN 'attempt.started' THEN at END) AS started_at,\n    min(CASE WHEN type <> 'attempt.started' THEN seq END) AS end_seq\n  FROM events\n  WHERE type IN ('attempt.started', 'step.completed', 'step.failed', 'attempt.failed', 'attempt.interrupted')\n  GROUP BY run_id, key, attempt\n) a\nJOIN (\n  SELECT run_id, epoch, max(data ->> '$.worker') AS worker\n  FROM events\n  WHERE type IN ('run.created', 'run.claimed')\n  GROUP BY run_id, epoch\n) c ON c.run_id = a.run_id AND c.epoch = a.epoch\nLEFT JOIN events e ON e.run_id = a.run_id AND e.seq = a.end_seq\nWHERE a.started_at IS NOT NULL",
      "CREATE VIEW v_steps AS\nSELECT\n  run_id, key,\n  max(CASE type WHEN 'attempt.started' THEN attempt END) AS attempts,\n  min(CASE type WHEN 'attempt.started' THEN at END) AS started_at,\n  max(CASE WHEN type <> 'attempt.started' THEN at END) AS ended_at,\n  coalesce(max(CASE type WHEN 'step.completed' THEN 'completed' WHEN 'step.failed' THEN 'failed' END), 'open') AS status,\n  max(CASE type WHEN 'step.completed' THEN data -> '$.value' END) AS output,\n  max(CASE type WHEN 'step.failed' THEN data ->> '$.error.message' END) AS error\nFROM events\nWHERE type IN ('attempt.started', 'step.completed', 'step.failed')\nGROUP BY run_id, key\nHAVING attempts IS NOT NULL",
      "CREATE VIEW v_timeline AS\nSELECT position, run_id, seq, at, type, key, attempt, epoch, data FROM events",
    ],
  },
];
