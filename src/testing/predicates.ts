/** What the checker holds the engine to: each promise by its name. */

export const PREDICATES = {
  "append-whole-or-not": "A write leaves all of a run's events, byte for byte, or none of them.",
  "append-under-current-epoch": "Events are taken only under the epoch of the run's last claim.",
  "verdict-true": "The verdict of a write says that a run's part is written if, and only if, it is in the log.",
  "event-readable": "Every event in the log can be read by this version of its format.",
  "log-never-changes": "What was once in the log is there at every later look, byte for byte.",
  "seq-dense": "A run's events are 1, 2, 3 ... and their positions grow.",
  "created-first": "The first event of a run is run.created, and no other is.",
  "terminal-last":
    "A run ends once, and nothing but late outcomes follows, unless it is reopened, which only then can be.",
  "epoch-never-falls": "The epochs of a run's events never fall.",
  "instant-never-falls": "The instants of a run's events never fall.",
  "one-owner": "A run is claimed only if it had no owner, or its owner's lease had ended by the log's clock.",
  "claim-under-lease": "A run is claimed only by a worker whose lease lasts.",
  "claim-raises-epoch": "Each claim raises the run's epoch by one, and so does each retry.",
  "lease-by-log-clock": "A heartbeat renews a lease only while it lasts, by the log's clock.",
  "attempt-before-body": "A body begins only after the start of its attempt is in the log.",
  "body-under-lease": "A body begins only while its worker holds the run and its lease lasts.",
  "no-body-after-outcome": "No body begins of a step whose outcome is in the log.",
  "no-body-after-end": "No body begins in a run whose end is in the log.",
  "one-live-attempt": "While a body runs under the run's current epoch, no other of the same step begins.",
  "superseded-body-aborted":
    "When a body begins, one of the same step that still runs in its process has been aborted.",
  "attempts-within-policy": "No attempt begins beyond those that the step's options allow.",
  "attempts-count-up": "A step's attempts are 1, 2, 3 ..., each after the end of the one before.",
  "one-outcome": "A call has one outcome at most.",
  "closed-scope-silent": "After a scope's outcome nothing is recorded within it but late outcomes.",
  "value-as-recorded": "The code is given what the log holds, at every replay.",
  "replay-asks-the-same": "Two replays of one history ask for the same calls in the same order.",
  "replay-has-no-effect": "Replay begins no body.",
  "value-within-limit": "No value in the log is larger than the limit says.",
  "timer-not-early": "A timer fires when it is due by the log's clock, and not before.",
  "retry-not-early": "An attempt that follows a failed one begins when it is due, and not before.",
  "start-once": "One idempotency key is one run, for every caller and for ever.",
  "delivery-once": "One delivery is one run, for ever.",
  "delivery-one-decision": "A delivery has one decision, the first, and what was decided was done by that write.",
  "acknowledged-start-kept": "A start that was acknowledged is in the log, at every later look.",
  "acknowledged-cancel-kept": "A cancel that was acknowledged is in the run's mail or history, or the run is over.",
  "cancel-obeyed": "After cancel.requested nothing begins but in shielded scopes, and the run ends as cancelled.",
  "signal-once": "A signal is taken by one call at most, and only after it was received.",
  "acknowledged-signal-kept": "A signal that was acknowledged is in the run's mail or history, or the run is over.",
  "pause-obeyed": "While a run is paused nothing begins in it, and nothing becomes due.",
  "pause-undisturbed": "A run that rests in a pause is claimed only when its mail ends the pause.",
  "child-and-parent-agree":
    "A child exists if, and only if, its parent's history says so, which has its end once, as it was.",
  "left-child-told":
    "A child whose end nobody waits for any more is told to end by the write that left it, unless it was to go on.",
  "shield-holds": "What a shield holds goes on to its end though the run is cancelled.",
  "undone-unless-completed": "Once a run has failed or was cancelled, each completed step that can be undone has been.",
  "compensations-in-reverse":
    "Compensations run once each, of those that run together the last completed step's first.",
  "change-once": "A call changes what runs share once, however often it is tried.",
  "change-after-record": "A call changes what runs share only after its request is in the log.",
  "change-as-answered": "A run is told of a change what its call has put.",
  "shared-under-epoch": "What runs share is changed only under the epoch of the run's last claim, and before its end.",
  "lock-by-turn": "A run has a lock only when fewer than its slots are before it in line: first come, first served.",
  "no-place-left-behind": "In line for a lock are only calls that still want it or hold it.",
  "acknowledged-message-kept": "A message that was acknowledged is in the log, once, as it was published first.",
  "message-dispatched-once": "What becomes of a message is decided once, and no subscription starts two runs for it.",
  "wait-ends-one-way": "A wait for a message is given one message or expires: never both, and never otherwise later.",
  "limits-hold":
    "Of the runs, or attempts of steps, that share a limit no more are under way, or worked on, than it lets in.",
  "no-slot-leaks": "A run that is over has no place in a line.",
  "served-by-pool": "A worker takes runs of the queues that it serves, and of no other.",
  "turns-taken": "Runs of different fairness keys are let in key after key, whichever came first.",
  "breaker-change-recorded": "Each change of a breaker is in the history of the run that caused it, once.",
  "schedule-decides-once": "An instant of a schedule is decided once, whoever decides it and whatever clocks do.",
  "no-instant-lost": "Whatever a schedule's cursor passes is decided in the same write; it never goes back.",
  "schedule-obeys":
    "A schedule fires nothing in a pause, catches up with no more and nothing older than it may, and lets one run at a time.",
  "notice-for-each-event":
    "An endpoint passes an event of the log in the write that makes its notice, if it asks for it; it never goes back.",
  "notice-as-answered":
    "A notice has ended only as its receiver has answered since it was last made pending; each try counts, and none is planned too late.",
  "notice-one-id": "A notice goes out under one id, which no other has, and says the same each time.",
  "notice-by-holder": "A request goes out only from the holder of its endpoint, which has eight under way at most.",
  "notice-when-due": "A request goes out only when its notice is due.",
  "notice-held-back": "Nothing goes out to an endpoint that said that it is gone, or that asked for a rest.",
  "notice-out-in-the-world": "No request goes to a host that the name server puts into a private network.",
  "notice-delivered": "Once nothing goes wrong any more, the receiver has taken each notice.",
  "update-loses-nothing": "No two updates of a counter come to the same number, and its value is how many there were.",
  "message-once": "A message waits in the inbox once at most, and is recorded once at most.",
  "message-kept": "A message that was accepted, or told by a run, is in the inbox of its run unless that is over.",
  "mail-fenced": "Mail leaves the inbox only with a write of its run that is taken.",
  "no-park-with-mail": "A run does not wait while it has mail.",
  "row-follows-history": "A run's row says what its history says.",
  liveness: "Once nothing goes wrong any more, every run ends or waits for something that will come.",
  "no-dead-owner": "Once nothing goes wrong any more, no run belongs to a worker whose lease has ended.",
  "idle-holds-no-run": "A worker whose runs have all ended holds none in its hands.",
  "no-hot-loop": "A worker with nothing to do calls the log no more than a few times a second.",
  "one-writer": "A proc has one write under way at a time.",
  "result-as-expected": "The run comes to what its program comes to without faults.",
} as const;

export type PredicateName = keyof typeof PREDICATES;

/** What only worlds with schedules look at. */
export const OF_SCHEDULES: readonly PredicateName[] = ["schedule-decides-once", "no-instant-lost", "schedule-obeys"];

/** What only worlds with messages look at. */
export const OF_MESSAGES: readonly PredicateName[] = [
  "acknowledged-message-kept",
  "message-dispatched-once",
  "wait-ends-one-way",
];

/** What only worlds with outgoing webhooks look at. */
export const OF_OUTGOING: readonly PredicateName[] = [
  "notice-for-each-event",
  "notice-as-answered",
  "notice-one-id",
  "notice-by-holder",
  "notice-when-due",
  "notice-held-back",
  "notice-out-in-the-world",
  "notice-delivered",
];

/** What has worlds of its own, and is not in random programs. */
export const OF_OWN_WORLDS: readonly PredicateName[] = [...OF_OUTGOING, "served-by-pool", "turns-taken"];
