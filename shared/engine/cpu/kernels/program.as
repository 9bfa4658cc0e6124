// The program runner: every thread walks the same list of operations over the same memory.
//
// An operation is a record of 32 words: its kind, where its row count lies, whether threads meet
// after it, and its parameters (words 4 to 15, named at the operation's function). Word 16 counts
// the work items that are taken; words 20 to 23 are constants (see `CONSTANTS` in program.ts).
// Threads take items until none is left, so that a thread which the system interrupts holds up
// nothing but its last item. Which thread computes an item changes nothing.
//
// Operations on few single rows are too short to meet for: the thread that comes last to the
// meeting before them does them alone, while the others wait.

import { attend, mergeAttention, rotateAndStore } from "./attention";
import { embed, normalise, swiglu } from "./row_ops";
import { linear } from "./linear";
import { sample } from "./sample";
import { arrive, encourage, release } from "./barrier";

@external("env", "now")
declare function now(): f64;

const OP_BYTES: u32 = 128;
const COUNTER: usize = 64;
// Rows that one thread does sooner than two can meet.
const FEW_ROWS: u32 = 1;

const LINEAR: u32 = 2;
const ATTEND: u32 = 4;

// Runs `count` operations. All threads of the pool call it with the same arguments but their
// number. Where the control block says so, each operation has its own meeting, and thread 0 writes
// the time after each.
export function run(control: usize, ops: usize, count: u32, thread: u32): void {
  const times = load<usize>(control, 36);
  encourage(control, thread);
  let i: u32 = 0;
  while (i < count) {
    const op = ops + i * OP_BYTES;
    perform(op, control, thread);
    i++;
    if (load<u32>(op, 8) != 0) {
      let next = i;
      while (times == 0 && next < count && isShort(ops + next * OP_BYTES)) next++;
      if (arrive(control, thread)) {
        for (; i < next; i++) perform(ops + i * OP_BYTES, control, thread);
        release(control);
      }
      i = next;
    }
    if (times != 0 && thread == 0) store<f64>(times + (i - 1) * 8, now());
  }
}

function perform(op: usize, control: usize, thread: u32): void {
  const kind = load<u32>(op);
  if (kind == 0) embed(op);
  else if (kind == 1) normalise(op);
  else if (kind == LINEAR) linear(op, control, thread);
  else if (kind == 3) rotateAndStore(op);
  else if (kind == ATTEND) attend(op, control, thread);
  else if (kind == 5) mergeAttention(op);
  else if (kind == 6) swiglu(op);
  else sample(op, control, thread);
}

// Whether an operation is one on single rows, and these are few.
function isShort(op: usize): bool {
  const kind = load<u32>(op);
  return kind != LINEAR && kind != ATTEND && load<u32>(load<usize>(op, 4)) <= FEW_ROWS;
}

// Makes all work items of the operations available again. Called while no thread runs.
export function rewind(ops: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) store<u32>(ops + i * OP_BYTES, 0, COUNTER);
}

// Waits for the number of launches to pass `seen`: spins a while, then sleeps. Returns the new
// number.
export function awaitLaunch(control: usize, seen: u32): u32 {
  const spins = load<u32>(control, 12);
  for (let spin: u32 = 0; spin < spins; spin++) {
    const now = atomic.load<u32>(control);
    if (now != seen) return now;
  }
  while (true) {
    const now = atomic.load<u32>(control);
    if (now != seen) return now;
    atomic.wait<i32>(control, seen, -1);
  }
  return 0;
}
