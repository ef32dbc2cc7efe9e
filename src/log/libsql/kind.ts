/** Where the database is, and who else writes to it. */
export type DatabaseKind =
  /** An embedded file that this process owns: WAL, one connection. */
  | "owned-file"
  /** An embedded file that several processes write: rollback journal (FACTS.md, the WAL-reset bug). */
  | "shared-file"
  /** An embedded file of somebody else, opened for reading. */
  | "foreign-file"
  /** A libSQL server. */
  | "remote";
