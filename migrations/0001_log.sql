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
  parent_id TEXT,
  -- What it needs a place in before it can be claimed: [[line, slots, rank, hold, fair key, fair cost], ...], short because the
  -- row is written with each step; and when it gets in line for it.
  limits TEXT,
  line_at INTEGER,
  -- Of those that have it in common one is under way at a time.
  singleton TEXT,
  -- The queue that it is in, by its first place; null: none. A generated column would be generated anew with each step.
  queue TEXT,
  -- Since when it has left its lines to others, as no worker took it: until `line_at`.
  passed_at INTEGER
) STRICT;
--> statement
CREATE UNIQUE INDEX runs_idempotency ON runs (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;
--> statement
-- The work queue: runs that can be claimed, now or later, by program.
CREATE INDEX runs_due ON runs (workflow, version, available_at) WHERE available_at IS NOT NULL;
--> statement
-- The same of runs in queues, by queue: for workers that serve some of them.
CREATE INDEX runs_queue ON runs (queue, workflow, version, available_at) WHERE limits IS NOT NULL AND available_at IS NOT NULL;
--> statement
CREATE INDEX runs_passed ON runs (workflow, version, passed_at) WHERE passed_at IS NOT NULL;
--> statement
CREATE INDEX runs_owner ON runs (owner) WHERE owner IS NOT NULL;
--> statement
-- Runs that may have killed their workers: claimed alone (UNCLEAN_ALONE_FROM in src/log/port-claims.ts).
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
  turn INTEGER NOT NULL DEFAULT 0,
  -- What it can run, as JSON.
  programs TEXT,
  -- The queues that it serves, as JSON; null: all.
  queues TEXT
) STRICT;
--> statement
-- Webhook requests whose signature was good, and their replays, each stored with what became of it in the write that did it.
CREATE TABLE deliveries (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  hook TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  -- 0: the request itself, which has the content.
  replay INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  decision TEXT NOT NULL,
  run_id TEXT,
  reason TEXT,
  headers TEXT,
  body BLOB
) STRICT;
--> statement
CREATE UNIQUE INDEX deliveries_id ON deliveries (hook, delivery_id, replay);
--> statement
CREATE INDEX deliveries_hook ON deliveries (hook, position);
--> statement
-- What can be pruned.
CREATE INDEX deliveries_received ON deliveries (received_at);
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
  -- The queue of a step, whose line goes by rank: who has a slot is before all that wait. Null: it is a lock.
  queue TEXT,
  rank INTEGER NOT NULL,
  requested_at INTEGER NOT NULL,
  granted_at INTEGER,
  -- A place that has ended stays until its run ends: a request that arrives late takes no other.
  ended_at INTEGER
) STRICT;
--> statement
CREATE UNIQUE INDEX locks_call ON locks (run_id, key);
--> statement
-- The lines.
CREATE INDEX locks_line ON locks (name, rank, ticket) WHERE ended_at IS NULL;
--> statement
CREATE INDEX locks_queue ON locks (queue, granted_at, name) WHERE queue IS NOT NULL AND ended_at IS NULL;
--> statement
-- How many may hold a lock at most: so far a line is looked at when a place in it ends.
CREATE INDEX locks_slots ON locks (name, slots) WHERE ended_at IS NULL;
--> statement
CREATE UNIQUE INDEX runs_singleton ON runs (singleton) WHERE singleton IS NOT NULL AND ended_at IS NULL;
--> statement
-- Runs with limits that get in line, now or later. Others pay nothing for it.
CREATE INDEX runs_line ON runs (line_at, id) WHERE line_at IS NOT NULL;
--> statement
-- The places that runs with limits hold or wait for. One that ends is marked and deleted in the same write.
CREATE TABLE places (
  run_id TEXT NOT NULL,
  line TEXT NOT NULL,
  slots INTEGER NOT NULL,
  -- The order of the line.
  rank INTEGER NOT NULL,
  -- Until when it is held: life, work or newest (src/kernel/place-limit.ts).
  hold TEXT NOT NULL,
  -- Its fairness key: '' for those that have none. And how far its admission puts off the next turn of its key.
  share TEXT NOT NULL,
  cost INTEGER NOT NULL,
  requested_at INTEGER NOT NULL,
  granted_at INTEGER,
  ended_at INTEGER,
  PRIMARY KEY (run_id, line)
) STRICT, WITHOUT ROWID;
--> statement
-- The lines: who waits, in order, and who has a place.
CREATE INDEX places_line ON places (line, granted_at, share, rank, run_id) WHERE ended_at IS NULL;
--> statement
-- Lines in which somebody has a place, or that were resized or paused at run time.
CREATE TABLE lines (
  line TEXT PRIMARY KEY NOT NULL,
  slots INTEGER,
  paused INTEGER NOT NULL DEFAULT 0,
  -- How many have a place: kept by the triggers of places, so that a long line is not counted.
  held INTEGER NOT NULL DEFAULT 0,
  -- Which turn was taken last, where runs have fairness keys.
  turn INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
--> statement
-- Whose turn it is in a line to which a run with a fairness key has come, until nobody is in it: the least is next. A key of
-- which nobody waits has a row until that turn is past. '' is of all that have no key.
CREATE TABLE turns (
  line TEXT NOT NULL,
  share TEXT NOT NULL,
  turn INTEGER NOT NULL,
  waits INTEGER NOT NULL,
  PRIMARY KEY (line, share)
) STRICT, WITHOUT ROWID;
--> statement
CREATE INDEX turns_next ON turns (line, turn, share) WHERE waits;
--> statement
CREATE INDEX turns_past ON turns (line, turn) WHERE NOT waits;
--> statement
CREATE INDEX lines_set ON lines (line) WHERE slots IS NOT NULL OR paused;
--> statement
CREATE TRIGGER places_granted AFTER UPDATE OF granted_at ON places WHEN OLD.granted_at IS NULL AND NEW.granted_at IS NOT NULL
BEGIN
  INSERT INTO lines (line, held) VALUES (NEW.line, 1) ON CONFLICT (line) DO UPDATE SET held = held + 1;
END;
--> statement
CREATE TRIGGER places_ended AFTER UPDATE OF ended_at ON places
WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND OLD.granted_at IS NOT NULL
BEGIN
  UPDATE lines SET held = held - 1 WHERE line = OLD.line;
END;
--> statement
-- A key of which nobody has waited goes on from the turn that was taken last: it has saved up none.
CREATE TRIGGER places_insert AFTER INSERT ON places WHEN NEW.share <> '' OR EXISTS (SELECT 1 FROM turns t WHERE t.line = NEW.line)
BEGIN
  INSERT INTO turns (line, share, turn, waits) VALUES (
    NEW.line, '', coalesce((SELECT l.turn FROM lines l WHERE l.line = NEW.line), 0),
    EXISTS (SELECT 1 FROM places p WHERE p.line = NEW.line AND p.granted_at IS NULL AND p.share = '' AND p.ended_at IS NULL))
  ON CONFLICT (line, share) DO NOTHING;
  INSERT INTO turns (line, share, turn, waits)
  VALUES (NEW.line, NEW.share, coalesce((SELECT l.turn FROM lines l WHERE l.line = NEW.line), 0), 1)
  ON CONFLICT (line, share) DO UPDATE SET turn = iif(waits, turn, max(turn, excluded.turn)), waits = 1;
END;
--> statement
-- Its key has had a turn. Who could not be admitted when it was their turn has it now, and only one.
CREATE TRIGGER places_turn AFTER UPDATE OF granted_at ON places
WHEN OLD.granted_at IS NULL AND NEW.granted_at IS NOT NULL AND EXISTS (SELECT 1 FROM turns t WHERE t.line = NEW.line)
BEGIN
  INSERT INTO lines (line, turn) SELECT t.line, t.turn FROM turns t WHERE t.line = NEW.line AND t.share = NEW.share
  ON CONFLICT (line) DO UPDATE SET turn = max(turn, excluded.turn);
  UPDATE turns SET
    turn = (SELECT l.turn FROM lines l WHERE l.line = NEW.line) + NEW.cost,
    waits = EXISTS (
      SELECT 1 FROM places p WHERE p.line = NEW.line AND p.granted_at IS NULL AND p.share = NEW.share AND p.ended_at IS NULL)
  WHERE line = NEW.line AND share = NEW.share;
  -- What is past says nothing; and while nobody waits it is of no use to know it of all keys that there ever were.
  DELETE FROM turns WHERE line = NEW.line AND share IN (
    SELECT t.share FROM turns t
    WHERE t.line = NEW.line AND NOT t.waits AND t.share NOT IN ('', NEW.share) AND (
      t.turn <= (SELECT l.turn FROM lines l WHERE l.line = NEW.line)
      OR NOT EXISTS (SELECT 1 FROM turns w INDEXED BY turns_next WHERE w.line = NEW.line AND w.waits))
    ORDER BY t.turn, t.share LIMIT 2);
END;
--> statement
-- Places that wait and for which there is no room.
CREATE VIEW places_without_room AS
SELECT p.run_id, p.line FROM places p
WHERE p.granted_at IS NULL AND p.ended_at IS NULL
  AND coalesce((SELECT iif(l.paused, 0, coalesce(l.slots, p.slots)) - l.held FROM lines l WHERE l.line = p.line), p.slots) <= 0;
--> statement
-- Runs that are to be cancelled, as another is newer in a line of the newest.
CREATE VIEW superseded AS
SELECT o.run_id, p.run_id AS newest_id
FROM places p CROSS JOIN places o ON o.line = p.line AND o.granted_at IS NOT NULL AND o.ended_at IS NULL
WHERE p.hold = 'newest' AND p.granted_at IS NULL AND o.run_id < p.run_id
UNION ALL
SELECT o.run_id, p.run_id AS newest_id
FROM places p CROSS JOIN places o ON o.line = p.line AND o.granted_at IS NULL AND o.ended_at IS NULL
WHERE p.hold = 'newest' AND p.granted_at IS NULL AND o.run_id < p.run_id;
--> statement
-- Token buckets: until when each is used up, in milliseconds since the epoch.
CREATE TABLE buckets (
  bucket TEXT PRIMARY KEY NOT NULL,
  used_until REAL NOT NULL
) STRICT;
--> statement
CREATE INDEX buckets_used ON buckets (used_until);
--> statement
-- Procedures: an insert of rows into these views does something for each row in turn, so that each sees what the one
-- before has done. They are called by src/log/libsql/statements-places.ts.
CREATE VIEW admissions AS SELECT NULL AS run_id, NULL AS fits, NULL AS at;
--> statement
-- A run gets the places that it waits for if there is room in all of them, which whoever knows it says by `fits`; and it can
-- be claimed once it has all. What only ends a run needs none.
CREATE TRIGGER admissions_insert INSTEAD OF INSERT ON admissions
BEGIN
  UPDATE places SET granted_at = NEW.at
  WHERE run_id = NEW.run_id AND granted_at IS NULL AND ended_at IS NULL
    AND (NEW.fits OR NOT EXISTS (SELECT 1 FROM places_without_room w WHERE w.run_id = NEW.run_id));
  UPDATE runs SET available_at = NEW.at
  WHERE id = NEW.run_id AND +status = 'pending' AND owner IS NULL AND available_at IS NULL AND line_at IS NULL AND (
    NOT EXISTS (SELECT 1 FROM places p WHERE p.run_id = NEW.run_id AND p.granted_at IS NULL AND p.ended_at IS NULL)
    OR EXISTS (
      SELECT 1 FROM inbox i
      WHERE i.run_id = NEW.run_id AND (i.kind = 'terminate' OR i.kind = 'cancel' AND runs.head = 1)));
END;
--> statement
CREATE VIEW openings AS SELECT NULL AS line, NULL AS at;
--> statement
-- There may be room in a line: the first of those at its head is admitted that has room in all of its lines; where runs have
-- fairness keys, of the first of each key, key after key.
CREATE TRIGGER openings_insert INSTEAD OF INSERT ON openings
WHEN EXISTS (
  SELECT 1 FROM (
    SELECT p.slots FROM places p
    WHERE p.line = NEW.line AND p.granted_at IS NULL AND p.ended_at IS NULL ORDER BY p.share, p.rank, p.run_id LIMIT 1
  ) f
  WHERE coalesce((SELECT iif(l.paused, 0, coalesce(l.slots, f.slots)) - l.held FROM lines l WHERE l.line = NEW.line), f.slots) > 0)
BEGIN
  INSERT INTO admissions (run_id, fits, at)
  SELECT c.run_id, 1, NEW.at FROM (
    SELECT p.run_id FROM places p
    WHERE p.line = NEW.line AND p.granted_at IS NULL AND p.share = '' AND p.ended_at IS NULL
    ORDER BY p.rank, p.run_id LIMIT 64
  ) c
  WHERE NOT EXISTS (SELECT 1 FROM turns t WHERE t.line = NEW.line)
    AND NOT EXISTS (SELECT 1 FROM places_without_room w WHERE w.run_id = c.run_id)
  LIMIT 1;
  INSERT INTO admissions (run_id, fits, at)
  SELECT f.run_id, 1, NEW.at FROM (
    SELECT (
      SELECT c.run_id FROM (
        SELECT p.run_id FROM places p
        WHERE p.line = NEW.line AND p.granted_at IS NULL AND p.share = k.share AND p.ended_at IS NULL
        ORDER BY p.rank, p.run_id LIMIT 4
      ) c
      WHERE NOT EXISTS (SELECT 1 FROM places_without_room w WHERE w.run_id = c.run_id)
      LIMIT 1
    ) AS run_id
    FROM (SELECT t.share FROM turns t WHERE t.line = NEW.line AND t.waits ORDER BY t.turn, t.share LIMIT 64) k
  ) f
  WHERE f.run_id IS NOT NULL
  LIMIT 1;
END;
--> statement
-- Somebody has left a line: there may be room for the next.
CREATE TRIGGER places_delete AFTER DELETE ON places WHEN NOT EXISTS (SELECT 1 FROM turns t WHERE t.line = OLD.line)
BEGIN
  INSERT INTO openings (line, at) VALUES (OLD.line, OLD.ended_at);
  DELETE FROM lines WHERE line = OLD.line AND held = 0 AND slots IS NULL AND NOT paused;
END;
--> statement
-- The same in a line that has turns, which say nothing once nobody is in it.
CREATE TRIGGER places_delete_with_turns AFTER DELETE ON places WHEN EXISTS (SELECT 1 FROM turns t WHERE t.line = OLD.line)
BEGIN
  UPDATE turns SET waits = 0
  WHERE line = OLD.line AND share = OLD.share AND NOT EXISTS (
    SELECT 1 FROM places p WHERE p.line = OLD.line AND p.granted_at IS NULL AND p.share = OLD.share AND p.ended_at IS NULL);
  INSERT INTO openings (line, at) VALUES (OLD.line, OLD.ended_at);
  DELETE FROM turns
  WHERE line = OLD.line AND NOT EXISTS (SELECT 1 FROM places p WHERE p.line = OLD.line AND p.ended_at IS NULL);
  DELETE FROM lines
  WHERE line = OLD.line AND held = 0 AND slots IS NULL AND NOT paused AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.line = OLD.line);
END;
--> statement
CREATE VIEW returns AS SELECT NULL AS run_id, NULL AS at;
--> statement
-- A run that has places is stuck or paused, or goes on: what is held only while it is worked on is given back.
CREATE TRIGGER returns_insert INSTEAD OF INSERT ON returns
BEGIN
  UPDATE places SET ended_at = NEW.at
  WHERE run_id = NEW.run_id AND hold = 'work' AND (SELECT r.status FROM runs r WHERE r.id = NEW.run_id) IN ('stuck', 'paused');
  DELETE FROM places WHERE run_id = NEW.run_id AND ended_at IS NOT NULL;
END;
--> statement
CREATE VIEW newests AS SELECT NULL AS run_id, NULL AS at;
--> statement
-- Those before a run in a line of the newest are cancelled.
CREATE TRIGGER newests_insert INSTEAD OF INSERT ON newests
BEGIN
  INSERT INTO inbox (run_id, token, kind, data, at)
  SELECT s.run_id, 'newest/' || NEW.run_id || '/' || s.run_id, 'cancel', json_object('reason', 'run ' || NEW.run_id || ' has taken its place'), NEW.at
  FROM superseded s WHERE s.newest_id = NEW.run_id
  ON CONFLICT (token) DO NOTHING;
  UPDATE runs SET status = 'pending', line_at = NEW.at
  WHERE id IN (SELECT s.run_id FROM superseded s WHERE s.newest_id = NEW.run_id)
    AND +status IN ('waiting', 'pending', 'stuck', 'paused') AND owner IS NULL AND available_at IS NULL;
END;
--> statement
CREATE VIEW arrivals AS SELECT NULL AS run_id, NULL AS at;
--> statement
-- A run with limits gets in line for the places that it lacks, and is admitted if there is room. One that is stuck or
-- paused gives back what is held only while a run is worked on. What few runs need has a procedure of its own: a look
-- whether it is needed costs a third of a statement that finds nothing to do.
CREATE TRIGGER arrivals_insert INSTEAD OF INSERT ON arrivals
BEGIN
  INSERT INTO returns (run_id, at) SELECT NEW.run_id, NEW.at WHERE EXISTS (SELECT 1 FROM places p WHERE p.run_id = NEW.run_id);
  INSERT INTO places (run_id, line, slots, rank, hold, share, cost, requested_at)
  SELECT r.id, l.value ->> 0, l.value ->> 1, l.value ->> 2, l.value ->> 3, coalesce(l.value ->> 4, ''), coalesce(l.value ->> 5, 1000000),
    NEW.at
  FROM runs r CROSS JOIN json_each(r.limits) l
  WHERE r.id = NEW.run_id AND r.status IN ('pending', 'waiting')
  ON CONFLICT (run_id, line) DO NOTHING;
  INSERT INTO newests (run_id, at) SELECT NEW.run_id, NEW.at
  WHERE EXISTS (SELECT 1 FROM places p WHERE p.run_id = NEW.run_id AND p.hold = 'newest' AND p.granted_at IS NULL);
  UPDATE runs SET line_at = NULL, passed_at = NULL WHERE id = NEW.run_id;
  UPDATE runs SET status = 'pending' WHERE id = NEW.run_id AND +status = 'waiting';
  INSERT INTO admissions (run_id, fits, at) VALUES (NEW.run_id, 0, NEW.at);
END;
--> statement
CREATE VIEW asides AS SELECT NULL AS run_id, NULL AS at, NULL AS until;
--> statement
-- A run that nobody works on leaves its lines until an instant. What it has begun keeps the places that are held for life.
CREATE TRIGGER asides_insert INSTEAD OF INSERT ON asides
WHEN EXISTS (SELECT 1 FROM runs r WHERE r.id = NEW.run_id AND r.status = 'pending' AND r.owner IS NULL AND r.line_at IS NULL)
BEGIN
  UPDATE places SET ended_at = NEW.at
  WHERE run_id = NEW.run_id AND ended_at IS NULL
    AND (granted_at IS NULL OR hold = 'work' OR (SELECT r.head FROM runs r WHERE r.id = NEW.run_id) = 1);
  UPDATE runs SET available_at = NULL, line_at = NEW.until, passed_at = NEW.at WHERE id = NEW.run_id;
  DELETE FROM places WHERE run_id = NEW.run_id AND ended_at IS NOT NULL;
END;
--> statement
CREATE VIEW rate_takes AS SELECT NULL AS run_id, NULL AS bucket, NULL AS interval_ms, NULL AS ahead_ms, NULL AS delays, NULL AS at;
--> statement
-- A run that is just being created, and so has no event, takes a token of a bucket. If there is none it gets in line later,
-- or it is not created.
CREATE TRIGGER rate_takes_insert INSTEAD OF INSERT ON rate_takes
WHEN NOT EXISTS (SELECT 1 FROM events e WHERE e.run_id = NEW.run_id)
BEGIN
  DELETE FROM runs WHERE id = NEW.run_id AND NOT NEW.delays
    AND (SELECT b.used_until FROM buckets b WHERE b.bucket = NEW.bucket) - NEW.ahead_ms > NEW.at;
  UPDATE runs SET line_at = max(line_at, coalesce((
    SELECT CAST(b.used_until - NEW.ahead_ms AS INTEGER) + (CAST(b.used_until - NEW.ahead_ms AS INTEGER) < b.used_until - NEW.ahead_ms)
    FROM buckets b WHERE b.bucket = NEW.bucket AND b.used_until - NEW.ahead_ms > max(line_at, NEW.at)), line_at))
  WHERE id = NEW.run_id AND NEW.delays;
  INSERT INTO buckets (bucket, used_until)
  SELECT NEW.bucket, max(NEW.at, iif(NEW.delays, r.line_at, NEW.at)) + NEW.interval_ms FROM runs r WHERE r.id = NEW.run_id
  ON CONFLICT (bucket) DO UPDATE SET used_until = max(used_until, excluded.used_until - NEW.interval_ms) + NEW.interval_ms;
  -- One that is not used up says nothing.
  DELETE FROM buckets WHERE bucket IN (SELECT b.bucket FROM buckets b WHERE b.used_until <= NEW.at ORDER BY b.used_until LIMIT 2);
END;
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
-- Timetables of workflows. Every change of a row moves its revision.
CREATE TABLE schedules (
  id TEXT PRIMARY KEY NOT NULL,
  workflow TEXT NOT NULL,
  version TEXT,
  definition TEXT NOT NULL,
  source TEXT NOT NULL,
  generation INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  token TEXT NOT NULL,
  paused_at INTEGER,
  note TEXT,
  -- Every instant up to this one is decided.
  cursor INTEGER NOT NULL,
  next_at INTEGER,
  -- Firings that wait for a run to end.
  waiting INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
--> statement
CREATE INDEX schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL;
--> statement
CREATE INDEX schedules_waiting ON schedules (id) WHERE waiting > 0 AND paused_at IS NULL;
--> statement
-- What became of each instant of a schedule, or of a range of skipped ones.
CREATE TABLE firings (
  schedule_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  lane TEXT NOT NULL,
  until INTEGER,
  instants INTEGER,
  decision TEXT NOT NULL,
  cause TEXT NOT NULL,
  reason TEXT,
  run_id TEXT,
  generation INTEGER NOT NULL,
  decided_at INTEGER,
  is_open INTEGER NOT NULL,
  PRIMARY KEY (schedule_id, at, lane)
) STRICT;
--> statement
-- What the overlap rule has to look at.
CREATE INDEX firings_open ON firings (schedule_id, at) WHERE is_open = 1;
--> statement
CREATE INDEX firings_decided ON firings (schedule_id, decided_at, at) WHERE is_open = 0;
--> statement
-- Where each endpoint of outgoing webhooks is in the log, and who sends for it until when. `epoch` grows with each holder.
CREATE TABLE endpoints (
  name TEXT PRIMARY KEY NOT NULL,
  position INTEGER NOT NULL,
  holder TEXT,
  expires_at INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  -- The receiver asked for no request before then.
  rest_until INTEGER,
  disabled_at INTEGER
) STRICT;
--> statement
-- What endpoints are told: one event of the log each.
CREATE TABLE notices (
  endpoint TEXT NOT NULL,
  position INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  tries INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  first_at INTEGER,
  -- When it is tried next, while it is pending.
  due_at INTEGER,
  ended_at INTEGER,
  note TEXT,
  PRIMARY KEY (endpoint, position)
) STRICT;
--> statement
CREATE INDEX notices_due ON notices (endpoint, due_at) WHERE due_at IS NOT NULL;
--> statement
-- For retention.
CREATE INDEX notices_ended ON notices (status, ended_at) WHERE ended_at IS NOT NULL;
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
