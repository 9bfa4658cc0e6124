// Where all threads wait for each other.
//
// Control words, a cache line each: 0 launches (and 4: threads, 8: failed, 12: spins before sleep),
// 64 threads that arrived, 128 meetings so far, 192 threads asleep. Thread scratch follows: its
// address is at 16 and the bytes of each thread at 20.

// Returns when every thread has called it.
export function meet(control: usize): void {
  const threads = load<u32>(control, 4);
  if (threads == 1) return;
  const meeting = atomic.load<u32>(control, 128);
  if (atomic.add<u32>(control, 1, 64) == threads - 1) {
    atomic.store<u32>(control, 0, 64);
    atomic.store<u32>(control, meeting + 1, 128);
    if (atomic.load<u32>(control, 192) != 0) atomic.notify(control + 128, -1);
    return;
  }
  if (!hasMet(control, meeting)) {
    atomic.add<u32>(control, 1, 192);
    while (atomic.load<u32>(control, 128) == meeting) {
      atomic.wait<i32>(control + 128, meeting, -1);
    }
    atomic.sub<u32>(control, 1, 192);
  }
  // A thread that failed ends the meeting in place of coming: whoever waited for it fails too.
  if (atomic.load<u32>(control, 8) != 0) unreachable();
}

// Spins a while; whether the meeting took place meanwhile.
function hasMet(control: usize, meeting: u32): bool {
  const spins = load<u32>(control, 12);
  for (let spin: u32 = 0; spin < spins; spin++) {
    if (atomic.load<u32>(control, 128) != meeting) return true;
  }
  return false;
}

// This thread's scratch memory.
@inline
export function scratchOf(control: usize, thread: u32): usize {
  return load<u32>(control, 16) + thread * load<u32>(control, 20);
}

// Takes the next `count` of an operation's work items; returns the first.
@inline
export function take(op: usize, count: u32): u32 {
  return atomic.add<u32>(op, count, 64);
}
