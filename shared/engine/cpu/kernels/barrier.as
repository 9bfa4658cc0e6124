// Where all threads wait for each other.
//
// Control words, a cache line each: 0 launches (and 4: threads, 8: failed, 12: least spins of a
// wait, 36: where times go, 0 for none), 64 threads that arrived, 128 meetings so far, 192 threads
// asleep. Thread scratch is elsewhere: its address is at 16 and the bytes of each thread at 20.
// From 256 on a line for each thread, its patience: how long it may still spin in vain, in ms.
//
// To wake a thread takes tens of microseconds, longer than threads with a core each ever wait for
// each other: a thread that sleeps makes the next meeting's threads sleep too. So waits are long as
// long as they pay. One in vain says that the other thread has no core: it uses patience up, and
// what comes back with each launch and each wait that paid is little. So threads that share a core
// lose no more than a small part of their time to spinning.

@external("env", "now")
declare function now(): f64;

const PATIENCE: usize = 256;
// In milliseconds. What a launch gives back must be more than it takes to wake a worker.
const MOST_PATIENCE: f64 = 0.8;
const LAUNCH_PATIENCE: f64 = 0.3;
const PAID_PATIENCE: f64 = 0.002;
const LONGEST_WAIT: f64 = 0.2;
// Between two looks at the clock.
const SPINS: u32 = 1000;

// Comes to the meeting. True for the thread that comes last: it may do what is to be done alone and
// then calls `release`. For others it returns false when that has happened. Fails where another
// thread failed.
export function arrive(control: usize, thread: u32): bool {
  const threads = load<u32>(control, 4);
  if (threads == 1) return true;
  const meeting = atomic.load<u32>(control, 128);
  failWithOthers(control);
  if (atomic.add<u32>(control, 1, 64) == threads - 1) return true;
  if (!hasMet(control, meeting, control + PATIENCE + thread * 64)) {
    atomic.add<u32>(control, 1, 192);
    while (atomic.load<u32>(control, 128) == meeting) {
      atomic.wait<i32>(control + 128, meeting, -1);
    }
    atomic.sub<u32>(control, 1, 192);
  }
  failWithOthers(control);
  return false;
}

// A thread that fails says so and then ends a meeting in place of coming. Whoever waits for it sees
// that afterwards; whoever was still at work has to look before, since no meeting is left to end.
@inline
function failWithOthers(control: usize): void {
  if (atomic.load<u32>(control, 8) != 0) unreachable();
}

// Ends the meeting to which the calling thread came last.
export function release(control: usize): void {
  if (load<u32>(control, 4) == 1) return;
  atomic.store<u32>(control, 0, 64);
  atomic.add<u32>(control, 1, 128);
  if (atomic.load<u32>(control, 192) != 0) atomic.notify(control + 128, -1);
}

// Spins as long as patience allows; whether the meeting took place meanwhile.
function hasMet(control: usize, meeting: u32, at: usize): bool {
  if (spin(control, meeting, load<u32>(control, 12))) return true;
  const patience = load<f64>(at);
  const longest = min(patience, LONGEST_WAIT);
  const start = now();
  let waited: f64 = 0;
  while (waited < longest) {
    if (spin(control, meeting, SPINS)) {
      store<f64>(at, min(patience + PAID_PATIENCE, MOST_PATIENCE));
      return true;
    }
    waited = now() - start;
  }
  store<f64>(at, patience - longest);
  return false;
}

function spin(control: usize, meeting: u32, spins: u32): bool {
  for (let i: u32 = 0; i < spins; i++) {
    if (atomic.load<u32>(control, 128) != meeting) return true;
  }
  return false;
}

// Gives a thread some patience for a launch.
export function encourage(control: usize, thread: u32): void {
  const at = control + PATIENCE + thread * 64;
  store<f64>(at, min(load<f64>(at) + LAUNCH_PATIENCE, MOST_PATIENCE));
}

// This thread's scratch memory.
@inline
export function scratchOf(control: usize, thread: u32): usize {
  return load<u32>(control, 16) + thread * load<u32>(control, 20);
}

// Takes the next of an operation's work items.
@inline
export function take(op: usize): u32 {
  return atomic.add<u32>(op, 1, 64);
}

// Takes a share of the `items` of an operation, at most `most`; returns the first, `items` when none
// is left.
export function takeShare(op: usize, items: u32, threads: u32, most: u32): u32 {
  let first = atomic.load<u32>(op, 64);
  while (first < items) {
    const end = first + shareOf(items - first, threads, most);
    const seen = atomic.cmpxchg<u32>(op, first, end, 64);
    if (seen == first) break;
    first = seen;
  }
  return first;
}

// How many of `left` items are taken at once: many at first, so that threads seldom meet at the
// counter, and few in the end, so that they end together, on cores of different speeds too. An even
// number, so that results which different threads write are seldom in one cache line.
@inline
export function shareOf(left: u32, threads: u32, most: u32): u32 {
  const share = min(most, left * 3 / (threads * 4));
  return share < 2 ? 1 : share & ~1;
}
