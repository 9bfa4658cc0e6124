/**
 * The database file: its schema, how it is opened, and what happens when it is broken.
 *
 * - `chunks`: the OTLP bytes of the spans of one trace from one export, as they came. A chunk that is
 *   sent again, because its acknowledgement was lost, is known by its digest and stored once.
 * - `blocks`: what the spans of some 2,000 consecutive positions have in common, to skip them in a
 *   search. Chunks after the last block are the tail, which readers look at directly.
 *
 * In WAL mode with `synchronous = NORMAL` a commit survives the death of the process at any moment.
 * A loss of power may take the last commits, never the file.
 */

import { DatabaseSync } from "node:sqlite";
import { dirname } from "@std/path/mod.js";
import { isCorrupt, StoreError } from "./store_error.ts";

/** In `user_version`; a file of another version is set aside. */
const SCHEMA_VERSION = 1;
const BUSY_TIMEOUT_MS = 5_000;

const SCHEMA = `
  CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL,
    digest INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    data BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX chunk_of_trace ON chunks (trace_id, digest);
  CREATE TABLE blocks (
    id INTEGER PRIMARY KEY,
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL,
    sealed_ms INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    min_start_ns INTEGER NOT NULL,
    max_start_ns INTEGER NOT NULL,
    max_end_ns INTEGER NOT NULL,
    summary BLOB NOT NULL
  ) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

export interface OpenedDatabase {
  readonly database: DatabaseSync;
  /** Where a broken file went; undefined when there was none. */
  readonly setAside?: string;
}

/**
 * Opens or creates the database for its one writer. A file that is no usable database is moved aside.
 * Throws a StoreError where no file can be made.
 */
export function openForWriting(path: string): OpenedDatabase {
  try {
    const database = tryOpen(path);
    if (database !== undefined) return { database };
    const setAside = moveAside(path);
    return { database: tryOpen(path) ?? fail(path, "it is broken again right after"), setAside };
  } catch (error) {
    if (error instanceof StoreError) throw error;
    return fail(path, error instanceof Error ? error.message : String(error));
  }
}

/**
 * Holds the right to write: two writers would make blocks of each other's chunks. The lock goes when
 * this process dies. Throws a StoreError when another one has it.
 */
export function lockForWriting(path: string): Disposable {
  let file: Deno.FsFile;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true });
    file = Deno.openSync(`${path}.lock`, { create: true, write: true });
  } catch (error) {
    return fail(path, error instanceof Error ? error.message : String(error));
  }
  if (file.tryLockSync(true)) return file;
  file.close();
  return fail(path, "another traces service writes to it");
}

/** Opens the database for queries. */
export function openForReading(path: string): DatabaseSync {
  return new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
}

/** Moves the database and its WAL out of the way; returns where it went. */
export function moveAside(path: string): string {
  const target = `${path}.broken-${new Date().toISOString().replaceAll(":", "-")}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    try {
      Deno.renameSync(`${path}${suffix}`, `${target}${suffix}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return target;
}

/** Undefined when the file is broken or of another version. */
function tryOpen(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    // Takes effect only before the first table.
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    database.exec(`PRAGMA journal_size_limit = ${64 * 1024 * 1024}`);
    const version = pragma(database, "user_version");
    if (version === 0 && pragma(database, "page_count") <= 1) {
      database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
      return database;
    }
    if (version === SCHEMA_VERSION && isUsable(database)) return database;
  } catch (error) {
    if (!isCorrupt(error)) {
      database?.close();
      throw error;
    }
  }
  database?.close();
  return undefined;
}

/** Reads where breakage shows at once: the ends of both tables and the index. */
function isUsable(database: DatabaseSync): boolean {
  database.prepare("SELECT max(id), min(id) FROM chunks").get();
  database.prepare("SELECT min(trace_id), max(trace_id) FROM chunks").get();
  database.prepare("SELECT summary FROM blocks ORDER BY id DESC LIMIT 1").get();
  return true;
}

/** The number that a pragma reads. */
export function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(Object.values(row ?? {})[0] ?? 0);
}

function fail(path: string, reason: string): never {
  throw new StoreError(
    "unavailable",
    `Cannot open the trace database ${path}: ${reason}; set DYN_TRACES_DB to a file that can be written`,
  );
}
